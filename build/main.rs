//! Makes of `client/` what browsers get, for `src/web/assets.rs` to serve: scripts and styles without what only people
//! read, each file compressed once and for all, and one hash over all of them.
//!
//! No list of files: what lies there is taken. A module that no other imports is an entry, which a page loads.

mod pack;
mod script;
mod style;

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};

use self::pack::{digest, write_packed};

const CLIENT: &str = "client";

/// The version's letters: 72 bits, which two builds do not share by chance.
const VERSION_CHARS: usize = 12;

type Imports = BTreeMap<String, Vec<String>>;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={CLIENT}");
    let Err(error) = make() else { return ExitCode::SUCCESS };
    for line in format!("{error:#}").lines() {
        println!("cargo::error={line}");
    }
    ExitCode::FAILURE
}

fn make() -> anyhow::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo says where to write")?);

    let mut files: BTreeMap<String, String> = read("svg")?.into_iter().collect();
    let mut imports = Imports::new();
    for (name, source) in read("js")? {
        let module = script::minify(&format!("{CLIENT}/{name}"), &source)?;
        imports.insert(name.clone(), module.imports);
        files.insert(name, module.code);
    }
    // One sheet of all: pages have it in them, where one more file would cost nothing.
    let sheets = read("css")?.into_iter().map(|(name, css)| style::minify(&format!("{CLIENT}/{name}"), &css));
    let style = sheets.collect::<anyhow::Result<String>>()?;
    for (name, imported) in &imports {
        let missing = imported.iter().find(|file| !imports.contains_key(*file));
        ensure!(missing.is_none(), "{CLIENT}/{name}: there is no {CLIENT}/{}", missing.map_or("", String::as_str));
    }
    ensure!(!style.contains("</"), "{CLIENT}/*.css: the end of an element in it would end the page's style");

    let named: Vec<u8> =
        files.iter().flat_map(|(name, text)| [digest(name.as_bytes()), digest(text.as_bytes())].concat()).collect();
    let version = &pack::url_safe(&digest(&named))[..VERSION_CHARS];
    fs::write(out.join("style.css"), &style)?;
    fs::write(out.join("assets.rs"), code(&out, version, &files, &imports)?)?;
    println!("cargo::rustc-env=STYLE_HASH=sha256-{}", pack::standard(&digest(style.as_bytes())));
    Ok(())
}

/// Names and texts, in the order of the names.
fn read(ending: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(CLIENT).context(CLIENT)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Not the half-written files that editors keep beside those they write.
        if path.extension().is_some_and(|found| found == ending) && !name.starts_with(['.', '#']) {
            let text = fs::read_to_string(&path).with_context(|| format!("{CLIENT}/{name}"))?;
            files.push((name.to_owned(), text));
        }
    }
    files.sort();
    Ok(files)
}

/// What `src/web/assets.rs` includes.
fn code(out: &Path, version: &str, files: &BTreeMap<String, String>, imports: &Imports) -> anyhow::Result<String> {
    let mut code = format!("pub(super) const VERSION: &str = {version:?};\n");
    writeln!(code, "pub(super) const STYLE: &str = include_str!(concat!(env!(\"OUT_DIR\"), \"/style.css\"));")?;
    writeln!(code, "static FILES: &[File] = &[")?;
    for (name, text) in files {
        write_packed(&mut code, out, name, text)?;
    }
    writeln!(code, "];")?;
    let imported: Vec<&String> = imports.values().flatten().collect();
    for entry in imports.keys().filter(|name| !imported.contains(name)) {
        let url = |file: &str| format!("/assets/{version}/{file}");
        let preloads: Vec<String> = reached(entry, imports).into_iter().map(url).collect();
        let (name, url) = (constant(entry), url(entry));
        writeln!(code, "pub(super) const {name}: Entry = Entry {{ url: {url:?}, imports: &{preloads:?} }};")?;
    }
    for icon in files.keys().filter(|name| name.ends_with(".svg")) {
        writeln!(code, "pub(super) const {}: &str = \"/assets/{version}/{icon}\";", constant(icon))?;
    }
    Ok(code)
}

/// `chat.js` is `CHAT_JS`: a page that names what is not there does not compile, and what no page names is warned of.
fn constant(file: &str) -> String {
    file.to_uppercase().replace(['.', '-'], "_")
}

/// What a module imports, and what that does in turn: each once, the nearest first.
fn reached<'a>(entry: &'a str, imports: &'a Imports) -> Vec<&'a str> {
    let mut reached = vec![entry];
    let mut next = 0;
    while let Some(module) = reached.get(next) {
        let new: Vec<&str> =
            imports[*module].iter().map(String::as_str).filter(|file| !reached.contains(file)).collect();
        reached.extend(new);
        next += 1;
    }
    reached.split_off(1)
}
