//! `GRIP_URL`: where to publish, with what credentials, and whose `Grip-Sig` to trust.
//!
//! One value configures all of it, so moving from a local Pushpin to a cloud service changes no code:
//!
//! | URL | publishes with | trusts |
//! |---|---|---|
//! | `http://localhost:5561` | nothing | any `Grip-Sig` |
//! | `http://localhost:5561?verify-iss=pushpin&verify-key=changeme` | nothing | Pushpin's |
//! | `https://api.fanout.io/realm/ID?iss=ID&key=base64:KEY` | a JWT signed with KEY | those signed with KEY |
//! | `https://api.fastly.com/service/ID?key=TOKEN&verify-iss=fastly:ID&verify-key=base64:PEM` | `Bearer TOKEN` | Fastly's |
//! | `https://user:password@host/` | HTTP Basic | any |

use std::fmt;

use ::url::Url;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;

use super::{
    key::{Key, KeyError},
    sig::{Signer, Trust, Verifier},
};

/// A proxy, described by its URL.
#[derive(Clone)]
pub struct GripUrl {
    /// The URL that items are posted to, without credentials.
    pub(super) publish: Url,
    pub(super) auth: Auth,
    verifier: Option<Verifier>,
}

/// How a publish request is authorized.
#[derive(Clone)]
pub(super) enum Auth {
    None,
    /// The value of an `Authorization` header.
    Fixed(String),
    Jwt(Signer),
}

/// Why a URL cannot be used. The text never contains a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GripUrlError {
    /// The list is empty.
    #[error("it contains no URL; give at least one, such as http://localhost:5561")]
    Empty,
    /// The text is not a URL.
    #[error("URL {0} is not a URL: {1}")]
    Url(usize, ::url::ParseError),
    /// The scheme is neither `http` nor `https`.
    #[error("URL {0} must start with http:// or https://")]
    Scheme(usize),
    /// A parameter is a key that cannot be used.
    #[error("URL {0}: {1} cannot be used: {2}")]
    Key(usize, &'static str, KeyError),
}

impl GripUrl {
    /// Parses one or more URLs, separated by white space or commas.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, GripUrlError> {
        let urls: Vec<_> = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|url| !url.is_empty())
            .enumerate()
            .map(|(index, url)| Self::parse(index + 1, url))
            .collect::<Result<_, _>>()?;
        if urls.is_empty() { Err(GripUrlError::Empty) } else { Ok(urls) }
    }

    /// Parses the `nth` URL of the list, counted from 1. Errors contain this number instead of the URL, which may contain
    /// a key.
    fn parse(nth: usize, text: &str) -> Result<Self, GripUrlError> {
        let mut url = Url::parse(text).map_err(|e| GripUrlError::Url(nth, e))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(GripUrlError::Scheme(nth));
        }
        let basic = take_userinfo(&mut url);
        let [iss, key, verify_iss, verify_key] = take_params(&mut url, ["iss", "key", "verify-iss", "verify-key"]);
        let path = format!("{}/publish/", url.path().trim_end_matches('/'));
        url.set_path(&path);

        let parse = |name, key: &str| Key::parse(key).map_err(|e| GripUrlError::Key(nth, name, e));
        let mut verify_key = verify_key.map(|key| parse("verify-key", &key)).transpose()?;
        let auth = match (iss, key) {
            (Some(iss), Some(key)) => {
                let key = parse("key", &key)?;
                let signer = Signer::new(&iss, &key).map_err(|e| GripUrlError::Key(nth, "key", e))?;
                if key.is_symmetric() {
                    verify_key = verify_key.or(Some(key));
                }
                Auth::Jwt(signer)
            }
            (Some(_), None) => return Err(GripUrlError::Key(nth, "key", KeyError::Empty)),
            // Like js-grip, this sends such a key unchanged, including "base64:": it is a token and not a key.
            (None, Some(token)) => Auth::Fixed(format!("Bearer {token}")),
            (None, None) => basic.map_or(Auth::None, Auth::Fixed),
        };
        let verifier = verify_key
            .map(|key| Verifier::new(verify_iss.as_deref(), &key))
            .transpose()
            .map_err(|e| GripUrlError::Key(nth, "verify-key", e))?;
        Ok(Self { publish: url, auth, verifier })
    }

    /// Whether publishing to this proxy needs TLS.
    pub fn is_https(&self) -> bool {
        self.publish.scheme() == "https"
    }

    /// Returns whose `Grip-Sig` is trusted with these proxies.
    pub fn trust(urls: &[Self]) -> Trust {
        Trust::new(urls.iter().map(|url| url.verifier.clone()))
    }
}

/// The URL that items are posted to, without credentials.
impl fmt::Display for GripUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.publish.origin().ascii_serialization(), self.publish.path())
    }
}

impl fmt::Debug for GripUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GripUrl({self})")
    }
}

fn take_userinfo(url: &mut Url) -> Option<String> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
    // Both fail only on URLs without a host, and http URLs have one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
    (!user.is_empty() && !password.is_empty()).then(|| format!("Basic {pair}"))
}

/// Removes these parameters from a URL's query and returns their values. Other parameters stay.
fn take_params<const N: usize>(url: &mut Url, names: [&str; N]) -> [Option<String>; N] {
    let mut values = [const { None }; N];
    let mut rest = Vec::new();
    for (name, value) in url.query_pairs() {
        match names.iter().position(|n| *n == name) {
            Some(index) => values[index] = Some(value.into_owned()),
            None => rest.push((name.into_owned(), value.into_owned())),
        }
    }
    url.set_query(None);
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    values
}

#[cfg(test)]
mod tests;
