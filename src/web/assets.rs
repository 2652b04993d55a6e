//! The files of `client/`, as `build/main.rs` prepared them: minified, compressed, and addressed by a hash over all
//! files.
//!
//! Modules import each other by relative paths. So everything that a page loads has the same hash in its path, and
//! browsers can cache it forever. The page itself contains the hash, and is revalidated each time.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, header},
    response::Response,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use super::{
    error::WebError,
    respond::{Coding, IMMUTABLE, REVALIDATED, VARY, tagged},
};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The style of every page, as a source in a Content Security Policy.
pub(super) static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(STYLE))));

/// A file in all its codings.
struct File {
    name: &'static str,
    /// A hash of the content.
    tag: &'static str,
    identity: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

/// A module that pages load, and everything that it imports, directly or indirectly. A page lists all of them, because
/// the browser would otherwise discover them one after the other.
pub(super) struct Entry {
    pub(super) url: &'static str,
    pub(super) imports: &'static [&'static str],
}

/// GET `/assets/{version}/{file}`. During a deployment a page can come from a backend of another version. Its requests
/// get the files of this version, the best that can be sent, which must not be cached under that address.
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

    /// The limit for all scripts of a room's page together, compressed with Brotli, which most browsers accept.
    const MAX_BYTES: usize = 19 * 1024;

    #[test]
    fn the_scripts_of_a_room_are_small() {
        let urls = std::iter::once(&CHAT_JS.url).chain(CHAT_JS.imports);
        let files: Vec<&File> = urls
            .map(|url| FILES.iter().find(|file| url.rsplit('/').next() == Some(file.name)).expect("the file is served"))
            .collect();
        let sum = |bytes: fn(&File) -> usize| files.iter().map(|file| bytes(file)).sum::<usize>();
        let (brotli, gzip) = (sum(|file| file.brotli.len()), sum(|file| file.gzip.len()));
        println!(
            "{} modules: {brotli} bytes with Brotli, {gzip} with gzip, {} uncompressed",
            files.len(),
            sum(|file| file.identity.len())
        );
        assert!(
            brotli <= MAX_BYTES,
            "the modules have {brotli} bytes with Brotli ({gzip} with gzip); the limit is {MAX_BYTES}"
        );
    }
}
