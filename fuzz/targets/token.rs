//! Tokens: `Grip-Sig` and those of the control port. Only a token that was signed is accepted, and any changed
//! character makes it invalid.
#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use gripchat::grip::{GripUrl, Signer, Verifier};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "base64:YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyEhISEh";

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::parse(Some("me"), KEY).expect("a key"));
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let signer = Signer::parse("me", KEY).expect("a key");
    signer.token(SystemTime::now(), Duration::from_secs(86_400)).expect("a token")
});

fuzz_target!(|data: &[u8]| {
    assert!(VERIFIER.accepts(&TOKEN));
    let text = String::from_utf8_lossy(data);
    assert!(!VERIFIER.accepts(&text), "forged: {text}");
    // Every two bytes of the input change one character of a valid token.
    let mut changed = TOKEN.clone().into_bytes();
    for two in data.chunks_exact(2) {
        let at = usize::from(two[0]) % changed.len();
        changed[at] = two[1];
    }
    if let Ok(changed) = String::from_utf8(changed) {
        assert_eq!(VERIFIER.accepts(&changed), changed == *TOKEN, "{changed}");
    }
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let urls = GripUrl::parse_list(&format!("http://localhost:5561?verify-iss=me&verify-key={KEY}")).expect("a URL");
    let headers: HeaderMap = [(http::HeaderName::from_static("grip-sig"), value)].into_iter().collect();
    assert!(GripUrl::trust(&urls).check(&headers).is_err());
});
