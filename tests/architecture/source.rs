//! Reads the source: which files there are, which paths they name, and which imports a table in a module's docs allows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// For each module the modules that it imports.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder whose names have this extension.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                if !["node_modules", "target"].iter().any(|foreign| path.ends_with(foreign)) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The folders below src/ that are modules, without src/ itself.
pub(crate) fn module_folders() -> Vec<PathBuf> {
    let modules = files("src", "rs").into_iter().filter(|path| path.ends_with("mod.rs"));
    modules.map(|path| path.parent().expect("a file is in a folder").to_owned()).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("the entry can be read").path())
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name of the module that `path`, somewhere below `folder`, belongs to: for src/store it is `shared` for both
/// src/store/shared.rs and src/store/shared/listing.rs.
pub(crate) fn module_of(path: &Path, folder: &Path) -> String {
    let below = path.strip_prefix(folder).expect("the path is below the folder");
    let first = below.iter().next().expect("the path is longer").to_str().expect("names are ASCII");
    first.trim_end_matches(".rs").to_owned()
}

/// The header of every table of imports.
const TABLE_HEADER: &str = "//! | module | what it is | imports |";

/// Rows such as ``| [`name`] | what it is | `a`, `b` |`` of the table of imports in the docs of a module. None if there
/// is no such table.
///
/// # Panics
/// If the table has another header.
pub(crate) fn table(code: &str) -> Option<Imports> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let row = line.strip_prefix("//! |")?.strip_suffix('|')?;
        Some(row.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let header = code.lines().find(|line| line.starts_with("//! | module |"))?;
    assert_eq!(header, TABLE_HEADER, "all tables of imports have the same header");
    let rows = code.lines().skip_while(|line| *line != TABLE_HEADER).skip(1).map(cells);
    // What follows the header is the line of dashes.
    let rows = rows.skip(1).map_while(|cells| cells);
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let row = |cells: Vec<String>| {
        let [first, .., last] = &cells[..] else { panic!("a row of one cell: {cells:?}") };
        (names(first).concat(), names(last).into_iter().collect())
    };
    Some(rows.map(row).collect())
}

/// The code of a file without comments, and without the tests at its end.
pub(crate) fn production(code: &str) -> String {
    without_comments(code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default())
}

pub(crate) fn without_comments(code: &str) -> String {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The modules that this file declares for tests or for fuzzing only, so that they are not part of a table.
pub(crate) fn test_modules(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for attribute in ["#[cfg(test)]\n", "#[cfg(any(test, fuzzing))]\n"] {
        for declaration in code.split(attribute).skip(1).filter_map(|rest| rest.lines().next()) {
            let name = declaration.split_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
            modules.extend(name.map(str::to_owned));
        }
    }
    modules
}

/// The paths that follow `root::` (such as `crate::`), also those in groups: `crate::{a, b::{c, d}}` gives `a`, `b::c`
/// and `b::d`.
pub(crate) fn paths(root: &str, code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            expand(&code[at + root.len()..], &mut Vec::new(), &mut paths);
        }
    }
    paths
}

/// The paths that `use` declarations at the top level of a file name.
pub(crate) fn used(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (at, keyword) in code.match_indices("use ") {
        let before = code[..at].rsplit('\n').next().unwrap_or_default();
        if before.is_empty() || before.starts_with("pub") {
            expand(&code[at + keyword.len()..], &mut Vec::new(), &mut paths);
        }
    }
    for path in &mut paths {
        path.retain(|name| name != "self");
    }
    paths
}

/// Reads one path or group, and returns what follows it.
fn expand<'a>(text: &'a str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            let element = rest.trim_start();
            if element.is_empty() || element.starts_with('}') {
                return element.strip_prefix('}').unwrap_or(element);
            }
            rest = expand(element, before, paths).trim_start();
            // The alias of `x as y`.
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            rest = rest[end..].strip_prefix(',').unwrap_or(&rest[end..]);
        }
    }
    let name = identifier(text);
    let mut rest = &text[name.len()..];
    before.push(name);
    let is_path = |rest: &&str| rest.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{');
    match rest.strip_prefix("::").filter(is_path) {
        Some(longer) => rest = expand(longer, before, paths),
        None => paths.push(before.clone()),
    }
    before.pop();
    rest
}

pub(crate) fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
