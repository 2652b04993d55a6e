//! Tokens: `Grip-Sig`, by which a proxy shows that a request came through it, and the token that a
//! backend publishes with.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::key::{Key, KeyError};

/// The header in which a proxy signs every request it forwards.
pub const GRIP_SIG: &str = "grip-sig";
#[derive(Deserialize, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    exp: u64,
}

/// Signs tokens: those that a backend publishes with, or a proxy's `Grip-Sig`.
#[derive(Clone)]
pub struct Signer {
    iss: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

/// Checks the tokens of one party: a proxy, or a backend that publishes.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

/// Whose `Grip-Sig` is believed.
///
/// As js-grip has it (`engine/Publisher.ts`): where every configured proxy has a verify key, one of
/// them must hold; where any has none, a request that carries the header counts as proxied.
#[derive(Clone, Default)]
pub struct Trust {
    verifiers: Option<Vec<Verifier>>,
}

/// Why a request does not count as proxied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigError {
    /// It has no `Grip-Sig`.
    #[error("the request did not come through a GRIP proxy")]
    Missing,
    /// No verify key confirms it.
    #[error("the request's Grip-Sig was not signed with a verify key of GRIP_URL, or has expired")]
    Invalid,
}

impl Signer {
    /// A signer in the name of `iss`, with a key as `GRIP_URL` takes it.
    pub fn parse(iss: &str, key: &str) -> Result<Self, KeyError> {
        Self::new(iss, &Key::parse(key)?)
    }

    pub(super) fn new(iss: &str, key: &Key) -> Result<Self, KeyError> {
        let (algorithm, key) = key.for_signing()?;
        Ok(Self { iss: iss.to_owned(), algorithm, key })
    }

    /// A token that is valid from now on for a time.
    pub fn token(&self, now: SystemTime, lifetime: Duration) -> Result<String, jsonwebtoken::errors::Error> {
        let exp = now + lifetime;
        let exp = exp.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims { iss: &self.iss, exp };
        jsonwebtoken::encode(&Header::new(self.algorithm), &claims, &self.key)
    }
}

impl Verifier {
    /// A verifier with a key as `GRIP_URL` takes it; where `iss` is given, tokens must name it.
    pub fn parse(iss: Option<&str>, key: &str) -> Result<Self, KeyError> {
        Self::new(iss, &Key::parse(key)?)
    }

    pub(super) fn new(iss: Option<&str>, key: &Key) -> Result<Self, KeyError> {
        let (algorithm, key) = key.for_verifying()?;
        let mut validation = Validation::new(algorithm);
        // A proxy's token names no audience; one that does is none of our business.
        validation.validate_aud = false;
        if let Some(iss) = iss {
            validation.set_issuer(&[iss]);
            validation.set_required_spec_claims(&["exp", "iss"]);
        }
        Ok(Self { key, validation })
    }

    /// Whether a token was signed with the key, has not expired and names the issuer.
    pub fn accepts(&self, token: &str) -> bool {
        jsonwebtoken::decode::<serde_json::Value>(token, &self.key, &self.validation).is_ok()
    }
}

impl Trust {
    /// From the verifier of each configured proxy, if it has one.
    pub(super) fn new(verifiers: impl IntoIterator<Item = Option<Verifier>>) -> Self {
        Self { verifiers: verifiers.into_iter().collect() }
    }

    /// Whether signatures are verified, or their presence alone is believed.
    pub fn verifies(&self) -> bool {
        self.verifiers.is_some()
    }

    /// Whether a request came through a proxy that is believed. If it did, its other `Grip-*` headers
    /// are the proxy's own, since proxies strip those of clients.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), SigError> {
        let token = headers.get(GRIP_SIG).ok_or(SigError::Missing)?;
        let Some(verifiers) = &self.verifiers else {
            return Ok(());
        };
        let token = token.to_str().map_err(|_| SigError::Invalid)?;
        if verifiers.iter().any(|verifier| verifier.accepts(token)) { Ok(()) } else { Err(SigError::Invalid) }
    }
}
