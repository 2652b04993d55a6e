//! The program as an operator meets it: exit codes and what it says, how it starts without its parts, how it ends.

use std::{
    net::TcpListener,
    process::Output,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use tokio::{task::spawn_blocking, time::timeout};

use crate::support::{
    dynamodb,
    eventually::eventually,
    fault::Mode,
    gripchat::command,
    ports::free_port,
    stack::{Kind, SOON, Stack, client, environment, table_name},
    trials::{on_stacks, trials},
};

mod edge;
mod log;
mod run;
mod start;

/// From SIGTERM to the end, when nothing is under way.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A key that nothing must ever show.
const SECRET: &str = "S3CR3TK3Y";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = trials![
        [] => a_bad_configuration_is_named_whole_before_anything_is_bound,
        [] => a_table_name_that_is_none_is_named_by_create_table_too,
        [] => an_unknown_flag_is_a_usage_error,
        [] => help_and_version_are_no_errors_and_show_no_key,
        [] => a_missing_region_is_named,
        [] => a_taken_port_is_one_clear_line,
        [DynamoDb] => create_table_says_what_it_did_and_may_be_run_again,
    ];
    trials.extend(on_stacks![
        [ALL] => sigterm_ends_an_idle_server_at_once,
        [DYNAMODB] => sigterm_lets_a_post_finish,
    ]);
    trials.extend(start::trials());
    trials.extend(log::trials());
    trials.extend(run::trials());
    trials.extend(edge::trials());
    trials
}

/// Settings that are good, and where nothing listens.
fn nowhere() -> anyhow::Result<Vec<(String, String)>> {
    let [store, control] = [free_port()?, free_port()?].map(|port| ([127, 0, 0, 1], port).into());
    Ok(environment("nowhere", store, control, &no_aws()))
}

/// What keeps the SDK from looking for settings on this machine and in the network around it.
fn no_aws() -> Vec<(&'static str, &'static str)> {
    vec![
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
}

/// Runs it until it ends.
async fn run(arguments: &[&str], env: &[(String, String)]) -> anyhow::Result<Output> {
    let mut command = command(arguments, env);
    let ran = spawn_blocking(move || command.output());
    Ok(timeout(SOON, ran).await.context("it does not end")???)
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn a_bad_configuration_is_named_whole_before_anything_is_bound() -> anyhow::Result<()> {
    // Were it to bind first, this port would be what it complains of.
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let listen = taken.local_addr()?.to_string();
    let bad = [
        ("GRIP_URL", "ftp://localhost/?key=S3CR3TK3Y"),
        ("DYNAMODB_TABLE", "a b"),
        ("MESSAGE_RETENTION", "5m"),
        ("RECHECK_INTERVAL", "0s"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "gripchat=loud"),
    ];
    let mut env: Vec<_> = bad.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    env.extend(no_aws().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));

    for (listen, is_bad) in [(listen.as_str(), false), ("localhost", true)] {
        let mut env = env.clone();
        env.push(("LISTEN".to_owned(), listen.to_owned()));
        let (code, stdout, stderr) = said(&run(&["serve"], &env).await?);
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
        let named = bad.iter().map(|(name, _)| *name).chain(["AWS_REGION"]).chain(is_bad.then_some("LISTEN"));
        for name in named.clone() {
            assert!(stderr.contains(&format!("\n  {name}: ")), "{name} is not named in {stderr}");
        }
        assert_eq!(stderr.lines().count(), 1 + named.count(), "{stderr}");
        assert!(!stderr.contains("cannot listen") && !stderr.contains(SECRET), "{stderr}");
    }
    Ok(())
}

async fn a_table_name_that_is_none_is_named_by_create_table_too() -> anyhow::Result<()> {
    let (code, _, stderr) = said(&run(&["create-table", "--dynamodb-table", "a b"], &nowhere()?).await?);
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("DYNAMODB_TABLE: "), "{stderr}");
    Ok(())
}

async fn an_unknown_flag_is_a_usage_error() -> anyhow::Result<()> {
    for arguments in [&["serve", "--no-such-flag"][..], &["no-such-command"], &["serve", "and-more"]] {
        let (code, stdout, stderr) = said(&run(arguments, &nowhere()?).await?);
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(arguments[arguments.len() - 1]), "{arguments:?}: {stderr}");
    }
    Ok(())
}

