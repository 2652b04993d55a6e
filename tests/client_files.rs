//! How the build script strips the files of `client/`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

#[path = "../build/script.rs"]
mod script;
#[path = "../build/source.rs"]
mod source;
#[path = "../build/style.rs"]
mod style;

fn problem(line: usize, column: usize, message: &str) -> source::Problem {
    source::Problem { line, column, message: message.to_owned() }
}

fn stripped(code: &str) -> String {
    let stripped = script::strip(code).unwrap_or_else(|problem| panic!("{code}: {problem:?}"));
    stripped.code.trim_end_matches('\n').to_owned()
}

#[test]
fn a_script_loses_comments_and_indentation_only() {
    for (code, expected) in [
        ("", ""),
        ("// all\n/* of it */\n", ""),
        ("/** A doc. */\n\nexport const a = 1; // why\n\n\n  // b\n  let b;\n", "export const a = 1;\nlet b;"),
        ("a /* b */ = /** @type {c} */ (d)/**/;", "a = (d) ;"),
        ("return/*\n*/a", "return\na"),
        ("a\u{a0}\u{feff}b\u{2028}c\r\n  d", "a b\nc\nd"),
        ("'a  // b' + \"/* c\" + 'it\\'s  // d'", "'a  // b' + \"/* c\" + 'it\\'s  // d'"),
        ("'a\\\n   b'", "'a\\\n   b'"),
    ] {
        assert_eq!(stripped(code), expected, "{code}");
    }
}

#[test]
fn templates_stay_as_they_are() {
    for code in [
        "`a  // b\n\n   /* c */`",
        "`\\`  // a`",
        "`\\${  // a`",
        "`$ {  // a` + `$`",
        "`a  ${`b  ${'}  `'}  // c`}  // d`",
        "`a  ${{ b: { c: `  // ${d}  ` } }}  // e`",
        "`a  ${b / c}  // d` / 2",
    ] {
        assert_eq!(stripped(code), code);
    }
    assert_eq!(stripped("`a  ${ /* b */  c /* } */ }  // d` // e"), "`a  ${ c }  // d`");
}

#[test]
fn divisions_and_regular_expressions_are_distinguished() {
    for code in [
        "/[/'\"`]  \\/  \\]/gu.test('// a')",
        "a = /'/; b = c => /\"/.test(c)",
        "f(/'/, [/'/], !/'/, { a: /'/ })",
        "a ? /'/ : /'/",
        "if (a) /'/.test(b); else /'/.test(c)",
        "for (const a of /'/[b](c)) while (a) /'/.test(d)",
        "x = typeof /'/; throw /'/",
        "[.../'/.exec(a)]",
        "a / 'b' / c[0] / d() / 1. / 'e' / f.return / 'g'",
        "a.if (b) / 'c'",
        "/'/g / '/'",
    ] {
        assert_eq!(stripped(&format!("{code} // ' \" `")), code);
    }
    assert_eq!(stripped("return /'/.test(a) // b"), "return /'/.test(a)");
}

#[test]
fn static_imports_are_found() {
    let code = "import a, { b as from } from './b.js';\nimport * as c from \"./c.js\"; import'./d.js';\n\
        export * from './e.js'; export { f } from /* g */ './f.js';\n\
        // from './h.js'\n`from './i.js'`; import('./j.js'); k.from('./k.js'); l.from = 'm';";
    let imports = script::strip(code).expect("a module").imports;
    assert_eq!(imports, ["./b.js", "./c.js", "./d.js", "./e.js", "./f.js"]);
}

#[test]
fn a_script_that_cannot_be_read_is_refused() {
    let unclear = "is this a division or a regular expression? Put one operand in parentheses";
    for (code, line, column, message) in [
        ("a;\n  /* b", 2, 3, "nothing closes this comment"),
        ("é = 'a\n'", 1, 5, "nothing closes this string"),
        ("a = '", 1, 5, "nothing closes this string"),
        ("`${`", 1, 4, "nothing closes this template"),
        ("`a ${b} \n", 1, 1, "nothing closes this template"),
        ("a = /[/]\n/", 1, 5, "nothing closes this regular expression"),
        ("a(\nb[1)", 2, 4, "this bracket closes nothing"),
        ("}", 1, 1, "this bracket closes nothing"),
        ("f(() => {", 1, 9, "nothing closes this bracket"),
        ("`${", 1, 1, "nothing closes this bracket"),
        ("if (a) {} /b/.test(c)", 1, 11, unclear),
        ("a++ / 2", 1, 5, unclear),
    ] {
        assert_eq!(script::strip(code).expect_err(code), problem(line, column, message), "{code}");
    }
}

