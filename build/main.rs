//! Prepares the files of `client/` for `src/web/assets.rs` to serve: strips comments and indentation, compresses each file
//! once, and computes one hash over all of them.
//!
//! There is no list of files: the program uses every script, style sheet and icon in the folder. A module that no other module
//! imports is an entry, which a page loads.
//!
//! Every first build waits for the dependencies of this program, so it has only the two compressors.

mod pack;
mod script;
mod source;
mod style;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use self::{pack::write_packed, source::Problem};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The modules, each with the names of those that it imports.
type Imports = BTreeMap<String, Vec<String>>;

const CLIENT: &str = "client";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={CLIENT}");
    match prepare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut files: BTreeMap<String, String> = read("svg")?.into_iter().collect();
    let mut imports = Imports::new();
    for (name, source) in read("js")? {
        let module = script::strip(&source).map_err(|problem| located(&name, &problem))?;
        imports.insert(name.clone(), neighbours(&name, &module.imports)?);
        files.insert(name, module.code);
    }
    for (name, imported) in &imports {
        if let Some(missing) = imported.iter().find(|file| !imports.contains_key(*file)) {
            return Err(format!("{CLIENT}/{name} imports {CLIENT}/{missing}, which does not exist").into());
        }
    }

    // One sheet, which each page contains: another file would be another request before the first paint.
    let mut css = String::new();
    for (name, source) in read("css")? {
        css += &style::strip(&source).map_err(|problem| located(&name, &problem))?;
    }
    if css.contains("</") {
        return Err(format!("{CLIENT}/*.css: \"</\" would end the <style> element of a page").into());
    }

    let version = pack::hash(files.iter().flat_map(|(name, text)| [&**name, &**text]));
    fs::write(out.join("style.css"), css)?;
    fs::write(out.join("assets.rs"), code(&out, &version, &files, &imports)?)?;
    Ok(())
}

/// Names and texts of the files with an extension, sorted by name.
fn read(extension: &str) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(CLIENT)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Editors keep half-written files under names that start with these.
        if path.extension().is_some_and(|found| found == extension) && !name.starts_with(['.', '#']) {
            let text = fs::read_to_string(&path).map_err(|error| format!("{CLIENT}/{name}: {error}"))?;
            files.push((name.to_owned(), text));
        }
    }
    files.sort();
    Ok(files)
}

fn located(name: &str, problem: &Problem) -> String {
    let Problem { line, column, message } = problem;
    format!("{CLIENT}/{name}:{line}:{column}: {message}")
}

/// Returns the names of imported files. All are in the same folder: its URL contains the hash over all files.
fn neighbours(name: &str, specifiers: &[String]) -> Result<Vec<String>> {
    let file = |specifier: &String| {
        let file = specifier.strip_prefix("./").filter(|file| !file.contains('/'));
        let problem = || format!("{CLIENT}/{name}: the import of {specifier:?} must start with \"./\" and name a file");
        Ok(file.ok_or_else(problem)?.to_owned())
    };
    specifiers.iter().map(file).collect()
}

/// Returns the Rust code that `src/web/assets.rs` includes.
fn code(out: &Path, version: &str, files: &BTreeMap<String, String>, imports: &Imports) -> Result<String> {
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
        let preloads: Vec<String> = reachable(entry, imports).into_iter().map(url).collect();
        let (name, url) = (constant(entry), url(entry));
        writeln!(code, "pub(super) const {name}: Entry = Entry {{ url: {url:?}, imports: &{preloads:?} }};")?;
    }
    for icon in files.keys().filter(|name| name.ends_with(".svg")) {
        writeln!(code, "pub(super) const {}: &str = \"/assets/{version}/{icon}\";", constant(icon))?;
    }
    Ok(code)
}

/// `chat.js` becomes `CHAT_JS`: a page that loads a missing file does not compile, and the compiler warns of an entry that
/// no page loads.
fn constant(file: &str) -> String {
    file.to_uppercase().replace(['.', '-'], "_")
}

/// Returns the modules that a module imports directly or indirectly, each once, direct imports first.
fn reachable<'a>(entry: &'a str, imports: &'a Imports) -> Vec<&'a str> {
    let mut reachable = vec![entry];
    let mut next = 0;
    while let Some(module) = reachable.get(next) {
        for file in &imports[*module] {
            if !reachable.contains(&&**file) {
                reachable.push(file);
            }
        }
        next += 1;
    }
    reachable.split_off(1)
}
