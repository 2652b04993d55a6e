//! What pages are made of, on its way: compressed for whoever asks for it, kept by browsers, and all there.

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
        [ALL] => a_page_comes_compressed_with_its_style_in_it,
        [ALL] => a_page_that_has_not_changed_is_not_sent_again,
        [ALL] => what_a_page_loads_is_there_and_kept_for_ever,
        [ALL] => another_version_is_answered_with_what_there_is,
        [ALL] => who_accepts_nothing_is_sent_something,
        [ALL] => nothing_but_pages_and_assets_is_compressed,
    ]
}

const MESSAGES: &str = "/rooms/lobby/messages/";
const PAGE: &str = "/lobby?user=Ann";
const VARY: Option<&str> = Some("accept-encoding");
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// What an answer says of itself, and its content without its coding.
struct Sent {
    status: u16,
    response: Response,
}

impl Sent {
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
            Some(other) => anyhow::bail!("nobody asked for {other}"),
        }
        Ok(plain)
    }

    async fn text(self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.decoded().await?)?)
    }
}

async fn send(stack: &Stack, method: Method, url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Sent> {
    let request = stack.http().request(method, url);
    let response = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await?;
    Ok(Sent { status: response.status().as_u16(), response })
}

/// Through the proxy.
async fn get(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Sent> {
    send(stack, Method::GET, &format!("{}{path}", stack.proxy.url()), headers).await
}

/// Past it, where nothing is changed.
async fn at_backend(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Sent> {
    send(stack, Method::GET, &format!("{}{path}", stack.backend.url()), headers).await
}

/// What the client gets of a coding that it asks for. Pushpin asks the backend for what itself reads, and sends it plain.
fn passed_on(kind: Kind, coding: &str) -> Option<&str> {
    (kind.proxy() == proxy::Kind::Edge).then_some(coding)
}

/// The addresses below /assets/ in a page.
fn assets(page: &str) -> BTreeSet<String> {
    let values = page.split('"').filter(|value| value.starts_with("/assets/"));
    values.map(str::to_owned).collect()
}

async fn a_page_comes_compressed_with_its_style_in_it(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    fill(&stack).await?;
    for path in [PAGE, "/lobby", "/not%20a%20room"] {
        let plain = get(&stack, path, &[]).await?;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, VARY), "{path}");
        let plain = plain.text().await?;
        assert!(plain.contains("<style>") && !plain.contains("rel=\"stylesheet\""), "{path}: {plain}");
        for coding in ["br", "gzip"] {
            let packed = get(&stack, path, &[("accept-encoding", coding)]).await?;
            assert_eq!(packed.header("content-encoding"), passed_on(kind, coding), "{path}");
            assert_eq!(packed.header("vary"), VARY, "{path}");
            assert_eq!(packed.text().await?, plain, "{path}");
        }
    }
    Ok(())
}

async fn a_page_that_has_not_changed_is_not_sent_again(kind: Kind) -> anyhow::Result<()> {
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
        assert_eq!(other.status, 200, "another's page");
        stack.room("lobby").post(accepted).await?;
        let changed = get(&stack, PAGE, &known).await?;
        assert_eq!(changed.status, 200, "a message more");
        assert_ne!(changed.header("etag"), Some(&*etag));
    }
    Ok(())
}

async fn what_a_page_loads_is_there_and_kept_for_ever(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for path in [PAGE, "/lobby"] {
        let page = get(&stack, path, &[]).await?.text().await?;
        let assets = assets(&page);
        let preloads = page.matches("<link rel=\"modulepreload\"").count();
        assert!(preloads > 0 && assets.len() == preloads + 2, "an icon and an entry more: {page}");
        for asset in &assets {
            let plain = at_backend(&stack, asset, &[]).await?.decoded().await?;
            let mut tags = BTreeSet::new();
            for coding in ["br", "gzip", "identity"] {
                let direct = at_backend(&stack, asset, &[("accept-encoding", coding)]).await?;
                let expected = (coding != "identity").then_some(coding);
                assert_eq!((direct.header("content-encoding"), direct.header("vary")), (expected, VARY), "{asset}");
                let tag = direct.header("etag").expect("a tag").to_owned();
                assert!(tags.insert(tag.clone()), "{asset}: a tag for each form");
                assert_eq!(direct.decoded().await?, plain, "{asset}");

                let known = [("accept-encoding", coding), ("if-none-match", &tag)];
                let again = at_backend(&stack, asset, &known).await?;
                assert_eq!((again.status, again.header("cache-control")), (304, Some(IMMUTABLE)), "{asset}");

                let passed = get(&stack, asset, &[("accept-encoding", coding)]).await?;
                let expected = expected.and_then(|coding| passed_on(kind, coding));
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

async fn another_version_is_answered_with_what_there_is(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let page = get(&stack, PAGE, &[]).await?.text().await?;
    for asset in assets(&page) {
        let name = asset.rsplit('/').next().expect("a name");
        let current = get(&stack, &asset, &[]).await?.decoded().await?;
        let path = format!("/assets/0ldVersion_1/{name}");
        let passed = get(&stack, &path, &[]).await?;
        assert_eq!((passed.status, passed.header("cache-control")), (200, Some("no-cache")), "{path}");
        assert_eq!(passed.decoded().await?, current, "{path}");

        let direct = at_backend(&stack, &path, &[]).await?;
        let tag = direct.header("etag").expect("a tag");
        let head = send(&stack, Method::HEAD, &format!("{}{path}", stack.backend.url()), &[]).await?;
        let length = current.len().to_string();
        assert_eq!((head.header("etag"), head.header("content-length")), (Some(tag), Some(&*length)), "{path}");
        let again = at_backend(&stack, &path, &[("if-none-match", tag)]).await?;
        assert_eq!((again.status, again.header("cache-control")), (304, Some("no-cache")), "{path}");
    }
    // Nor is it kept that a file is not there: a backend of another version may have it.
    for file in ["package.json", "tsconfig.json", "room.css", "..%2FCargo.toml", "none.js", "chat.js"] {
        for path in [format!("/assets/0ldVersion_1/{file}"), format!("/assets/{file}")] {
            let there = path == "/assets/0ldVersion_1/chat.js";
            let answer = get(&stack, &path, &[]).await?;
            let expected = if there { (200, Some("no-cache")) } else { (404, Some("no-store")) };
            assert_eq!((answer.status, answer.header("cache-control")), expected, "{path}");
        }
    }
    Ok(())
}

async fn who_accepts_nothing_is_sent_something(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let page = at_backend(&stack, PAGE, &[]).await?.text().await?;
    let nothing = ("accept-encoding", "identity;q=0, *;q=0");
    for path in [PAGE, "/rooms/"].into_iter().map(str::to_owned).chain(assets(&page)) {
        let answer = at_backend(&stack, &path, &[nothing]).await?;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{path}");
    }
    let refused = at_backend(&stack, "/rooms/?limit=0", &[nothing]).await?;
    assert_eq!(refused.status, 400);
    Ok(())
}

async fn nothing_but_pages_and_assets_is_compressed(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    fill(&stack).await?;
    let accepted = ("accept-encoding", "br, gzip, identity;q=0.1");
    let plain = [accepted];
    // Held by the edge, which passes on what the client accepts, only if the backend does not compress.
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
