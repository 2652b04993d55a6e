//! `GRIP_URL`: where to publish, with what credentials, and whose `Grip-Sig` to believe.
//!
//! One line configures all of it, so that moving from a local Pushpin to a cloud changes no code:
//!
//! | URL | publishes with | believes |
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

/// One proxy, as its URL describes it.
#[derive(Clone)]
pub struct GripUrl {
    /// Where items are posted. It holds no credentials.
    pub(super) publish: Url,
    pub(super) auth: Auth,
    verifier: Option<Verifier>,
}

/// What a publish request is authorized with.
#[derive(Clone)]
pub(super) enum Auth {
    None,
    /// A whole `Authorization` header.
    Fixed(String),
    Jwt(Signer),
}

/// Why a URL cannot be used. It never shows a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GripUrlError {
    /// No URL at all.
    #[error("it names no URL; give at least one, such as http://localhost:5561")]
    Empty,
    /// Not a URL.
    #[error("URL {0} is not a URL: {1}")]
    Url(usize, ::url::ParseError),
    /// A scheme that is neither `http` nor `https`.
    #[error("URL {0} must begin with http:// or https://")]
    Scheme(usize),
    /// A key that cannot be used.
    #[error("URL {0}: {1} cannot be used: {2}")]
    Key(usize, &'static str, KeyError),
}

impl GripUrl {
    /// Reads one or several URLs, separated by blanks or commas.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, GripUrlError> {
        let urls: Vec<_> = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|url| !url.is_empty())
            .enumerate()
            .map(|(index, url)| Self::parse(index + 1, url))
            .collect::<Result<_, _>>()?;
        if urls.is_empty() { Err(GripUrlError::Empty) } else { Ok(urls) }
    }

    /// `nth` is the URL's place in the list, from 1: an error names it instead of showing the URL,
    /// which may hold a key.
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
            // js-grip sends such a key as it stands, "base64:" and all: it is a token, not a key.
            (None, Some(token)) => Auth::Fixed(format!("Bearer {token}")),
            (None, None) => basic.map_or(Auth::None, Auth::Fixed),
        };
        let verifier = verify_key
            .map(|key| Verifier::new(verify_iss.as_deref(), &key))
            .transpose()
            .map_err(|e| GripUrlError::Key(nth, "verify-key", e))?;
        Ok(Self { publish: url, auth, verifier })
    }

    /// Whose `Grip-Sig` is believed, with these proxies.
    pub fn trust(urls: &[Self]) -> Trust {
        Trust::new(urls.iter().map(|url| url.verifier.clone()))
    }
}

/// Where this proxy publishes, without credentials.
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
    // Both fail only on URLs without a host, which http URLs have.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
    (!user.is_empty() && !password.is_empty()).then(|| format!("Basic {pair}"))
}

/// Takes named parameters out of a URL's query; the others stay.
fn take_params<const N: usize>(url: &mut Url, names: [&str; N]) -> [Option<String>; N] {
    let mut taken = [const { None }; N];
    let mut rest = Vec::new();
    for (name, value) in url.query_pairs() {
        match names.iter().position(|n| *n == name) {
            Some(index) => taken[index] = Some(value.into_owned()),
            None => rest.push((name.into_owned(), value.into_owned())),
        }
    }
    url.set_query(None);
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    taken
}

#[cfg(test)]
mod tests;
