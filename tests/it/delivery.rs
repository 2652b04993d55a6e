//! Pages and assets over HTTP: complete, compressed if the client accepts it, and cached by browsers.

use std::{collections::BTreeSet, io::Read as _};

use libtest_mimic::Trial;
use reqwest::{Method, Response};
use serde_json::json;

use crate::support::{
    proxy,
    stack::{Kind, Stack},
    trials::on_stacks,
};

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        [APART] => a_page_is_compressed_and_contains_its_style,
        [APART] => an_unchanged_page_is_not_sent_again,
        [APART] => the_assets_of_a_page_exist_and_are_immutable,
        [APART] => assets_of_another_version_are_answered_with_the_current_ones,
        [APART] => a_client_that_accepts_no_coding_gets_an_unencoded_response,
        [APART] => only_pages_and_assets_are_compressed,
    ]
}

const MESSAGES: &str = "/rooms/lobby/messages/";
const PAGE: &str = "/lobby?user=Ann";
const VARY: Option<&str> = Some("accept-encoding");
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// A response whose body can be decoded.
struct Received {
    status: u16,
    response: Response,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).map(|value| value.to_str().expect("ASCII"))
    }

    async fn decoded(self) -> anyhow::Result<Vec<u8>> {
        let coding = self.header("content-encoding").map(str::to_owned);
        let bytes = self.response.bytes().await?;
        let mut plain = Vec::new();
        match coding.as_deref() {
            Some("br") => _ = brotli::Decompressor::new(&*bytes, 4096).read_to_end(&mut plain)?,
            Some("gzip") => _ = flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut plain)?,
            None => plain = bytes.into(),
            Some(other) => anyhow::bail!("the request did not accept {other}"),
        }
        Ok(plain)
    }

    async fn text(self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.decoded().await?)?)
    }
}

