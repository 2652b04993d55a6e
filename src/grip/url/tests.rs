//! Every form of URL, with generated keys.

use std::time::{Duration, SystemTime};

use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::Generate as _;
use proptest::prelude::*;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};

use super::*;
use crate::grip::{GRIP_SIG, SigError};

/// A key pair in PEM.
struct Pem {
    private: String,
    public: String,
    /// The public key in DER. For an EC key, the last 64 bytes are the point.
    der: Vec<u8>,
}

fn pem(private: &impl EncodePrivateKey, public: &impl EncodePublicKey) -> Pem {
    let wrap = |label, der: &[u8]| {
        format!("-----BEGIN {label} KEY-----\n{}\n-----END {label} KEY-----\n", BASE64_STANDARD.encode(der))
    };
    let (private, public) = (private.to_pkcs8_der().unwrap(), public.to_public_key_der().unwrap());
    Pem {
        private: wrap("PRIVATE", private.as_bytes()),
        public: wrap("PUBLIC", public.as_bytes()),
        der: public.into_vec(),
    }
}

fn ec() -> Pem {
    let private = p256::SecretKey::generate();
    pem(&private, &private.public_key())
}

fn rsa() -> Pem {
    let private = rsa::PrivateKey::new(&mut rand::rng(), 2048).unwrap();
    pem(&private, &private.to_public_key())
}

fn jwk(ec: &Pem) -> String {
    let (x, y) = ec.der[ec.der.len() - 64..].split_at(32);
    let encode = |n| BASE64_URL_SAFE_NO_PAD.encode(n);
    serde_json::json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}).to_string()
}

fn one(url: &str) -> GripUrl {
    let mut urls = GripUrl::parse_list(url).unwrap();
    assert_eq!(urls.len(), 1);
    urls.remove(0)
}

fn error(url: &str) -> String {
    GripUrl::parse_list(url).unwrap_err().to_string()
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn bearer(url: &GripUrl) -> String {
    match &url.auth {
        Auth::None => String::new(),
        Auth::Fixed(header) => header.clone(),
        Auth::Jwt(signer) => signer.token(SystemTime::now(), Duration::from_secs(600)).unwrap(),
    }
}

fn sig(token: &str) -> HeaderMap {
    [(GRIP_SIG.parse().unwrap(), HeaderValue::from_str(token).unwrap())].into_iter().collect()
}

fn token(algorithm: Algorithm, key: &EncodingKey, claims: &serde_json::Value) -> HeaderMap {
    sig(&jsonwebtoken::encode(&Header::new(algorithm), claims, key).unwrap())
}

fn in_an_hour(iss: &str) -> serde_json::Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    serde_json::json!({"iss": iss, "exp": now + 3600})
}

#[test]
fn publish_is_appended_to_the_path_and_unknown_parameters_stay() {
    let plain = one("http://localhost:5561");
    assert_eq!(plain.publish.as_str(), "http://localhost:5561/publish/");
    let realm = one("https://api.fanout.io/realm/r1/?iss=r1&key=base64:c2VjcmV0&debug=1");
    assert_eq!(realm.publish.as_str(), "https://api.fanout.io/realm/r1/publish/?debug=1");
    assert_eq!(realm.to_string(), "https://api.fanout.io/realm/r1/publish/");
}

#[test]
fn several_urls_are_separated_by_white_space_or_commas() {
    let urls = GripUrl::parse_list(" http://a:5561, http://b:5561\n\thttp://c:5561,,").unwrap();
    let hosts: Vec<_> = urls.iter().map(|url| url.publish.host_str().unwrap()).collect();
    assert_eq!(hosts, ["a", "b", "c"]);
}

#[test]
fn an_issuer_and_a_key_sign_a_token_that_the_key_verifies() {
    let url = one("https://api.fanout.io/realm/r1?iss=r1&key=base64:c2VjcmV0");
    let claims = jsonwebtoken::decode::<serde_json::Value>(
        bearer(&url),
        &jsonwebtoken::DecodingKey::from_secret(b"secret").unwrap(),
        &jsonwebtoken::Validation::new(Algorithm::HS256),
    );
    assert_eq!(claims.unwrap().claims["iss"], "r1");
}

#[test]
fn base64_keys_may_be_url_safe_unpadded_or_have_lost_their_plus() {
    for spelling in ["%2B%2F%2B%2F", "+/+/", "-_-_"] {
        let trust = GripUrl::trust(&[one(&format!("http://a/?verify-key=base64:{spelling}"))]);
        let key = EncodingKey::from_secret(&BASE64_STANDARD.decode("+/+/").unwrap()).unwrap();
        assert!(trust.check(&token(Algorithm::HS256, &key, &in_an_hour("any"))).is_ok(), "{spelling}");
    }
}

#[test]
fn a_key_without_an_issuer_is_an_unchanged_bearer_token() {
    let fastly = one("https://api.fastly.com/service/S1?key=base64:tok");
    assert_eq!(fastly.publish.as_str(), "https://api.fastly.com/service/S1/publish/");
    assert_eq!(bearer(&fastly), "Bearer base64:tok");
}

#[test]
fn userinfo_becomes_basic_authorization_and_is_removed_from_the_url() {
    let url = one("http://me:p%40ss@host:5561");
    assert_eq!(bearer(&url), format!("Basic {}", BASE64_STANDARD.encode("me:p@ss")));
    assert_eq!(url.publish.as_str(), "http://host:5561/publish/");
}

