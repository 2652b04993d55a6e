//! The address of the client, for requests that come through trusted proxies.
//!
//! Every proxy appends to `X-Forwarded-For` the address that it received the request from. So the chain is read from its
//! end, as long as a trusted proxy wrote the entry. Entries that a client forged come before these, and are never
//! reached.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The addresses whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// The error for a text that is not a list of addresses and networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network; write 10.0.0.7 or 10.0.0.0/8")]
pub struct TrustedProxiesError(String);

/// Identifies a client for limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(IpAddr);

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    /// Parses addresses and networks, separated by white space or commas.
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
    /// Returns whether an address is a trusted proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Returns the client of a request that came from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.contains(peer) {
            self.forwarded_client(headers).unwrap_or(peer.to_canonical())
        } else {
            peer.to_canonical()
        }
    }

    /// Returns the client according to the `X-Forwarded-For` of a trusted proxy: the last address that is not trusted, or
    /// the first address if all are trusted. Returns `None` if the chain has no valid address.
    pub fn forwarded_client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines: Vec<&str> =
            headers.get_all(&FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("?")).collect();
        let mut named = None;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')).filter(|entry| !entry.trim().is_empty()) {
            // Trusted proxies write only addresses, so a client wrote this entry and those before it.
            let Some(address) = address(entry.trim()) else { break };
            named = Some(address);
            if !self.contains(address) {
                break;
            }
        }
        named
    }
}

/// Parses an address, with or without the port that some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

impl From<IpAddr> for ClientId {
    /// Identifies a client by its IPv4 address, or by its IPv6 /64 network, which usually is one household or one machine.
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
    fn an_untrusted_peer_is_the_client_regardless_of_its_headers() {
        assert_eq!(client("127.0.0.0/8", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("", "127.0.0.1", &["198.51.100.7"]), "127.0.0.1");
    }

    #[test]
    fn the_last_untrusted_address_is_the_client() {
        let trusted = "127.0.0.0/8 10.0.0.0/8, ::1";
        assert_eq!(client(trusted, "127.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(trusted, "127.0.0.1", &["forged, 198.51.100.7, 192.0.2.1, 10.1.2.3"]), "192.0.2.1");
        assert_eq!(client(trusted, "127.0.0.1", &["198.51.100.7", "192.0.2.1,10.1.2.3"]), "192.0.2.1");
        assert_eq!(client(trusted, "::1", &["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(client(trusted, "::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(trusted, "::ffff:127.0.0.1", &["::ffff:192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn the_first_address_is_the_client_if_all_are_trusted() {
        assert_eq!(client("127.0.0.1 10.0.0.0/8", "127.0.0.1", &["10.9.9.9, 10.1.2.3"]), "10.9.9.9");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn an_invalid_entry_was_written_by_a_client() {
        assert_eq!(client("127.0.0.1 10.0.0.0/8", "127.0.0.1", &["192.0.2.1, unknown, 10.1.2.3"]), "10.1.2.3");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["unknown"]), "127.0.0.1");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let id = |text: &str| ClientId::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(id("2001:db8:0:1::1"), id("2001:db8:0:1:ffff::2"));
        assert_ne!(id("2001:db8:0:1::1"), id("2001:db8:0:2::1"));
        assert_eq!(id("::ffff:192.0.2.1"), id("192.0.2.1"));
        assert_ne!(id("192.0.2.1"), id("192.0.2.2"));
    }

    #[test]
    fn a_list_contains_addresses_and_networks() {
        assert_eq!("".parse(), Ok(TrustedProxies::default()));
        for bad in ["localhost", "10.0.0.0/33", "10.0.0.0/8;::1", "10.*"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn forged_entries_do_not_change_the_client(forged in "[ -~]{0,60}") {
            let line = format!("{forged}, 192.0.2.1");
            prop_assert_eq!(client("127.0.0.0/8", "127.0.0.1", &[&line]), "192.0.2.1");
        }
    }
}
