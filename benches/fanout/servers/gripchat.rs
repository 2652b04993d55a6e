//! gripchat: the edge alone, and the complete program.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::Stdio,
    thread,
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use super::{AT_ONCE, Running, Server};
use crate::{
    publisher::{Dialect, Target},
    subscribers::Endpoint,
    support::{
        gripchat::{address_in, command},
        process::Tree,
    },
};

const ANY_PORT: &str = "127.0.0.1:0";

/// `gripchat edge` in front of a backend.
pub(super) fn edge(backend: SocketAddr) -> anyhow::Result<Server> {
    let backend = format!("http://{backend}");
    let folder = folder()?;
    let env = [
        ("BACKEND", backend.as_str()),
        ("LISTEN", ANY_PORT),
        ("CONTROL_LISTEN", ANY_PORT),
        // All subscribers have the same client address.
        ("MAX_STREAMS_PER_ADDRESS", "0"),
    ];
    let (tree, [clients, control]) = start("edge", &env, folder.path(), ["edge listening on", "control port on"])?;
    let target = Target { addr: control, path: "/publish/".to_owned(), dialect: Dialect::Grip };
    Ok(server(tree, folder, clients, "/", target))
}

/// `gripchat run` with an empty store.
pub(super) fn run() -> anyhow::Result<Server> {
    let folder = folder()?;
    let data = folder.path().join("data");
    let data = data.to_str().context("the path of the folder is not UTF-8")?;
    let env = [
        ("LISTEN", ANY_PORT),
        ("EDGE_LISTEN", ANY_PORT),
        ("CONTROL_LISTEN", ANY_PORT),
        ("DATA_DIR", data),
        // All subscribers and publishers have the same client address.
        ("MAX_STREAMS_PER_ADDRESS", "0"),
        ("POST_RATE", "0"),
    ];
    let (tree, [clients]) = start("run", &env, folder.path(), ["edge on"])?;
    let path = format!("/rooms/{}/messages/", crate::CHANNEL);
    let target = Target { addr: clients, path: path.clone(), dialect: Dialect::Chat };
    Ok(server(tree, folder, clients, &path, target))
}

/// Creates a folder on the disk of the build. If temporary files were in memory, a sync would cost nothing.
fn folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("fanout-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

fn server(tree: Tree, folder: TempDir, clients: SocketAddr, path: &str, target: Target) -> Server {
    let endpoint = Endpoint { addr: clients, path: path.to_owned(), at_once: AT_ONCE };
    Server { endpoint, target, _running: Running::Tree(tree, folder) }
}

/// Starts the program, and reads the address after each of these prefixes from its standard output.
fn start<const N: usize>(
    subcommand: &str,
    env: &[(&str, &str)],
    folder: &Path,
    prefixes: [&str; N],
) -> anyhow::Result<(Tree, [SocketAddr; N])> {
    let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let log = folder.join("log");
    let mut command = command(&[subcommand], &env);
    command.env("RUST_LOG", "warn").stdout(Stdio::piped()).stderr(File::create(&log)?);
    let mut tree = Tree::spawn(&mut command).context("the program does not start")?;
    let stdout = tree.root().stdout.take().context("its standard output is a pipe")?;

    let mut lines = BufReader::new(stdout).lines();
    let mut found = [None; N];
    while found.contains(&None) {
        let Some(line) = lines.next().transpose()? else {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("`gripchat {subcommand}` does not listen; its log:\n{log}");
        };
        for (found, prefix) in found.iter_mut().zip(prefixes) {
            if let Ok(addr) = address_in(&line, &format!("{prefix} http://")) {
                *found = Some(addr.parse()?);
            }
        }
    }
    // Read the rest of its output, because a full pipe would block it. The thread ends with the program.
    thread::spawn(move || lines.for_each(drop));
    Ok((tree, found.map(|addr| addr.expect("the loop ends when all are found"))))
}
