//! `gripchat run`: the whole chat in one process.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Instant,
};

use anyhow::Context as _;
use libtest_mimic::Trial;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{SECRET, STOP_TIMEOUT, outcome, run};
use crate::{
    streams::{ids, up_to},
    support::{
        eventually::eventually,
        gripchat::{Program, address_in, command},
        stack::{Room, SOON, answer, http},
        trials::trials,
    },
};

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => it_prints_in_three_lines_what_it_started,
        [] => run_is_the_default_command,
        [] => the_history_survives_a_restart,
        [] => a_stream_directly_from_the_backend_is_refused_with_any_signature,
        [] => a_control_port_with_a_key_accepts_items_from_its_own_backend,
        [] => sigterm_stops_it_while_streams_are_open,
        [] => sigterm_lets_a_post_finish,
        [] => a_second_signal_stops_it_at_once,
        [] => the_backend_answers_until_the_edge_has_closed_its_port,
        [] => a_port_in_use_is_reported_and_no_folder_is_created,
        [] => an_unusable_folder_is_reported_in_one_line,
        [] => a_second_process_on_the_same_folder_is_refused,
        [] => every_bad_value_is_reported_at_once,
        [] => no_message_and_no_key_is_ever_logged,
    ]
}

/// A `gripchat run` on free ports.
struct Local {
    program: Program,
    lines: [String; 3],
}

impl Local {
    async fn start(data: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut program = Program::new()?;
        let lines = program.start(command(&["run"], &environment(data, variables))).await?;
        Ok(Self { program, lines })
    }

    fn url(&self, before: &str) -> anyhow::Result<String> {
        Ok(format!("http://{}", address_in(&self.lines[0], &format!("{before} on http://"))?))
    }

    fn room(&self) -> anyhow::Result<Room> {
        Ok(Room::new(&self.url("edge")?, "lobby", http()?))
    }

    fn room_at_the_backend(&self) -> anyhow::Result<Room> {
        Ok(Room::new(&self.url("backend")?, "lobby", http()?))
    }
}

/// Free ports, and the folder of the test.
pub(super) fn environment(data: &Path, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let data = data.to_string_lossy();
    let free = "127.0.0.1:0";
    let needed = [
        ("DATA_DIR", &*data),
        ("LISTEN", free),
        ("EDGE_LISTEN", free),
        ("CONTROL_LISTEN", free),
        // Few enough for any limit of open files, so that standard error holds errors only.
        ("MAX_CONNECTIONS", "100"),
        // All clients of a test have one address.
        ("POST_RATE", "0"),
    ];
    needed.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::tempdir()?)
}

async fn it_prints_in_three_lines_what_it_started() -> anyhow::Result<()> {
    let folder = folder()?;
    // Neither the folder nor its parent exists yet.
    let data = folder.path().join("above").join("data");
    let mut local = Local::start(&data, &[]).await?;
    let [started, open, mode] = &local.lines;
    for part in ["backend", "edge", "control port"] {
        let address: SocketAddr = local.url(part)?.trim_start_matches("http://").parse()?;
        assert!(address.ip().is_loopback() && address.port() > 0, "{part}: {started}");
    }
    assert!(started.contains(&*data.to_string_lossy()), "{started}");
    let port = local.url("edge")?.rsplit(':').next().context("a port")?.to_owned();
    assert_eq!(*open, format!("open http://localhost:{port}/"));
    assert!(mode.contains("one-machine mode") && mode.contains("DynamoDB") && mode.contains("Pushpin"), "{mode}");
    assert!(data.is_dir());
    local.program.stop().await
}

async fn run_is_the_default_command() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut program = Program::new()?;
    let data = folder.path().join("named-by-a-flag");
    let arguments = ["--data", &*data.to_string_lossy()];
    let lines: [String; 3] = program.start(command(&arguments, &environment(folder.path(), &[]))).await?;
    assert!(lines[0].contains("named-by-a-flag") && data.is_dir(), "{lines:?}");
    program.stop().await
}

async fn the_history_survives_a_restart() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut local = Local::start(folder.path(), &[]).await?;
    let room = local.room()?;
    let mut stream = room.stream(None).await?;
    let first = room.post("hello").await?;
    let id = first["id"].as_str().context("an id")?;
    let events = up_to(&mut stream, id).await?;
    let provisional = events.iter().find(|event| event.event == "message" && event.id.is_none());
    assert_eq!(provisional.context("the message is delivered before it is stored")?.json()?["text"], "hello");
    local.program.stop().await?;

    let local = Local::start(folder.path(), &[]).await?;
    let room = local.room()?;
    assert_eq!(room.history("").await?["messages"], serde_json::json!([first]));
    let mut stream = room.stream(Some(id)).await?;
    let second = room.post("again").await?;
    let second = second["id"].as_str().context("an id")?;
    assert_eq!(ids(&up_to(&mut stream, second).await?), [second]);
    assert_eq!(second.replace("-2", "-1"), id, "numbering continues");
    Ok(())
}

