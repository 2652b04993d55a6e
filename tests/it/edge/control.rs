//! Who may publish, and whom a backend may believe.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use gripchat::grip::{Channel, Formats, GripUrl, Item, Outcome, Publisher};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{Stand, hold};
use crate::support::{
    scripted::Reply,
    trials::trials,
    wire::{Answer, Request},
};

const KEY: &str = "the key of the control port";

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => without_a_good_token_nobody_publishes,
        [] => where_an_issuer_is_named_it_must_be_that_one,
        [] => a_grip_url_with_the_key_publishes,
        [] => requests_are_signed_with_the_key_and_name_the_issuer,
    ]
}

/// A token that is good for so many seconds, or was until then.
fn token(key: &str, iss: &str, seconds: i64) -> anyhow::Result<String> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let claims = json!({ "iss": iss, "exp": now + seconds });
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(key.as_bytes()))?)
}

async fn publishes(stand: &Stand, path: &str, authorization: Option<&str>) -> anyhow::Result<Answer> {
    let request = Request::new("POST", path).json(&json!({ "items": [] }));
    let request = match authorization {
        Some(value) => request.header("Authorization", value),
        None => request,
    };
    request.send(stand.control_addr()).await
}

async fn without_a_good_token_nobody_publishes() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("CONTROL_KEY", KEY)]).await?;
    let good = format!("Bearer {}", token(KEY, "anybody", 60)?);
    let bad = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer nonsense".to_owned()),
        Some(format!("Bearer {}", token("another key", "anybody", 60)?)),
        Some(format!("Bearer {}", token(KEY, "anybody", -3600)?)),
        Some(good.replace("Bearer", "Basic")),
        // Neither is the token of another algorithm, the one without a key at all.
        Some(format!("Bearer eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).context("claims")?)),
    ];
    for path in ["/publish/", "/recover/"] {
        for authorization in &bad {
            let mut answer = publishes(&stand, path, authorization.as_deref()).await?;
            assert_eq!(answer.status, 401, "{authorization:?}");
            assert_eq!(answer.headers.get("www-authenticate"), Some("Bearer"));
            assert!(String::from_utf8(answer.whole().await?)?.contains("GRIP_URL"), "it says what to do");
        }
        assert_eq!(publishes(&stand, path, Some(&good)).await?.status, 200);
    }
    Ok(())
}

async fn where_an_issuer_is_named_it_must_be_that_one() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("CONTROL_KEY", KEY), ("CONTROL_ISS", "chat")]).await?;
    for (iss, expected) in [("chat", 200), ("another", 401), ("", 401)] {
        let bearer = format!("Bearer {}", token(KEY, iss, 60)?);
        assert_eq!(publishes(&stand, "/publish/", Some(&bearer)).await?.status, expected, "{iss:?}");
    }
    Ok(())
}

async fn a_grip_url_with_the_key_publishes() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("CONTROL_KEY", "c2VjcmV0"), ("CONTROL_ISS", "chat")]).await?;
    let channel = Channel::new("test", "a");
    let mut stream = stand.open(hold("").header("Grip-Channel", channel.as_str()), "").await?;
    let publishes = async |query: &str, content: &str| -> anyhow::Result<Outcome> {
        let url = format!("http://{}/?{query}", stand.control_addr());
        let publisher = Publisher::new(GripUrl::parse_list(&url)?)?;
        let item = Item::ephemeral(&channel, Formats::http_stream(content.to_owned()));
        let outcome = publisher.publish("a", &item).await;
        publisher.close(Duration::from_secs(1)).await;
        Ok(outcome)
    };
    for wrong in ["iss=chat&key=another", "iss=other&key=c2VjcmV0", ""] {
        let outcome = publishes(wrong, "unheard").await?;
        assert_eq!(outcome, Outcome::Unconfirmed, "{wrong}");
    }
    assert_eq!(publishes("iss=chat&key=c2VjcmV0", "heard").await?, Outcome::Published);
    stream.reads("heard").await
}

async fn requests_are_signed_with_the_key_and_name_the_issuer() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("SIG_KEY", "the key of the edge"), ("SIG_ISS", "edge-7")]).await?;
    stand.answer("2", Reply::ok("two"));
    stand.answer("", Reply::ok("one ").header("Grip-Link", &format!("<{}>; rel=next", stand.path("2"))));
    stand.get("").await?.ends_as("one two").await?;
    // What a link is asked is signed as well.
    for name in ["", "2"] {
        let asked = &stand.asked(name)[0];
        let token = asked.headers.get("grip-sig").context("no Grip-Sig")?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&["edge-7"]);
        let claims = |key: &str| decode::<Value>(token, &DecodingKey::from_secret(key.as_bytes()), &validation);
        assert_eq!(claims("the key of the edge")?.claims["iss"], "edge-7");
        assert!(claims("changeme").is_err());
    }
    Ok(())
}
