//! The rules of the source that no compiler checks: the imports of each module, as listed in the tables of src/lib.rs and
//! of the folders' mod.rs, and what every file must have.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use self::source::{
    Imports, files, identifier, module_folders, module_of, paths, production, read, root, table, test_modules, used,
    without_comments,
};

#[path = "architecture/source.rs"]
mod source;

/// A longer file contains more than one concept.
const MAX_LINES: usize = 400;
/// These folders have a table of their own.
const FOLDERS_WITH_TABLE: [&str; 9] =
    ["cli", "config", "edge", "grip", "store", "store/coalesced", "store/dynamodb", "store/embedded", "web"];
const LIB: &str = include_str!("../src/lib.rs");

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

/// The first names of paths that start with `root::`.
fn first_names(root: &str, code: &str) -> BTreeSet<String> {
    paths(root, code).into_iter().filter_map(|path| path.into_iter().next()).collect()
}

fn table_of_modules() -> Imports {
    table(LIB).expect("src/lib.rs has a table")
}

/// Whether a file below src/ is built for tests or for fuzzing only.
fn is_test(path: &Path) -> bool {
    path.ancestors().any(|path| {
        let Some(folder) = path.parent().filter(|folder| folder.join("mod.rs").exists()) else { return false };
        test_modules(&read(&folder.join("mod.rs"))).contains(&module_of(path, folder))
    })
}

/// Which of its modules import each other, in a folder of src/.
fn imports_within(folder: &Path) -> Imports {
    let mod_rs = production(&read(&folder.join("mod.rs")));
    let is_below = |path: &PathBuf| path.starts_with(folder) && !is_test(path);
    let below: Vec<_> = files("src", "rs").into_iter().filter(is_below).collect();
    let modules: BTreeSet<String> = below.iter().map(|path| module_of(path, folder)).collect();
    let modules = &modules - &names(&["mod"]);
    // A name that mod.rs has from one of its modules stands for that module.
    let mut origins: BTreeMap<String, String> = modules.iter().map(|name| (name.clone(), name.clone())).collect();
    for path in used(&mod_rs) {
        if let [module, .., name] = &path[..]
            && modules.contains(module)
        {
            origins.insert(name.clone(), module.clone());
        }
    }
    let from_root: Vec<_> = folder.strip_prefix(root().join("src")).expect("it is below src").iter().collect();
    let from_root: String = from_root.iter().map(|name| format!("{}::", name.to_string_lossy())).collect();

    let mut imports: Imports = modules.iter().map(|module| (module.clone(), BTreeSet::new())).collect();
    for path in &below {
        let module = module_of(path, folder);
        let Some(imports) = imports.get_mut(&module) else { continue };
        let code = production(&read(path));
        let mut named: Vec<_> = paths("crate::", &code).into_iter().map(|path| path.join("::")).collect();
        named.retain(|path| path.starts_with(&from_root));
        let mut named: BTreeSet<_> = named.iter().map(|path| identifier(&path[from_root.len()..])).collect();
        let is_sibling = path.parent() == Some(folder)
            || path.parent().and_then(Path::parent) == Some(folder) && path.ends_with("mod.rs");
        if is_sibling {
            named.extend(first_names("super::", &code));
        }
        imports.extend(named.iter().filter_map(|name| origins.get(name)).filter(|other| **other != module).cloned());
    }
    imports
}

/// The modules that import each other in a circle, and those that import them.
fn circle(mut left: Imports) -> BTreeSet<String> {
    loop {
        let modules: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, imports| !imports.is_disjoint(&modules));
        if left.len() == modules.len() {
            return modules;
        }
    }
}

#[test]
fn imports_are_read_in_all_their_forms() {
    let code = "use crate::{\n    chat::{Cursor, RoomId as Id, url::{self}},\n    feed::{self},\n    sse,\n};\n\
                use crate::app::App;\nfn f(_: crate::web::Web) {}\npub(crate) fn g() {}\n";
    let read: Vec<String> = paths("crate::", code).iter().map(|path| path.join("::")).collect();
    let expected = ["chat::Cursor", "chat::RoomId", "chat::url::self", "feed::self", "sse", "app::App", "web::Web"];
    assert_eq!(read, expected);
    let code = "pub use {\n    a::A,\n    b::{B, C},\n};\nuse self::d::D;\nuse serde::de;\n";
    let read: Vec<String> = used(code).iter().map(|path| path.join("::")).collect();
    assert_eq!(read, ["a::A", "b::B", "b::C", "d::D", "serde::de"]);
}

#[test]
fn a_circle_is_found() {
    let imports = |rows: &[(&str, &[&str])]| -> Imports {
        rows.iter().map(|(module, others)| ((*module).to_owned(), names(others))).collect()
    };
    assert!(circle(imports(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
    let circular = imports(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])]);
    assert_eq!(circle(circular), names(&["a", "b", "c"]));
}