async fn a_stream_directly_from_the_backend_is_refused_with_any_signature() -> anyhow::Result<()> {
    let folder = folder()?;
    let local = Local::start(folder.path(), &[]).await?;
    let room = local.room_at_the_backend()?;
    let now = std::time::SystemTime::now();
    let by_default = gripchat::grip::Signer::parse("pushpin", "changeme")?.token(now, SOON)?;
    for signature in ["forged", &by_default] {
        let request = http()?.get(&room.url).header("Accept", "text/event-stream").header("Grip-Sig", signature);
        let refused = answer(request).await?;
        assert_eq!((refused.status, refused.body["error"].as_str()), (501, Some("not_proxied")), "{signature}");
    }
    room.post("posting needs no proxy").await?;
    Ok(())
}

async fn a_control_port_with_a_key_accepts_items_from_its_own_backend() -> anyhow::Result<()> {
    let folder = folder()?;
    let variables = [("CONTROL_KEY", "a secret, of two words"), ("SIG_KEY", "an other"), ("SIG_ISS", "it is me")];
    let local = Local::start(folder.path(), &variables).await?;
    let room = local.room()?;
    let mut stream = room.stream(None).await?;
    let posted = room.post("hello").await?;
    up_to(&mut stream, posted["id"].as_str().context("an id")?).await?;

    let item = serde_json::json!({"items": [{
        "channel": "messages-lobby", "formats": {"http-stream": {"content": "event: message\ndata: {}\n\n"}},
    }]});
    let publish = format!("{}/publish/", local.url("control port")?);
    let refused = http()?.post(publish).json(&item).send().await?;
    assert!(refused.status().is_client_error(), "{refused:?}");
    Ok(())
}

async fn sigterm_stops_it_while_streams_are_open() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut local = Local::start(folder.path(), &[]).await?;
    let mut stream = local.room()?.stream(None).await?;
    stream.next(SOON).await.context("the stream opens")?;
    let signalled = Instant::now();
    local.program.stop().await?;
    let took = signalled.elapsed();
    assert!(took < STOP_TIMEOUT, "{took:?}");
    assert!(stream.closed(SOON).await, "the stream outlives the process");
    assert!(local.program.log().contains("stopped"), "{}", local.program.log());
    Ok(())
}

/// A post of which the program has received the first half.
struct HalfAPost(TcpStream);

impl HalfAPost {
    const REST: &str = r#""text": "under way"}"#;

    async fn send(local: &Local) -> anyhow::Result<Self> {
        let start = r#"{"from": "Ada", "#;
        let mut connection = TcpStream::connect(local.url("edge")?.trim_start_matches("http://")).await?;
        let head = format!(
            "POST /rooms/lobby/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{start}",
            start.len() + Self::REST.len()
        );
        connection.write_all(head.as_bytes()).await?;
        // The first half has been read by the time this later post is answered.
        local.room()?.post("before").await?;
        Ok(Self(connection))
    }

    async fn finish(mut self) -> anyhow::Result<String> {
        self.0.write_all(Self::REST.as_bytes()).await?;
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

const STOPPING: &str = "stopping: ending all streams";

async fn sigterm_lets_a_post_finish() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut local = Local::start(folder.path(), &[]).await?;
    let post = HalfAPost::send(&local).await?;
    local.program.terminate()?;
    eventually(SOON, STOPPING, || local.program.log().contains(STOPPING)).await;
    let answer = timeout(SOON, post.finish()).await.context("no answer")??;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}; {}", local.program.log());
    assert!(local.program.ended().await?.success(), "{}", local.program.log());
    let local = Local::start(folder.path(), &[]).await?;
    let history = local.room()?.history("").await?;
    let texts: Vec<_> = history["messages"].as_array().into_iter().flatten().map(|message| &message["text"]).collect();
    assert_eq!(texts, ["before", "under way"]);
    Ok(())
}

/// While streams end one by one, posts are accepted and stored, until the edge closes its port.
async fn the_backend_answers_until_the_edge_has_closed_its_port() -> anyhow::Result<()> {
    const STREAMS: usize = 60;

    let folder = folder()?;
    let mut local = Local::start(folder.path(), &[]).await?;
    let room = local.room()?;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(room.stream(None).await?);
    }
    local.program.terminate()?;
    eventually(SOON, STOPPING, || local.program.log().contains(STOPPING)).await;
    let mut posted = Vec::new();
    // Each on its own connection, because every response says `Connection: close`.
    while let Ok(answer) = room.post_with("meanwhile", &[]).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        posted.push(answer.body["id"].as_str().context("an id")?.to_owned());
    }
    assert!(!posted.is_empty(), "no post was accepted while streams ended");
    assert!(local.program.ended().await?.success(), "{}", local.program.log());
    let mut got = 0;
    for mut stream in streams {
        assert!(stream.closed(SOON).await);
        assert!(stream.retry().is_some(), "the stream ended without a retry delay");
        got += usize::from(stream.drain().iter().any(|event| event.id.as_ref() == Some(&posted[0])));
    }
    assert!(got > 0, "no stream received the posts");
    assert!(!local.program.log().contains("answered 502"), "{}", local.program.log());
    let local = Local::start(folder.path(), &[]).await?;
    let history = local.room()?.history("").await?;
    let stored = history["messages"].as_array().context("messages")?.len();
    assert_eq!(stored, posted.len().min(50), "every accepted post is stored");
    Ok(())
}

