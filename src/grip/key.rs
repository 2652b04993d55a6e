//! Keys, as `GRIP_URL` spells them.
//!
//! The rules are those of js-grip (`utilities/keys.ts`). `base64:` precedes encoded bytes. Bytes or text that start with
//! a PEM label are a PEM key, text that starts with `{` is a JWK, and anything else is the secret itself.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};

/// Accepts the standard alphabet, with and without padding. Keys in the URL-safe alphabet are converted to it first.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key, for signing or for verifying.
pub(super) enum Key {
    Secret(Vec<u8>),
    Pem(Vec<u8>),
    Jwk(Box<Jwk>),
}

/// Why a key cannot be used. The text never contains the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text after `base64:` is not base64.
    #[error("the text after \"base64:\" is not base64")]
    Base64,
    /// The text starts with `{` but is not a JWK.
    #[error("it looks like a JWK but is not one")]
    Jwk,
    /// The key is of an unsupported kind.
    #[error("it is none of: a secret, an EC P-256 or RSA key as PEM, an \"oct\", P-256 or RSA JWK")]
    Unsupported,
    /// Signing needs a secret or a private key.
    #[error("to sign it must be a secret, an \"oct\" JWK or a private key as PKCS#8 PEM")]
    NotPrivate,
    /// There is no key.
    #[error("it is empty")]
    Empty,
}

impl Key {
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = match text.strip_prefix("base64:") {
            // In a query "+" stands for a space, and base64 is often written in the URL-safe alphabet.
            Some(encoded) => BASE64
                .decode(encoded.trim_end().replace([' ', '-'], "+").replace('_', "/"))
                .map_err(|_| KeyError::Base64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return Err(KeyError::Empty);
        }
        if bytes.starts_with(b"-----BEGIN ") {
            return Ok(Self::Pem(bytes));
        }
        if bytes.starts_with(b"{") {
            return serde_json::from_slice(&bytes).map(Self::Jwk).map_err(|_| KeyError::Jwk);
        }
        Ok(Self::Secret(bytes))
    }

    pub(super) fn is_symmetric(&self) -> bool {
        match self {
            Self::Secret(_) => true,
            Self::Pem(_) => false,
            Self::Jwk(jwk) => matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)),
        }
    }

    /// Returns the key for signing, with the one algorithm that fits it.
    pub(super) fn for_signing(&self) -> Result<(Algorithm, EncodingKey), KeyError> {
        match self {
            Self::Secret(secret) => Ok((Algorithm::HS256, hmac_signer(secret)?)),
            Self::Pem(pem) => EncodingKey::from_ec_pem(pem)
                .map(|key| (Algorithm::ES256, key))
                .or_else(|_| EncodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key)))
                .map_err(|_| KeyError::NotPrivate)
                .and_then(usable),
            Self::Jwk(jwk) => match &jwk.algorithm {
                AlgorithmParameters::OctetKey(_) => {
                    let key = DecodingKey::from_jwk(jwk).map_err(|_| KeyError::Jwk)?;
                    let secret = key.try_get_as_bytes().map_err(|_| KeyError::Jwk)?;
                    Ok((Algorithm::HS256, hmac_signer(secret)?))
                }
                _ => Err(KeyError::NotPrivate),
            },
        }
    }

    /// Returns the key for verifying. The algorithm depends on the key and never on the token: a token that chose its own
    /// algorithm could use a public key as a secret (RFC 8725, section 3.1).
    pub(super) fn for_verifying(&self) -> Result<(Algorithm, DecodingKey), KeyError> {
        match self {
            Self::Secret(secret) => {
                let key = DecodingKey::from_secret(secret).map_err(|_| KeyError::Empty)?;
                Ok((Algorithm::HS256, key))
            }
            Self::Pem(pem) => DecodingKey::from_ec_pem(pem)
                .map(|key| (Algorithm::ES256, key))
                .or_else(|_| DecodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key)))
                .map_err(|_| KeyError::Unsupported),
            Self::Jwk(jwk) => {
                let algorithm = match &jwk.algorithm {
                    AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
                    AlgorithmParameters::RSA(_) => Algorithm::RS256,
                    AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => Algorithm::ES256,
                    _ => return Err(KeyError::Unsupported),
                };
                let key = DecodingKey::from_jwk(jwk).map_err(|_| KeyError::Jwk)?;
                Ok((algorithm, key))
            }
        }
    }
}

/// An HMAC key may have any length but zero.
fn hmac_signer(secret: &[u8]) -> Result<EncodingKey, KeyError> {
    EncodingKey::from_secret(secret).map_err(|_| KeyError::Empty)
}

/// Signs once to find out whether the key is private. The label of a PEM file does not say so reliably.
fn usable((algorithm, key): (Algorithm, EncodingKey)) -> Result<(Algorithm, EncodingKey), KeyError> {
    let header = jsonwebtoken::Header::new(algorithm);
    match jsonwebtoken::encode(&header, &serde_json::json!({}), &key) {
        Ok(_) => Ok((algorithm, key)),
        Err(_) => Err(KeyError::NotPrivate),
    }
}
