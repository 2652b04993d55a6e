//! Files in the encodings in which they are served.

use std::{
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hasher as _},
    io::{self, Read as _},
    path::Path,
};

use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, read::GzEncoder};

/// Names a text: 64 bits, which two versions of a file do not share by accident.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = DefaultHasher::new();
    for text in texts {
        hasher.write(text.as_bytes());
        // This byte is in no UTF-8 text, so different lists of texts are different input to the hasher.
        hasher.write_u8(0xff);
    }
    format!("{:016x}", hasher.finish())
}

/// Writes a file in each encoding into `out`, and the `File` that includes them to `code`.
pub(crate) fn write_packed(code: &mut String, out: &Path, name: &str, text: &str) -> io::Result<()> {
    let include = |suffix: &str, bytes: &[u8]| -> io::Result<String> {
        let file = format!("{name}{suffix}");
        fs::write(out.join(&file), bytes)?;
        // Not an absolute path: target folders are moved and shared.
        Ok(format!("include_bytes!(concat!(env!(\"OUT_DIR\"), {:?}))", format!("/{file}")))
    };
    let identity = include("", text.as_bytes())?;
    let brotli = include(".br", &brotli(text.as_bytes())?)?;
    let gzip = include(".gz", &gzip(text.as_bytes())?)?;
    let tag = hash([text]);
    let fields = format!("name: {name:?}, tag: {tag:?}, identity: {identity}, brotli: {brotli}, gzip: {gzip}");
    writeln!(code, "    File {{ {fields} }},").expect("a string can be written to");
    Ok(())
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let params = BrotliEncoderParams { quality: 11, size_hint: bytes.len(), ..BrotliEncoderParams::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &params)?;
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    GzEncoder::new(bytes, Compression::best()).read_to_end(&mut packed)?;
    Ok(packed)
}