async fn send(stack: &Stack, method: Method, url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Received> {
    let request = stack.http().request(method, url);
    let response = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await?;
    Ok(Received { status: response.status().as_u16(), response })
}

/// Sends a request through the proxy.
async fn get(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Received> {
    send(stack, Method::GET, &format!("{}{path}", stack.proxy.url()), headers).await
}

/// Sends a request to the backend directly, so that no proxy changes the response.
async fn get_direct(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Received> {
    send(stack, Method::GET, &format!("{}{path}", stack.backend.url()), headers).await
}

/// The coding that a client gets through the proxy if it accepts this one. Pushpin requests codings that it decodes itself,
/// and sends the response without a coding.
fn through_proxy(kind: Kind, coding: &str) -> Option<&str> {
    (kind.proxy() == proxy::Kind::Edge).then_some(coding)
}

/// The URLs below /assets/ in a page.
fn assets(page: &str) -> BTreeSet<String> {
    let values = page.split('"').filter(|value| value.starts_with("/assets/"));
    values.map(str::to_owned).collect()
}

async fn a_page_is_compressed_and_contains_its_style(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    fill(&stack).await?;
    for path in [PAGE, "/lobby", "/not%20a%20room"] {
        let plain = get(&stack, path, &[]).await?;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, VARY), "{path}");
        let plain = plain.text().await?;
        assert!(plain.contains("<style>") && !plain.contains("rel=\"stylesheet\""), "{path}: {plain}");
        for coding in ["br", "gzip"] {
            let packed = get(&stack, path, &[("accept-encoding", coding)]).await?;
            assert_eq!(packed.header("content-encoding"), through_proxy(kind, coding), "{path}");
            assert_eq!(packed.header("vary"), VARY, "{path}");
            assert_eq!(packed.text().await?, plain, "{path}");
        }
    }
    Ok(())
}

async fn an_unchanged_page_is_not_sent_again(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for accepted in ["br", "gzip", "identity"] {
        let first = get(&stack, PAGE, &[("accept-encoding", accepted)]).await?;
        let etag = first.header("etag").expect("a tag").to_owned();
        assert!(etag.starts_with("W/\""), "{etag}");
        let known = [("accept-encoding", accepted), ("if-none-match", &etag)];
        let again = get(&stack, PAGE, &known).await?;
        assert_eq!((again.status, again.header("etag")), (304, Some(&*etag)));
        assert_eq!((again.header("cache-control"), again.header("vary")), (Some("no-cache"), VARY));

        let head = send(&stack, Method::HEAD, &format!("{}{PAGE}", stack.backend.url()), &known[..1]).await?;
        assert_eq!((head.status, head.header("etag")), (200, Some(&*etag)));
        assert_eq!(head.header("content-encoding"), (accepted != "identity").then_some(accepted));

        let other = get(&stack, "/lobby?user=Bob", &known).await?;
        assert_eq!(other.status, 200, "the page of another user");
        stack.room("lobby").post(accepted).await?;
        let changed = get(&stack, PAGE, &known).await?;
        assert_eq!(changed.status, 200, "the page with another message");
        assert_ne!(changed.header("etag"), Some(&*etag));
    }
    Ok(())
}

async fn the_assets_of_a_page_exist_and_are_immutable(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for path in [PAGE, "/lobby"] {
        let page = get(&stack, path, &[]).await?.text().await?;
        let assets = assets(&page);
        let preloads = page.matches("<link rel=\"modulepreload\"").count();
        assert!(preloads > 0 && assets.len() == preloads + 2, "all modules, and an icon: {page}");
        for asset in &assets {
            let plain = get_direct(&stack, asset, &[]).await?.decoded().await?;
            let mut tags = BTreeSet::new();
            for coding in ["br", "gzip", "identity"] {
                let direct = get_direct(&stack, asset, &[("accept-encoding", coding)]).await?;
                let expected = (coding != "identity").then_some(coding);
                assert_eq!((direct.header("content-encoding"), direct.header("vary")), (expected, VARY), "{asset}");
                let tag = direct.header("etag").expect("a tag").to_owned();
                assert!(tags.insert(tag.clone()), "{asset}: each coding has its own tag");
                assert_eq!(direct.decoded().await?, plain, "{asset}");

                let known = [("accept-encoding", coding), ("if-none-match", &tag)];
                let again = get_direct(&stack, asset, &known).await?;
                assert_eq!((again.status, again.header("cache-control")), (304, Some(IMMUTABLE)), "{asset}");

                let passed = get(&stack, asset, &[("accept-encoding", coding)]).await?;
                let expected = expected.and_then(|coding| through_proxy(kind, coding));
                assert_eq!((passed.status, passed.header("content-encoding")), (200, expected), "{asset}");
                assert_eq!(passed.header("cache-control"), Some(IMMUTABLE), "{asset}");
                assert_eq!(passed.header("x-content-type-options"), Some("nosniff"), "{asset}");
                let expected = if asset.ends_with(".svg") { "image/svg+xml" } else { "text/javascript; charset=utf-8" };
                assert_eq!(passed.header("content-type"), Some(expected), "{asset}");
                assert_eq!(passed.decoded().await?, plain, "{asset}");
            }
        }
    }
    Ok(())
}

async fn assets_of_another_version_are_answered_with_the_current_ones(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let page = get(&stack, PAGE, &[]).await?.text().await?;
    for asset in assets(&page) {
        let name = asset.rsplit('/').next().expect("a name");
        let current = get(&stack, &asset, &[]).await?.decoded().await?;
        let path = format!("/assets/0ldVersion_1/{name}");
        let passed = get(&stack, &path, &[]).await?;
        assert_eq!((passed.status, passed.header("cache-control")), (200, Some("no-cache")), "{path}");
        assert_eq!(passed.decoded().await?, current, "{path}");

        let direct = get_direct(&stack, &path, &[]).await?;
        let tag = direct.header("etag").expect("a tag");
        let head = send(&stack, Method::HEAD, &format!("{}{path}", stack.backend.url()), &[]).await?;
        let length = current.len().to_string();
        assert_eq!((head.header("etag"), head.header("content-length")), (Some(tag), Some(&*length)), "{path}");
        let again = get_direct(&stack, &path, &[("if-none-match", tag)]).await?;
        assert_eq!((again.status, again.header("cache-control")), (304, Some("no-cache")), "{path}");
    }
    // A 404 is not cached either: a backend of another version may have the file.
    for file in ["package.json", "tsconfig.json", "room.css", "..%2FCargo.toml", "none.js", "chat.js"] {
        for path in [format!("/assets/0ldVersion_1/{file}"), format!("/assets/{file}")] {
            let exists = path == "/assets/0ldVersion_1/chat.js";
            let answer = get(&stack, &path, &[]).await?;
            let expected = if exists { (200, Some("no-cache")) } else { (404, Some("no-store")) };
            assert_eq!((answer.status, answer.header("cache-control")), expected, "{path}");
        }
    }
    Ok(())
}

async fn a_client_that_accepts_no_coding_gets_an_unencoded_response(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let page = get_direct(&stack, PAGE, &[]).await?.text().await?;
    let nothing = ("accept-encoding", "identity;q=0, *;q=0");
    for path in [PAGE, "/rooms/"].into_iter().map(str::to_owned).chain(assets(&page)) {
        let answer = get_direct(&stack, &path, &[nothing]).await?;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{path}");
    }
    let refused = get_direct(&stack, "/rooms/?limit=0", &[nothing]).await?;
    assert_eq!(refused.status, 400);
    Ok(())
}

async fn only_pages_and_assets_are_compressed(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    fill(&stack).await?;
    let accepted = ("accept-encoding", "br, gzip, identity;q=0.1");
    let plain = [accepted];
    // The edge forwards what the client accepts, and can hold the response only if the backend does not compress it.
    let stream = [accepted, ("accept", "text/event-stream")];
    for (base, path, headers, status) in [
        (stack.proxy.url(), MESSAGES, &plain[..], 200),
        (stack.proxy.url(), MESSAGES, &stream, 200),
        (stack.backend.url(), MESSAGES, &plain, 200),
        (stack.backend.url(), MESSAGES, &stream, 501),
        (stack.backend.url(), "/rooms/lobby/recover/", &plain, 501),
        (stack.backend.url(), "/rooms/lobby/recover/persisted/", &plain, 501),
        (stack.backend.url(), "/healthz", &plain, 200),
        (stack.backend.url(), "/metrics", &plain, 200),
        (stack.backend.url(), "/there/is/nothing", &plain, 404),
    ] {
        let answer = send(&stack, Method::GET, &format!("{base}{path}"), headers).await?;
        assert_eq!((answer.status, answer.header("content-encoding")), (status, None), "{base}{path}");
    }
    let posted = stack.http().post(format!("{}{MESSAGES}", stack.backend.url())).header(accepted.0, accepted.1);
    let posted = posted.json(&json!({"from": "Ada", "text": "again ".repeat(500)})).send().await?;
    assert_eq!((posted.status().as_u16(), posted.headers().get("content-encoding")), (200, None));
    Ok(())
}

async fn fill(stack: &Stack) -> anyhow::Result<()> {
    for n in 0..50 {
        stack.room("lobby").post(&format!("This is message number {n}, and not the last one")).await?;
    }
    Ok(())
}
