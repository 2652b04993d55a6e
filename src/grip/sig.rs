//! Tokens: `Grip-Sig`, which proves that a request came through a proxy, and the token that authorizes a backend to
//! publish.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::key::{Key, KeyError};

/// The header with the token of the proxy that forwarded a request.
pub const GRIP_SIG: &str = "grip-sig";

#[derive(Deserialize, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    exp: u64,
}

/// Signs the tokens of one party: a backend that publishes, or a proxy.
#[derive(Clone)]
pub struct Signer {
    iss: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

/// Verifies the tokens of one party: a proxy, or a backend that publishes.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

/// Decides which requests are trusted to have come through a proxy.
///
/// The rule is that of js-grip (`engine/Publisher.ts`). If every configured proxy has a verify key, one of these keys
/// must verify the `Grip-Sig` of a request. If any proxy has none, the presence of the header is enough.
#[derive(Clone, Default)]
pub struct Trust {
    verifiers: Option<Vec<Verifier>>,
}

/// Why a request is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigError {
    /// The request has no `Grip-Sig`.
    #[error("the request did not come through a GRIP proxy")]
    Missing,
    /// No verify key accepts the `Grip-Sig`.
    #[error("the request's Grip-Sig was not signed with a verify key of GRIP_URL, or has expired")]
    Invalid,
}

impl Signer {
    /// Creates a signer for the issuer `iss`. The key is spelled as in `GRIP_URL`.
    pub fn parse(iss: &str, key: &str) -> Result<Self, KeyError> {
        Self::new(iss, &Key::parse(key)?)
    }

    pub(super) fn new(iss: &str, key: &Key) -> Result<Self, KeyError> {
        let (algorithm, key) = key.for_signing()?;
        Ok(Self { iss: iss.to_owned(), algorithm, key })
    }

    /// Returns a token that is valid from `now` for `lifetime`.
    pub fn token(&self, now: SystemTime, lifetime: Duration) -> Result<String, jsonwebtoken::errors::Error> {
        let exp = now + lifetime;
        let exp = exp.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims { iss: &self.iss, exp };
        jsonwebtoken::encode(&Header::new(self.algorithm), &claims, &self.key)
    }
}

impl Verifier {
    /// Creates a verifier. The key is spelled as in `GRIP_URL`. If `iss` is given, tokens must have that issuer.
    pub fn parse(iss: Option<&str>, key: &str) -> Result<Self, KeyError> {
        Self::new(iss, &Key::parse(key)?)
    }

    pub(super) fn new(iss: Option<&str>, key: &Key) -> Result<Self, KeyError> {
        let (algorithm, key) = key.for_verifying()?;
        let mut validation = Validation::new(algorithm);
        // The tokens of proxies have no audience, and gripchat has no audience to compare with one.
        validation.validate_aud = false;
        if let Some(iss) = iss {
            validation.set_issuer(&[iss]);
            validation.set_required_spec_claims(&["exp", "iss"]);
        }
        Ok(Self { key, validation })
    }

    /// Returns whether a token was signed with the key, has not expired, and has the issuer.
    pub fn accepts(&self, token: &str) -> bool {
        jsonwebtoken::decode::<serde_json::Value>(token, &self.key, &self.validation).is_ok()
    }
}

impl Trust {
    /// Creates the rule from the verifier of each configured proxy. A proxy without a verify key has `None`.
    pub(super) fn new(verifiers: impl IntoIterator<Item = Option<Verifier>>) -> Self {
        Self { verifiers: verifiers.into_iter().collect() }
    }

    /// Returns whether signatures are verified. Otherwise the presence of a `Grip-Sig` is enough.
    pub fn verifies(&self) -> bool {
        self.verifiers.is_some()
    }

    /// Checks that a request came through a trusted proxy. If so, its other `Grip-*` headers come from the proxy too,
    /// because proxies remove those of clients.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), SigError> {
        let token = headers.get(GRIP_SIG).ok_or(SigError::Missing)?;
        let Some(verifiers) = &self.verifiers else {
            return Ok(());
        };
        let token = token.to_str().map_err(|_| SigError::Invalid)?;
        if verifiers.iter().any(|verifier| verifier.accepts(token)) { Ok(()) } else { Err(SigError::Invalid) }
    }
}