#[test]
fn a_style_sheet_loses_comments_and_white_space_without_meaning() {
    for (css, expected) in [
        ("/* a */\n.b,\n.c { color: red; /* d */ top: 0 }\n", ".b,.c{color:red;top:0}"),
        (
            "a :hover > b::after { content: \"/* ; \\\" */\" / \"\" }",
            "a :hover > b::after{content:\"/* ; \\\" */\" / \"\"}",
        ),
        ("@media (width > 1px) and ( hover ) { a/**/b { } }", "@media (width > 1px) and (hover){a/**/b{}}"),
        ("a[ b = 'c' ] d { width: calc( 1px + ( 2px * 3 ) ) }", "a[b = 'c'] d{width:calc(1px + (2px * 3))}"),
        (".a\\{ b { src: url('c' ) }", ".a\\{ b{src:url('c')}"),
    ] {
        assert_eq!(style::strip(css).as_deref(), Ok(expected), "{css}");
    }
}

#[test]
fn a_style_sheet_that_cannot_be_read_is_refused() {
    for (css, line, column, message) in [
        ("a {}\n/* b", 2, 1, "nothing closes this comment"),
        ("a { b: 'c\n' }", 1, 8, "nothing closes this string"),
        ("a { b: c(} }", 1, 10, "this bracket closes nothing"),
        ("a { b: c", 1, 3, "nothing closes this bracket"),
        ("a { b: url(c) }", 1, 11, "put the address in quotes"),
    ] {
        assert_eq!(style::strip(css), Err(problem(line, column, message)), "{css}");
    }
}

/// Runs the JavaScript tests on the files that browsers get.
#[test]
fn the_stripped_scripts_pass_the_tests_of_their_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stripped");
    _ = fs::remove_dir_all(&copy);
    let mut modules = Vec::new();
    for file in copy_below(&root.join("client"), &copy.join("client")) {
        if file.extension().is_some_and(|extension| extension == "js") {
            let source = fs::read_to_string(&file).expect("UTF-8");
            let code = script::strip(&source).unwrap_or_else(|problem| panic!("{}: {problem:?}", file.display())).code;
            assert_eq!(script::strip(&code).expect("a module").code, code, "{}: stripped twice", file.display());
            fs::write(&file, code).expect("a writable copy");
            modules.push(file);
        }
    }
    let tests: Vec<PathBuf> = copy_below(&root.join("tests/client"), &copy.join("tests/client"))
        .into_iter()
        .filter(|file| file.to_str().is_some_and(|name| name.ends_with(".test.mjs")))
        .collect();
    assert!(!modules.is_empty() && !tests.is_empty());

    if !node(["--version".as_ref()]) {
        assert!(env::var("CI").as_deref() != Ok("true"), "node cannot be started");
        eprintln!("skipped: node cannot be started");
        return;
    }
    for module in &modules {
        assert!(node(["--check".as_ref(), module.as_path()]), "{}: a syntax error", module.display());
    }
    let arguments = [Path::new("--test")].into_iter().chain(tests.iter().map(PathBuf::as_path));
    assert!(node(arguments), "see above");
}

/// Copies a folder. Returns the paths of the copies.
fn copy_below(from: &Path, to: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(to).expect("a writable target folder");
    let mut copies = Vec::new();
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a readable folder");
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() {
            copies.extend(copy_below(&entry.path(), &copy));
        } else {
            fs::copy(entry.path(), &copy).expect("a readable file");
            copies.push(copy);
        }
    }
    copies
}

/// Whether Node.js succeeds. Its output is printed only if it fails.
fn node<'a>(arguments: impl IntoIterator<Item = &'a Path>) -> bool {
    let Ok(output) = Command::new("node").args(arguments).stdin(Stdio::null()).output() else { return false };
    if !output.status.success() {
        eprintln!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}