#[test]
fn the_table_in_lib_rs_names_all_modules() {
    let named: BTreeSet<String> = table_of_modules().into_keys().collect();
    let src = root().join("src");
    let modules: BTreeSet<String> = files("src", "rs").iter().map(|path| module_of(path, &src)).collect();
    assert_eq!(named, &modules - &names(&["lib", "main"]));
    let declared: BTreeSet<String> =
        LIB.lines().filter_map(|line| line.strip_prefix("pub mod ")).map(identifier).collect();
    assert_eq!(named, declared);
}

#[test]
fn modules_import_exactly_what_the_table_in_lib_rs_says() {
    let src = root().join("src");
    let mut imports: Imports = table_of_modules().into_keys().map(|module| (module, BTreeSet::new())).collect();
    for path in files("src", "rs") {
        let module = module_of(&path, &src);
        let named = first_names("crate::", &production(&read(&path)));
        if let Some(imports) = imports.get_mut(&module) {
            imports.extend(named.into_iter().filter(|other| *other != module));
        }
    }
    assert_eq!(imports, table_of_modules(), "left: the code; right: the table in src/lib.rs");
    let main = include_str!("../src/main.rs");
    assert_eq!(first_names("gripchat::", main), names(&["cli"]), "src/main.rs");
}

#[test]
fn tests_import_only_modules_that_the_table_in_lib_rs_allows() {
    let (table, src) = (table_of_modules(), root().join("src"));
    for path in files("src", "rs") {
        let module = module_of(&path, &src);
        let Some(allowed) = table.get(&module) else { continue };
        let mut named = first_names("crate::", &without_comments(&read(&path)));
        named.remove(&module);
        let forbidden = &named - allowed;
        assert!(forbidden.is_empty(), "{}: {forbidden:?}", path.display());
    }
}

#[test]
fn the_files_of_a_folder_import_exactly_what_the_table_in_its_mod_rs_says() {
    let mut wrong = Vec::new();
    for folder in module_folders() {
        let name = folder.strip_prefix(root().join("src")).expect("it is below src");
        match table(&read(&folder.join("mod.rs"))) {
            Some(table) => {
                let imports = imports_within(&folder);
                let differs = |module: &&String| table.get(*module) != imports.get(*module);
                for module in table.keys().chain(imports.keys()).collect::<BTreeSet<_>>().into_iter().filter(differs) {
                    let (table, code) = (table.get(module), imports.get(module));
                    wrong.push(format!("src/{}/mod.rs, {module}: {table:?}; the code: {code:?}", name.display()));
                }
            }
            None if FOLDERS_WITH_TABLE.iter().any(|needs| name == Path::new(needs)) => {
                wrong.push(format!("src/{}/mod.rs has no table of its modules", name.display()));
            }
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `super` must not bypass the table either.
#[test]
fn no_module_uses_super_to_leave_its_folder() {
    for path in files("src", "rs") {
        let code = production(&read(&path));
        let is_root = path.parent().is_some_and(|parent| parent.ends_with("src"))
            || (path.ends_with("mod.rs") && path.ancestors().nth(2).is_some_and(|folder| folder.ends_with("src")));
        assert!(!code.contains("super::super::"), "{}", path.display());
        assert!(!(is_root && code.contains("super::")), "{}", path.display());
        assert!(
            is_test(&path) || !code.contains("super::*"),
            "{}: name what is imported, so that the tables can be checked",
            path.display()
        );
    }
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    assert_eq!(circle(table_of_modules()), names(&[]), "src");
    for folder in module_folders() {
        let name = folder.strip_prefix(root().join("src")).expect("it is below src");
        let imports = imports_within(&folder);
        assert_eq!(circle(imports.clone()), names(&[]), "src/{}: {imports:#?}", name.display());
    }
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let rust = ["src", "tests", "benches", "build", "fuzz"].into_iter().flat_map(|folder| files(folder, "rs"));
    let scripts = ["client", "tests"].into_iter().flat_map(|folder| [files(folder, "js"), files(folder, "mjs")]);
    for path in rust.chain(scripts.flatten()).chain(files("client", "css")) {
        let lines = read(&path).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines; split it", path.display());
    }
}

#[test]
fn every_file_starts_with_a_module_doc() {
    for path in ["src", "tests", "benches", "build", "fuzz"].into_iter().flat_map(|folder| files(folder, "rs")) {
        assert!(read(&path).starts_with("//! "), "{} does not start with //!", path.display());
    }
}

#[test]
fn only_tests_use_unwrap() {
    for path in files("src", "rs").into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let code = production(&read(&path));
        let line = code.lines().find(|line| line.contains(".unwrap()"));
        assert_eq!(line, None, "{}: give the proof with expect(), or return an error", path.display());
    }
}
