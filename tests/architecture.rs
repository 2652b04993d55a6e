//! The order of the house: the table of modules in src/lib.rs, and rules that no compiler holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A file longer than this is more than one thing.
const MOST_LINES: usize = 400;

type Table = BTreeMap<String, BTreeSet<String>>;

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the file is there")
}

/// The module that a file below src/ belongs to: `store` for both src/store/mod.rs and src/store/table.rs.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("it is below src");
    let first = below.iter().next().expect("a name").to_str().expect("an ASCII name");
    first.trim_end_matches(".rs").to_owned()
}

/// The table in the documentation of the library: who may import whom.
fn table() -> Table {
    let code = include_str!("../src/lib.rs");
    let rows = code.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| {
        let (module, rest) = row.split_once("`]").expect("a link");
        let imports = rest.rsplit('|').nth(1).expect("a last cell");
        let imports = imports.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (module.to_owned(), imports)
    })
    .collect()
}

/// The code of a file without comments, and without the tests at its end.
fn production(code: &str) -> String {
    without_comments(code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default())
}

fn without_comments(code: &str) -> String {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The modules named behind a prefix such as `crate::`, also in `crate::{a, b::{c, d}}`.
fn named_behind(prefix: &str, code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => _ = named.insert(identifier(rest)),
            Some(group) => named.extend(elements(group).into_iter().map(identifier)),
        }
    }
    named
}

/// What the commas of a group part, up to its closing brace.
fn elements(group: &str) -> Vec<&str> {
    let (mut elements, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                elements.push(group[start..at].trim());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    elements.retain(|element| !element.is_empty());
    elements
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_are_read_in_all_their_forms() {
    let code = "use crate::{\n    chat::{Cursor, RoomId},\n    feed::{self},\n    sse,\n};\nuse crate::app::App;\n\
                fn f(_: crate::web::Web) {}\npub(crate) fn g() {}\n";
    let expected = ["app", "chat", "feed", "sse", "web"].map(str::to_owned).into();
    assert_eq!(named_behind("crate::", code), expected);
}

#[test]
fn the_table_names_all_modules() {
    let named: BTreeSet<String> = table().into_keys().collect();
    let there: BTreeSet<String> = files("src", "rs").iter().map(|path| module_of(path)).collect();
    let roots = ["lib", "main"].map(str::to_owned).into();
    assert_eq!(named, &there - &roots);
    let code = include_str!("../src/lib.rs");
    let declared: BTreeSet<String> =
        code.lines().filter_map(|line| line.strip_prefix("pub mod ")).map(identifier).collect();
    assert_eq!(named, declared);
}

#[test]
fn modules_import_what_the_table_says_and_nothing_else() {
    let mut imports: Table = table().into_keys().map(|module| (module, BTreeSet::new())).collect();
    for path in files("src", "rs") {
        let module = module_of(&path);
        let named = named_behind("crate::", &production(&read(&path)));
        if let Some(imports) = imports.get_mut(&module) {
            imports.extend(named.into_iter().filter(|other| *other != module));
        }
    }
    assert_eq!(imports, table(), "left: the code; right: the table in src/lib.rs");
    let main = include_str!("../src/main.rs");
    assert_eq!(named_behind("gripchat::", main), ["cli".to_owned()].into(), "src/main.rs");
}

#[test]
fn tests_import_no_module_that_the_table_forbids() {
    let table = table();
    for path in files("src", "rs") {
        let Some(allowed) = table.get(&module_of(&path)) else { continue };
        let mut named = named_behind("crate::", &without_comments(&read(&path)));
        named.remove(&module_of(&path));
        let forbidden = &named - allowed;
        assert!(forbidden.is_empty(), "{}: {forbidden:?}", path.display());
    }
}

/// `super` may not lead out of a module either, past the table.
#[test]
fn nothing_climbs_out_of_its_module() {
    for path in files("src", "rs") {
        let code = production(&read(&path));
        let is_root = path.parent().is_some_and(|parent| parent.ends_with("src"))
            || (path.ends_with("mod.rs") && path.ancestors().nth(2).is_some_and(|folder| folder.ends_with("src")));
        assert!(!code.contains("super::super::"), "{}", path.display());
        assert!(!(is_root && code.contains("super::")), "{}", path.display());
    }
}

#[test]
fn no_circle_of_imports() {
    let mut left = table();
    while !left.is_empty() {
        let modules: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, imports| !imports.is_disjoint(&modules));
        assert!(left.len() < before, "these import each other in a circle: {modules:?}");
    }
}

#[test]
fn files_are_short() {
    let rust = ["src", "tests"].into_iter().flat_map(|folder| files(folder, "rs"));
    let scripts = ["client", "tests"].into_iter().flat_map(|folder| [files(folder, "js"), files(folder, "mjs")]);
    for path in rust.chain(scripts.flatten()).chain(files("client", "css")) {
        let lines = read(&path).lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines; split it", path.display());
    }
}

#[test]
fn every_file_says_what_it_is() {
    for path in ["src", "tests"].into_iter().flat_map(|folder| files(folder, "rs")) {
        assert!(read(&path).starts_with("//! "), "{} does not begin with //!", path.display());
    }
}

#[test]
fn nothing_is_unwrapped_outside_of_tests() {
    for path in files("src", "rs").into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let code = production(&read(&path));
        let line = code.lines().position(|line| line.contains(".unwrap()"));
        assert_eq!(line, None, "{}: say with expect() why it cannot fail, or return an error", path.display());
    }
}
