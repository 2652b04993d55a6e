//! What a binary does if its configuration needs a feature. Compiled with and without features, this tests both cases.

use std::process::Command;

const EX_USAGE: i32 = 64;

/// Runs the program without any variable, and returns its exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gripchat"))
        .args(arguments)
        // No AWS region can be found, so that no command starts, even with the feature.
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", "/nonexistent")
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Asserts that a command is refused for this variable, and because of the feature only in a binary without it.
fn assert_refused(arguments: &[&str], variable: &str, feature: &str, is_built_in: bool) {
    let (code, _, problems) = run(arguments);
    assert_eq!(code, Some(EX_USAGE), "{arguments:?}: {problems}");
    let command = format!("cargo build --release --features {feature}");
    let names_feature = problems.lines().any(|line| line.contains(variable) && line.contains(&command));
    assert_eq!(names_feature, !is_built_in, "{arguments:?}: {problems}");
}

#[test]
fn dynamodb_is_refused_only_without_its_feature() {
    let is_built_in = cfg!(feature = "dynamodb");
    assert_refused(&["serve"], "STORE", "dynamodb", is_built_in);
    assert_refused(&["serve", "--store=dynamodb"], "STORE", "dynamodb", is_built_in);
    assert_refused(&["create-table"], "create-table", "dynamodb", is_built_in);
}

/// Its default store may need the feature, but is not what was meant.
#[test]
fn an_unknown_store_is_one_problem() {
    let (code, _, problems) = run(&["serve", "--store=memory"]);
    assert_eq!(code, Some(EX_USAGE), "{problems}");
    assert!(problems.contains("\n  STORE: must be ") && problems.lines().count() == 2, "{problems}");
}

#[test]
fn an_https_url_is_refused_only_without_tls() {
    let arguments = ["serve", "--store=embedded", "--grip-url=https://a.example/", "--max-connections=0"];
    assert_refused(&arguments, "GRIP_URL", "tls", cfg!(feature = "tls"));
}

#[test]
fn the_version_lists_the_features_on_its_second_line() {
    let (code, version, _) = run(&["--version"]);
    assert_eq!(code, Some(0));
    let (first, second) = version.split_once('\n').expect("two lines");
    assert_eq!(first, concat!("gripchat ", env!("CARGO_PKG_VERSION")));
    let (with, without) = second.trim_end().split_once("; built without: ").unwrap_or((second, ""));
    for (feature, is_built_in) in [("dynamodb", cfg!(feature = "dynamodb")), ("tls", cfg!(feature = "tls"))] {
        assert_eq!(with.contains(feature), is_built_in, "{version}");
        assert_eq!(without.contains(feature), !is_built_in, "{version}");
    }
    assert_eq!(run(&["-V"]).1.lines().count(), 1);
}

#[test]
fn the_help_lists_every_command_in_every_binary() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("create-table"), "{help}");
}
