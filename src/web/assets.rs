//! The files of `client/`, as `build/main.rs` has made them: short, compressed, and named by a hash over all.
//!
//! Modules import each other by relative paths, so that whatever a page loads comes from the folder of one hash, and
//! may be kept for ever. The page itself names the hash, and is asked for again each time.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, header},
    response::Response,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use super::{
    caching::{IMMUTABLE, REVALIDATED, VARY, tagged},
    coding::Coding,
    error::WebError,
};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The style of every page, as a source in a Content Security Policy.
pub(super) static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(STYLE))));

/// A file in its forms.
struct File {
    name: &'static str,
    /// A hash of the content.
    tag: &'static str,
    identity: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

/// A module that pages load, and what it imports, directly or not: a page names them all, or the browser would learn of
/// them one after the other.
pub(super) struct Entry {
    pub(super) url: &'static str,
    pub(super) imports: &'static [&'static str],
}

/// `/assets/{version}/{file}`. Behind a page of another version's backend, while that is being replaced, the files of
/// this one are the best there is; but not to be kept in that one's name.
pub(super) async fn versioned(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let caching = if version == VERSION { IMMUTABLE } else { REVALIDATED };
    let file = FILES.iter().find(|file| file.name == name).ok_or(WebError::NotFound)?;
    let coding = Coding::negotiate(&headers);
    let (bytes, etag) = match coding {
        Coding::Brotli => (file.brotli, format!("\"{}-br\"", file.tag)),
        Coding::Gzip => (file.gzip, format!("\"{}-gzip\"", file.tag)),
        Coding::Identity => (file.identity, format!("\"{}\"", file.tag)),
    };
    let media_type = if name.ends_with(".js") { "text/javascript; charset=utf-8" } else { "image/svg+xml" };
    let described = [(header::CONTENT_TYPE, media_type), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    let coding = coding.name().map(|name| [(header::CONTENT_ENCODING, name)]);
    Ok(tagged(&headers, etag, [caching, VARY], (described, coding, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that the room's page runs, as most browsers get it.
    const MOST_BYTES: usize = 19 * 1024;

    #[test]
    fn the_scripts_of_a_room_are_short() {
        let urls = std::iter::once(&CHAT_JS.url).chain(CHAT_JS.imports);
        let files: Vec<&File> = urls
            .map(|url| FILES.iter().find(|file| url.rsplit('/').next() == Some(file.name)).expect("it is served"))
            .collect();
        let sum = |bytes: fn(&File) -> usize| files.iter().map(|file| bytes(file)).sum::<usize>();
        let (brotli, gzip) = (sum(|file| file.brotli.len()), sum(|file| file.gzip.len()));
        println!(
            "{} modules: {brotli} bytes by Brotli, {gzip} by gzip, {} plain",
            files.len(),
            sum(|file| file.identity.len())
        );
        assert!(brotli <= MOST_BYTES, "the modules have {brotli} bytes by Brotli ({gzip} by gzip), of {MOST_BYTES}");
    }
}
