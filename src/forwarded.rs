//! Whose request it is: the client's address behind proxies that are trusted.
//!
//! Every proxy adds to `X-Forwarded-For` the address that it was asked from. So the chain is read from its
//! end, as far as it was written by somebody who is trusted: what a client itself says stands before that,
//! and is never reached.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// A text that is no list of networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network; write 10.0.0.7 or 10.0.0.0/8")]
pub struct TrustedProxiesError(String);

/// What one client is for limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(IpAddr);

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    /// Addresses and networks, separated by blanks or commas.
    fn from_str(text: &str) -> Result<Self, TrustedProxiesError> {
        let names = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|name| !name.is_empty());
        let net = |name: &str| {
            let net = name.parse().or_else(|_| name.parse::<IpAddr>().map(IpNet::from));
            net.map_err(|_| TrustedProxiesError(name.to_owned()))
        };
        names.map(net).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Whether this address may say for whom it asks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The client of a request that came from this address.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.contains(peer) {
            self.forwarded_client(headers).unwrap_or(peer.to_canonical())
        } else {
            peer.to_canonical()
        }
    }

    /// The client that the chain names, which somebody trusted has handed over: the last one who is not trusted, or
    /// else the first. None where it names nobody.
    pub fn forwarded_client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines: Vec<&str> =
            headers.get_all(&FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("?")).collect();
        let mut named = None;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')).filter(|entry| !entry.trim().is_empty()) {
            // Who is trusted does not write what cannot be read: so this is where the client's own words begin.
            let Some(address) = address(entry.trim()) else { break };
            named = Some(address);
            if !self.contains(address) {
                break;
            }
        }
        named
    }
}

/// An address, perhaps with the port that some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

impl From<IpAddr> for ClientId {
    /// One IPv4 address, or the /64 network that commonly is one household or one machine.
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn chain(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn client(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let trusted: TrustedProxies = trusted.parse().unwrap();
        trusted.client(peer.parse().unwrap(), &chain(lines)).to_string()
    }

    #[test]
    fn who_is_not_trusted_is_the_client_whatever_it_says() {
        assert_eq!(client("127.0.0.0/8", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("", "127.0.0.1", &["198.51.100.7"]), "127.0.0.1");
    }

    #[test]
    fn the_last_who_is_not_trusted_is_the_client() {
        let trusted = "127.0.0.0/8 10.0.0.0/8, ::1";
        assert_eq!(client(trusted, "127.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(trusted, "127.0.0.1", &["forged, 198.51.100.7, 192.0.2.1, 10.1.2.3"]), "192.0.2.1");
        assert_eq!(client(trusted, "127.0.0.1", &["198.51.100.7", "192.0.2.1,10.1.2.3"]), "192.0.2.1");
        assert_eq!(client(trusted, "::1", &["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(client(trusted, "::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(trusted, "::ffff:127.0.0.1", &["::ffff:192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn where_all_are_trusted_the_first_is_the_client() {
        assert_eq!(client("127.0.0.1 10.0.0.0/8", "127.0.0.1", &["10.9.9.9, 10.1.2.3"]), "10.9.9.9");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn what_cannot_be_read_is_a_clients_own_word() {
        assert_eq!(client("127.0.0.1 10.0.0.0/8", "127.0.0.1", &["192.0.2.1, unknown, 10.1.2.3"]), "10.1.2.3");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["unknown"]), "127.0.0.1");
    }

    #[test]
    fn a_household_has_one_bucket() {
        let id = |text: &str| ClientId::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(id("2001:db8:0:1::1"), id("2001:db8:0:1:ffff::2"));
        assert_ne!(id("2001:db8:0:1::1"), id("2001:db8:0:2::1"));
        assert_eq!(id("::ffff:192.0.2.1"), id("192.0.2.1"));
        assert_ne!(id("192.0.2.1"), id("192.0.2.2"));
    }

    #[test]
    fn a_list_is_of_addresses_and_networks() {
        assert_eq!("".parse(), Ok(TrustedProxies::default()));
        for bad in ["localhost", "10.0.0.0/33", "10.0.0.0/8;::1", "10.*"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever a client writes before it, what a trusted proxy adds at the end is what counts.
        #[test]
        fn no_client_chooses_its_address(forged in "[ -~]{0,60}") {
            let line = format!("{forged}, 192.0.2.1");
            prop_assert_eq!(client("127.0.0.0/8", "127.0.0.1", &[&line]), "192.0.2.1");
        }
    }
}
