//! Files in all the forms in which they are sent.

use std::{fmt::Write as _, fs, io::Read as _, path::Path};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, read::GzEncoder};
use sha2::{Digest as _, Sha256};

pub(crate) fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

pub(crate) fn url_safe(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// As a Content Security Policy has it.
pub(crate) fn standard(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Writes a file's forms beside each other, and to `code` the constant that names them.
pub(crate) fn write_packed(code: &mut String, out: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let form = |ending: &str, bytes: &[u8]| -> anyhow::Result<String> {
        let file = format!("{name}{ending}");
        fs::write(out.join(&file), bytes)?;
        // Not the path of now: target folders are moved and shared.
        Ok(format!("include_bytes!(concat!(env!(\"OUT_DIR\"), {:?}))", format!("/{file}")))
    };
    let identity = form("", text.as_bytes())?;
    let brotli = form(".br", &brotli(text.as_bytes())?)?;
    let gzip = form(".gz", &gzip(text.as_bytes())?)?;
    let tag = url_safe(&digest(text.as_bytes()));
    writeln!(
        code,
        "    File {{ name: {name:?}, tag: {tag:?}, identity: {identity}, brotli: {brotli}, gzip: {gzip} }},"
    )?;
    Ok(())
}

fn brotli(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let params = BrotliEncoderParams { quality: 11, size_hint: bytes.len(), ..BrotliEncoderParams::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &params)?;
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut packed = Vec::new();
    GzEncoder::new(bytes, Compression::best()).read_to_end(&mut packed)?;
    Ok(packed)
}