async fn a_second_signal_stops_it_at_once() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut local = Local::start(folder.path(), &[]).await?;
    let _post = HalfAPost::send(&local).await?;
    local.program.terminate()?;
    eventually(SOON, STOPPING, || local.program.log().contains(STOPPING)).await;
    local.program.terminate()?;
    assert_eq!(local.program.ended().await?.code(), Some(130));
    Ok(())
}

/// For each of the three ports. The folder of the store is not created.
async fn a_port_in_use_is_reported_and_no_folder_is_created() -> anyhow::Result<()> {
    let folder = folder()?;
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let address = taken.local_addr()?.to_string();
    for (variable, flag) in
        [("LISTEN", "--listen"), ("EDGE_LISTEN", "--edge-listen"), ("CONTROL_LISTEN", "--control-listen")]
    {
        let data = folder.path().join(variable);
        let env = environment(&data, &[(variable, &address)]);
        let (code, stdout, stderr) = outcome(&run(&["run"], &env).await?);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1), "{stderr}");
        for named in [&address, variable, flag] {
            assert!(stderr.contains(named), "{named} is not in {stderr}");
        }
        assert!(!data.exists(), "{variable}: the folder was created");
    }
    Ok(())
}

async fn an_unusable_folder_is_reported_in_one_line() -> anyhow::Result<()> {
    let folder = folder()?;
    let file = folder.path().join("file");
    std::fs::write(&file, "a file")?;
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign)?;
    std::fs::write(foreign.join("messages.redb"), "not a store's file, and longer than nothing")?;
    for data in [&file, &file.join("below"), &foreign] {
        for (arguments, store) in [(&["run"], "dynamodb"), (&["serve"], "embedded")] {
            let env = environment(data, &[("STORE", store)]);
            let (code, stdout, stderr) = outcome(&run(arguments, &env).await?);
            assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1), "{stderr}");
            assert!(stderr.contains(&*data.to_string_lossy()) && stderr.contains("--data"), "{stderr}");
        }
    }
    assert_eq!(std::fs::read_to_string(file)?, "a file");
    Ok(())
}

async fn a_second_process_on_the_same_folder_is_refused() -> anyhow::Result<()> {
    let folder = folder()?;
    let local = Local::start(folder.path(), &[]).await?;
    local.room_at_the_backend()?.post("before").await?;
    let (code, stdout, stderr) = outcome(&run(&["run"], &environment(folder.path(), &[])).await?);
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.contains("in use") && stderr.contains("--data"), "{stderr}");
    // The first process is not affected.
    local.room_at_the_backend()?.post("after").await?;
    Ok(())
}

async fn every_bad_value_is_reported_at_once() -> anyhow::Result<()> {
    let folder = folder()?;
    let bad = [
        ("LISTEN", "3000"),
        ("EDGE_LISTEN", "localhost:7999"),
        ("CONTROL_LISTEN", "*:5561"),
        ("DATA_DIR", ""),
        ("MESSAGE_RETENTION", "5m"),
        ("SIG_KEY", "base64:%"),
        ("CONTROL_KEY", ""),
        ("MAX_CONNECTIONS", "many"),
        ("MAX_BODY", "10MB"),
        ("BACKEND_TIMEOUT", "0s"),
        ("LOG_FORMAT", "xml"),
    ];
    let (code, stdout, stderr) = outcome(&run(&["run"], &environment(folder.path(), &bad)).await?);
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
    for (variable, _) in bad {
        assert!(stderr.contains(&format!("\n  {variable}: ")), "{variable} is not named in {stderr}");
    }
    assert_eq!(stderr.lines().count(), 1 + bad.len(), "{stderr}");
    Ok(())
}

/// At the lowest level, by backend, edge and store.
async fn no_message_and_no_key_is_ever_logged() -> anyhow::Result<()> {
    const TEXT: &str = "t3xt-0f-a-m3ssag3";

    let folder = folder()?;
    let variables = [("RUST_LOG", "trace"), ("SIG_KEY", SECRET), ("CONTROL_KEY", SECRET)];
    let mut local = Local::start(folder.path(), &variables).await?;
    let room = local.room()?;
    let mut stream = room.stream(None).await?;
    let posted = room.post(TEXT).await?;
    up_to(&mut stream, posted["id"].as_str().context("an id")?).await?;
    assert_eq!(room.post_with(&format!("{TEXT}\0"), &[]).await?.status, 400);
    let forged = http()?.post(format!("{}/publish/", local.url("control port")?));
    forged.bearer_auth(format!("{SECRET}.a.b")).body(format!("{{{TEXT}")).send().await?;
    local.program.stop().await?;
    let log = local.program.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
    for marker in [TEXT, SECRET] {
        assert_eq!(log.lines().find(|line| line.contains(marker)), None, "{marker} was logged");
    }
    Ok(())
}
