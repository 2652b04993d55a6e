//! Scenarios in a real browser: a script drives Chromium, and asks the test to change the system.
//!
//! The script is tests/browser/run.mjs, which documents the lines that the two exchange; a scenario is a file in
//! tests/browser/scenarios. They run in Node.js because Playwright does, and need `npm ci` in tests/browser once.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::unix::pipe,
    process::ChildStdin,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::process::Tree;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

/// The path on Debian, unless the variable CHROMIUM is set. Playwright's own download is not used.
const CHROMIUM: &str = "/usr/bin/chromium";

/// For a whole scenario, including the start of the browser, which takes about a second.
const SCENARIO_DEADLINE: Duration = Duration::from_secs(210);

/// The device that shows a page. tests/browser/devices.mjs uses the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Desktop,
    Phone,
}

impl Device {
    fn name(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Phone => "phone",
        }
    }
}

/// Checks whether everything is installed. The error is what is missing.
pub(crate) fn available() -> Result<(), String> {
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder.join("node").is_file()) {
        return Err("`node` is not on PATH (20 or later)".to_owned());
    }
    if !Path::new(SCRIPTS).join("node_modules/playwright-core/package.json").is_file() {
        return Err("no playwright-core (npm ci --prefix tests/browser)".to_owned());
    }
    let chromium = env::var("CHROMIUM").unwrap_or_else(|_| CHROMIUM.to_owned());
    if !Path::new(&chromium).is_file() {
        return Err(format!("no {chromium} (apt-get install chromium; CHROMIUM names another)"));
    }
    Ok(())
}

/// Runs a scenario on a desktop. `answer` handles its requests and returns the responses.
///
/// The output of the scenario becomes output of the test and, if it fails, part of the error. Screenshots of a failure
/// are in target/browser.
pub(crate) async fn run(
    scenario: &str,
    base_url: &str,
    answer: impl AsyncFnMut(&str) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    run_on(Device::Desktop, scenario, base_url, answer).await
}

/// Runs a scenario on a device.
pub(crate) async fn run_on(
    device: Device,
    scenario: &str,
    base_url: &str,
    answer: impl AsyncFnMut(&str) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    // For the profile and all other files that Chromium leaves.
    let scratch = tempfile::Builder::new().prefix("browser-").tempdir()?;
    let (output, input) = std::io::pipe()?;
    let mut command = Command::new("node");
    command.arg(format!("{SCRIPTS}/run.mjs")).args([device.name(), scenario, base_url]).current_dir(ROOT);
    for variable in ["TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
        command.env(variable, scratch.path());
    }
    command.stdin(Stdio::piped()).stdout(input.try_clone()?).stderr(input);
    let mut processes = Tree::spawn(&mut command).context("node does not start")?;
    // It holds the writing end of the pipe, which would never be closed.
    drop(command);
    let stdin = processes.root().stdin.take().context("its standard input is a pipe")?;

    let mut script = Script {
        scenario,
        lines: BufReader::new(pipe::Receiver::from_owned_fd(output.into())?),
        stdin: ChildStdin::from_std(stdin)?,
        printed: String::new(),
    };
    let finished = timeout(SCENARIO_DEADLINE, script.play(&mut processes, answer)).await;
    let printed = script.printed;
    processes.look();
    spawn_blocking(move || processes.end()).await?.context("the browser")?;
    match finished {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.context(format!("scenario {scenario}; it printed\n{printed}"))),
        Err(_) => bail!("scenario {scenario}: not done within {SCENARIO_DEADLINE:?}; it printed\n{printed}"),
    }
}

struct Script<'a> {
    scenario: &'a str,
    lines: BufReader<pipe::Receiver>,
    stdin: ChildStdin,
    printed: String,
}

impl Script<'_> {
    async fn play(
        &mut self,
        processes: &mut Tree,
        mut answer: impl AsyncFnMut(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let mut line = Vec::new();
        while self.lines.read_until(b'\n', &mut line).await? > 0 {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            match text.split_once(' ').unwrap_or((&text, "")) {
                ("@ask", question) => {
                    let reply = match answer(question).await {
                        Ok(reply) => format!("@ok {}\n", one_line(&reply)),
                        Err(error) => format!("@error {}\n", one_line(&format!("{error:#}"))),
                    };
                    self.stdin.write_all(reply.as_bytes()).await.context("the script does not read its response")?;
                }
                // While the processes have their parents: those of Chromium are in a process group of their own.
                ("@started" | "@closing", _) => processes.look(),
                _ => {
                    println!("{}: {text}", self.scenario);
                    self.printed.push_str(&text);
                    self.printed.push('\n');
                }
            }
        }
        // The script closes its output last.
        loop {
            if let Some(status) = processes.exited()? {
                ensure!(status.success(), "{status}");
                return Ok(());
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
