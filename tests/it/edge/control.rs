//! Who may publish, and how the backend can trust a request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use gripchat::grip::{Channel, Formats, GripUrl, Item, Outcome, Publisher};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{Setup, hold};
use crate::support::{
    scripted::Reply,
    trials::trials,
    wire::{Answer, Request},
};

const KEY: &str = "the key of the control port";

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => publishing_requires_a_valid_token,
        [] => a_token_must_name_the_configured_issuer,
        [] => a_grip_url_with_the_key_can_publish,
        [] => requests_are_signed_with_the_configured_key_and_issuer,
    ]
}

/// A token that is valid for so many seconds; one with a negative number has expired.
fn token(key: &str, iss: &str, seconds: i64) -> anyhow::Result<String> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let claims = json!({ "iss": iss, "exp": now + seconds });
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(key.as_bytes())?)?)
}

async fn publishes(setup: &Setup, path: &str, authorization: Option<&str>) -> anyhow::Result<Answer> {
    let request = Request::new("POST", path).json(&json!({ "items": [] }));
    let request = match authorization {
        Some(value) => request.header("Authorization", value),
        None => request,
    };
    request.send(setup.control_addr()).await
}

async fn publishing_requires_a_valid_token() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("CONTROL_KEY", KEY)]).await?;
    let good = format!("Bearer {}", token(KEY, "anybody", 60)?);
    let bad = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer nonsense".to_owned()),
        Some(format!("Bearer {}", token("another key", "anybody", 60)?)),
        Some(format!("Bearer {}", token(KEY, "anybody", -3600)?)),
        Some(good.replace("Bearer", "Basic")),
        // The algorithm "none", which needs no key.
        Some(format!("Bearer eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).context("claims")?)),
    ];
    for path in ["/publish/", "/recover/"] {
        for authorization in &bad {
            let mut answer = publishes(&setup, path, authorization.as_deref()).await?;
            assert_eq!(answer.status, 401, "{authorization:?}");
            assert_eq!(answer.headers.get("www-authenticate"), Some("Bearer"));
            assert!(String::from_utf8(answer.whole().await?)?.contains("GRIP_URL"), "the response contains no remedy");
        }
        assert_eq!(publishes(&setup, path, Some(&good)).await?.status, 200);
    }
    Ok(())
}

async fn a_token_must_name_the_configured_issuer() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("CONTROL_KEY", KEY), ("CONTROL_ISS", "chat")]).await?;
    for (iss, expected) in [("chat", 200), ("another", 401), ("", 401)] {
        let bearer = format!("Bearer {}", token(KEY, iss, 60)?);
        assert_eq!(publishes(&setup, "/publish/", Some(&bearer)).await?.status, expected, "{iss:?}");
    }
    Ok(())
}

async fn a_grip_url_with_the_key_can_publish() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("CONTROL_KEY", "c2VjcmV0"), ("CONTROL_ISS", "chat")]).await?;
    let channel = Channel::new("test", "a");
    let mut stream = setup.open(hold("").header("Grip-Channel", channel.as_str()), "").await?;
    let publishes = async |query: &str, content: &str| -> anyhow::Result<Outcome> {
        let url = format!("http://{}/?{query}", setup.control_addr());
        let publisher = Publisher::new(GripUrl::parse_list(&url)?)?;
        let item = Item::ephemeral(&channel, Formats::http_stream(content.to_owned()));
        let outcome = publisher.publish("a", &item).await;
        publisher.close(Duration::from_secs(1)).await;
        Ok(outcome)
    };
    for wrong in ["iss=chat&key=another", "iss=other&key=c2VjcmV0", ""] {
        let outcome = publishes(wrong, "refused").await?;
        assert_eq!(outcome, Outcome::Unconfirmed, "{wrong}");
    }
    assert_eq!(publishes("iss=chat&key=c2VjcmV0", "accepted").await?, Outcome::Published);
    stream.reads("accepted").await
}

async fn requests_are_signed_with_the_configured_key_and_issuer() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("SIG_KEY", "the key of the edge"), ("SIG_ISS", "edge-7")]).await?;
    setup.answer("2", Reply::ok("two"));
    setup.answer("", Reply::ok("one ").header("Grip-Link", &format!("<{}>; rel=next", setup.path("2"))));
    setup.get("").await?.ends_as("one two").await?;
    // Requests for links are signed as well.
    for name in ["", "2"] {
        let received = &setup.requests(name)[0];
        let token = received.headers.get("grip-sig").context("no Grip-Sig")?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&["edge-7"]);
        let claims = |key: &str| decode::<Value>(token, &DecodingKey::from_secret(key.as_bytes())?, &validation);
        assert_eq!(claims("the key of the edge")?.claims["iss"], "edge-7");
        assert!(claims("changeme").is_err());
    }
    Ok(())
}