async fn help_and_version_are_no_errors_and_show_no_key() -> anyhow::Result<()> {
    let mut env = nowhere()?;
    env.push(("GRIP_URL".to_owned(), format!("http://user:{SECRET}@localhost/?iss=me&key={SECRET}")));
    env.extend(["SIG_KEY", "CONTROL_KEY"].map(|name| (name.to_owned(), SECRET.to_owned())));
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["serve", "--help"],
        &["create-table", "-h"],
        &["help", "serve"],
        &["run", "--help"],
        &["edge", "-h"],
    ] {
        let (code, stdout, stderr) = said(&run(arguments, &env).await?);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(stdout.contains("gripchat") || stdout.contains("DYNAMODB_TABLE"), "{arguments:?}: {stdout}");
        assert!(!stdout.contains(SECRET), "{arguments:?}: {stdout}");
    }
    let version = said(&run(&["--version"], &env).await?).1;
    assert_eq!(version, format!("gripchat {}\n", env!("CARGO_PKG_VERSION")));
    Ok(())
}

async fn a_missing_region_is_named() -> anyhow::Result<()> {
    let env: Vec<_> = nowhere()?.into_iter().filter(|(name, _)| name != "AWS_REGION").collect();
    for subcommand in ["serve", "create-table"] {
        let (code, _, stderr) = said(&run(&[subcommand], &env).await?);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains("\n  AWS_REGION: ") && stderr.lines().count() == 2, "{stderr}");
    }
    Ok(())
}

async fn a_taken_port_is_one_clear_line() -> anyhow::Result<()> {
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let address = taken.local_addr()?.to_string();
    let mut env = nowhere()?;
    env.push(("LISTEN".to_owned(), address.clone()));
    let (code, stdout, stderr) = said(&run(&["serve"], &env).await?);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("LISTEN"), "{stderr}");
    Ok(())
}

async fn create_table_says_what_it_did_and_may_be_run_again() -> anyhow::Result<()> {
    let dynamodb = dynamodb::shared().await?;
    let table = table_name();
    let env = environment(&table, dynamodb, dynamodb, &no_aws());
    for expected in [format!("table {table} is ready\n"), format!("table {table} exists already, and is ready\n")] {
        let (code, stdout, stderr) = said(&run(&["create-table"], &env).await?);
        assert_eq!((code, stdout), (Some(0), expected), "{stderr}");
    }
    let ttl = client(dynamodb).describe_time_to_live().table_name(&table).send().await?;
    let ttl = ttl.time_to_live_description().and_then(|ttl| ttl.attribute_name());
    assert_eq!(ttl, Some("expires_at"));
    Ok(())
}

async fn sigterm_ends_an_idle_server_at_once(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room_at(&stack.backend.url(), "lobby");
    // The connection stays open, as those of a proxy do; and a stream is held.
    room.history("").await?;
    let stream = stack.room("lobby").stream(None).await?;
    let told = Instant::now();
    stack.backend.stop().await?;
    let took = told.elapsed();
    assert!(took < ENDS_WITHIN, "{took:?}");
    assert!(stream.is_open(), "the stream ended with the backend");
    assert!(stack.backend.log().contains("stopped"), "{}", stack.backend.log());
    Ok(())
}

async fn sigterm_lets_a_post_finish(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room_at(&stack.backend.url(), "lobby");
    // Now it knows the room's newest message, so that the next post is one write.
    room.post("before").await?;
    stack.store().set(Mode::Delay(Duration::from_secs(1)));
    let sent = stack.store().bytes_up();
    let post = tokio::spawn({
        let room = room.clone();
        async move { room.post("under way").await }
    });
    eventually(SOON, "the write is on its way", || stack.store().bytes_up() > sent).await;

    stack.backend.stop().await?;
    ensure!(!stack.backend.log().contains("still under way"), "{}", stack.backend.log());
    let posted = timeout(SOON, post).await.context("no answer")???;
    stack.store().set(Mode::Pass);
    let another = stack.another_backend().await?;
    let stored = stack.room_at(&another.url(), "lobby").history("?limit=1").await?;
    assert_eq!(stored["messages"][0], posted);
    Ok(())
}
