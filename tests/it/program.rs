//! The program as an operator sees it: exit codes and output, how it starts while other parts are down, how it stops.

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
mod output;
mod run;
mod start;

/// From SIGTERM to the exit, if no request is under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// A key that must never be shown.
const SECRET: &str = "S3CR3TK3Y";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = trials![
        [] => all_bad_values_are_reported_before_any_port_is_bound,
        [] => only_the_variables_of_the_command_are_checked,
        [] => create_table_reports_a_bad_table_name,
        [] => an_unknown_flag_is_a_usage_error,
        [] => help_and_version_succeed_and_show_no_key,
        [] => a_missing_region_is_reported,
        [] => a_port_in_use_is_reported_in_one_line,
        [DynamoDb] => create_table_reports_what_it_did_and_can_run_again,
    ];
    trials.extend(on_stacks![
        [APART] => sigterm_stops_an_idle_server_at_once,
        [EDGE_DYNAMODB] => sigterm_lets_a_post_finish,
    ]);
    trials.extend(start::trials());
    trials.extend(log::trials());
    trials.extend(output::trials());
    trials.extend(run::trials());
    trials.extend(edge::trials());
    trials
}

/// Valid settings with addresses at which nothing listens.
fn nowhere() -> anyhow::Result<Vec<(String, String)>> {
    let [store, control] = [free_port()?, free_port()?].map(|port| ([127, 0, 0, 1], port).into());
    Ok(environment("nowhere", store, control, &no_aws()))
}

/// Keeps the SDK from reading settings of this machine and its network.
fn no_aws() -> Vec<(&'static str, &'static str)> {
    vec![
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
}

/// Runs the program until it exits.
async fn run(arguments: &[&str], env: &[(String, String)]) -> anyhow::Result<Output> {
    let mut command = command(arguments, env);
    let ran = spawn_blocking(move || command.output());
    Ok(timeout(SOON, ran).await.context("the program does not exit")???)
}

fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn all_bad_values_are_reported_before_any_port_is_bound() -> anyhow::Result<()> {
    // If the program bound its port first, it would report this one.
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
        let (code, stdout, stderr) = outcome(&run(&["serve"], &env).await?);
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
        let named = bad.iter().map(|(name, _)| *name).chain(["AWS_REGION"]).chain(is_bad.then_some("LISTEN"));
        for name in named.clone() {
            assert!(stderr.contains(&format!("\n  {name}: ")), "{name} is not in {stderr}");
        }
        assert_eq!(stderr.lines().count(), 1 + named.count(), "{stderr}");
        assert!(!stderr.contains("cannot listen") && !stderr.contains(SECRET), "{stderr}");
    }
    Ok(())
}

/// The flags of `run` belong to the top level too, so their variables are read with every command.
async fn only_the_variables_of_the_command_are_checked() -> anyhow::Result<()> {
    let mut env = nowhere()?;
    let values = [("LISTEN", "nowhere"), ("EDGE_LISTEN", "nowhere"), ("STORE", "embedded")];
    env.extend(values.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for (arguments, reported) in [(&["serve"][..], &["LISTEN"][..]), (&["run"], &["LISTEN", "EDGE_LISTEN"])] {
        let (code, _, stderr) = outcome(&run(arguments, &env).await?);
        assert_eq!((code, stderr.lines().count()), (Some(64), 1 + reported.len()), "{arguments:?}: {stderr}");
        for name in reported {
            assert!(stderr.contains(&format!("\n  {name}: ")), "{arguments:?}: {name} is not in {stderr}");
        }
    }
    Ok(())
}

async fn create_table_reports_a_bad_table_name() -> anyhow::Result<()> {
    let (code, _, stderr) = outcome(&run(&["create-table", "--dynamodb-table", "a b"], &nowhere()?).await?);
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("DYNAMODB_TABLE: "), "{stderr}");
    Ok(())
}

async fn an_unknown_flag_is_a_usage_error() -> anyhow::Result<()> {
    for arguments in [&["serve", "--no-such-flag"][..], &["no-such-command"], &["serve", "and-more"]] {
        let (code, stdout, stderr) = outcome(&run(arguments, &nowhere()?).await?);
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(arguments[arguments.len() - 1]), "{arguments:?}: {stderr}");
    }
    Ok(())
}

async fn help_and_version_succeed_and_show_no_key() -> anyhow::Result<()> {
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
        let (code, stdout, stderr) = outcome(&run(arguments, &env).await?);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(stdout.contains("gripchat") || stdout.contains("DYNAMODB_TABLE"), "{arguments:?}: {stdout}");
        assert!(!stdout.contains(SECRET), "{arguments:?}: {stdout}");
    }
    let version = outcome(&run(&["--version"], &env).await?).1;
    let expected = format!("gripchat {}\nfeatures: dynamodb, tls, failpoints\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version, expected);
    Ok(())
}

async fn a_missing_region_is_reported() -> anyhow::Result<()> {
    let env: Vec<_> = nowhere()?.into_iter().filter(|(name, _)| name != "AWS_REGION").collect();
    for subcommand in ["serve", "create-table"] {
        let (code, _, stderr) = outcome(&run(&[subcommand], &env).await?);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains("\n  AWS_REGION: ") && stderr.lines().count() == 2, "{stderr}");
    }
    Ok(())
}

async fn a_port_in_use_is_reported_in_one_line() -> anyhow::Result<()> {
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let address = taken.local_addr()?.to_string();
    let mut env = nowhere()?;
    env.push(("LISTEN".to_owned(), address.clone()));
    let (code, stdout, stderr) = outcome(&run(&["serve"], &env).await?);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("LISTEN"), "{stderr}");
    Ok(())
}

async fn create_table_reports_what_it_did_and_can_run_again() -> anyhow::Result<()> {
    let dynamodb = dynamodb::shared().await?;
    let table = table_name();
    let env = environment(&table, dynamodb, dynamodb, &no_aws());
    for expected in [format!("table {table} is ready\n"), format!("table {table} exists already, and is ready\n")] {
        let (code, stdout, stderr) = outcome(&run(&["create-table"], &env).await?);
        assert_eq!((code, stdout), (Some(0), expected), "{stderr}");
    }
    let ttl = client(dynamodb).describe_time_to_live().table_name(&table).send().await?;
    let ttl = ttl.time_to_live_description().and_then(|ttl| ttl.attribute_name());
    assert_eq!(ttl, Some("expires_at"));
    Ok(())
}

async fn sigterm_stops_an_idle_server_at_once(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room_at(&stack.backend.url(), "lobby");
    // The connection stays open, as those of a proxy do, and a stream is held.
    room.history("").await?;
    let stream = stack.room("lobby").stream(None).await?;
    let signalled = Instant::now();
    stack.backend.stop().await?;
    let took = signalled.elapsed();
    assert!(took < STOP_TIMEOUT, "{took:?}");
    assert!(stream.is_open(), "the stream ended with the backend");
    assert!(stack.backend.log().contains("stopped"), "{}", stack.backend.log());
    Ok(())
}

async fn sigterm_lets_a_post_finish(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room_at(&stack.backend.url(), "lobby");
    // The backend knows the newest message of the room from now on, so the next post is a single write.
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