#[test]
fn a_symmetric_publishing_key_also_verifies_tokens_of_any_issuer() {
    let trust = GripUrl::trust(&[one("http://a/?iss=r1&key=s3cret")]);
    let key = EncodingKey::from_secret(b"s3cret").unwrap();
    assert!(trust.check(&token(Algorithm::HS256, &key, &in_an_hour("pushpin"))).is_ok());
}

#[test]
fn only_an_unexpired_token_of_the_configured_issuer_and_key_is_trusted() {
    let trust = GripUrl::trust(&[one("http://localhost:5561/?verify-iss=pushpin&verify-key=changeme")]);
    let key = EncodingKey::from_secret(b"changeme").unwrap();
    assert!(trust.check(&token(Algorithm::HS256, &key, &in_an_hour("pushpin"))).is_ok());

    let other_key = EncodingKey::from_secret(b"guessed").unwrap();
    let expired = serde_json::json!({"iss": "pushpin", "exp": 1_000_000});
    for (why, headers) in [
        ("issuer", token(Algorithm::HS256, &key, &in_an_hour("other"))),
        ("no issuer", token(Algorithm::HS256, &key, &serde_json::json!({"exp": 9_999_999_999_u64}))),
        ("key", token(Algorithm::HS256, &other_key, &in_an_hour("pushpin"))),
        ("algorithm", token(Algorithm::HS384, &key, &in_an_hour("pushpin"))),
        ("expired", token(Algorithm::HS256, &key, &expired)),
        ("no expiry", token(Algorithm::HS256, &key, &serde_json::json!({"iss": "pushpin"}))),
        ("garbage", sig("garbage")),
    ] {
        assert_eq!(trust.check(&headers).unwrap_err(), SigError::Invalid, "{why}");
    }
    assert_eq!(trust.check(&HeaderMap::new()).unwrap_err(), SigError::Missing);
}

#[test]
fn pem_and_jwk_keys_verify_with_their_own_algorithm_only() {
    let (ec, rsa) = (ec(), rsa());
    let ec_key = EncodingKey::from_ec_pem(ec.private.as_bytes()).unwrap();
    let rsa_key = EncodingKey::from_rsa_pem(rsa.private.as_bytes()).unwrap();
    for (key, algorithm, signed_by) in [
        (format!("base64:{}", encode(&BASE64_STANDARD.encode(&ec.public))), Algorithm::ES256, &ec_key),
        (encode(&ec.public), Algorithm::ES256, &ec_key),
        (encode(&jwk(&ec)), Algorithm::ES256, &ec_key),
        (encode(&rsa.public), Algorithm::RS256, &rsa_key),
    ] {
        let trust = GripUrl::trust(&[one(&format!("https://a/?verify-iss=fastly:S1&verify-key={key}"))]);
        assert!(trust.check(&token(algorithm, signed_by, &in_an_hour("fastly:S1"))).is_ok(), "{key}");
        // The classic forgery uses the text of the public key as an HMAC secret.
        let forged = EncodingKey::from_secret(ec.public.as_bytes()).unwrap();
        assert!(trust.check(&token(Algorithm::HS256, &forged, &in_an_hour("fastly:S1"))).is_err());
    }
}

#[test]
fn private_keys_sign_publishing_tokens() {
    for key in [ec(), rsa()] {
        let url = one(&format!("https://a/?iss=me&key={}", encode(&key.private)));
        assert_eq!(bearer(&url).split('.').count(), 3);
        assert!(!GripUrl::trust(&[url]).verifies(), "a private key does not verify");
    }
}

#[test]
fn with_one_proxy_without_a_verify_key_any_signature_is_trusted() {
    let urls = GripUrl::parse_list("http://a/?verify-key=k http://b/").unwrap();
    let trust = GripUrl::trust(&urls);
    assert!(!trust.verifies());
    assert!(trust.check(&sig("anything")).is_ok());
    assert_eq!(trust.check(&HeaderMap::new()).unwrap_err(), SigError::Missing);
}

#[test]
fn one_of_several_verify_keys_is_enough() {
    let urls = GripUrl::parse_list("http://a/?verify-key=k1 http://b/?verify-key=k2").unwrap();
    let key = EncodingKey::from_secret(b"k2").unwrap();
    assert!(GripUrl::trust(&urls).check(&token(Algorithm::HS256, &key, &in_an_hour("x"))).is_ok());
}

#[test]
fn errors_name_the_position_of_the_url_and_never_show_a_key() {
    assert!(error(" , ").contains("at least one"));
    assert!(error("http://a,localhost:5561").starts_with("URL 2"));
    assert!(error("not-a-url").starts_with("URL 1"));
    for url in [
        "http://a/?iss=x&key=base64:S3CR%25",
        "http://a/?verify-key={S3CR",
        "http://a/?iss=x&key=-----BEGIN+S3CR",
        "http://a/?iss=S3CR",
    ] {
        assert!(error(url).contains("key cannot be used"), "{url}");
        assert!(!error(url).contains("S3CR"), "{url}");
    }
    let url = one("http://me:S3CR@a/?iss=x&key=S3CR");
    assert!(!format!("{url} {url:?}").contains("S3CR"));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), url in "https?://[a-z]{1,3}/\\?(iss|key|verify-key)=.{0,40}") {
        let _ = GripUrl::parse_list(&text);
        let _ = GripUrl::parse_list(&url);
    }
}
