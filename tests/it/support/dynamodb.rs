//! DynamoDB Local, in memory. A start takes about a second, so all tests share one process, and each uses tables with
//! names of its own.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::{ports::free_port, process::Tree};

/// The variable with the folder of jars; [`DEFAULT_JARS`] if it is not set.
const JARS_VARIABLE: &str = "DYNAMODB_LOCAL_LIB";

const DEFAULT_JARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.tools/dynamodb-local/lib");

const MAIN_CLASS: &str = "software.amazon.dynamodb.services.local.main.ServerRunner";

/// One second is usual, three with cold disk caches. The limit is for a machine that is busy on all cores.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Another program may bind a port after it was chosen.
const START_ATTEMPTS: u32 = 3;

/// A running DynamoDB Local. It accepts any credentials and any region. Ends when dropped.
#[derive(Debug)]
pub(crate) struct DynamoDbLocal {
    // Before the folder: the process must have ended when it is removed.
    process: Tree,
    folder: TempDir,
    addr: SocketAddr,
}

impl DynamoDbLocal {
    /// Checks whether Java and the jars are installed. The error is what is missing.
    pub(crate) fn available() -> Result<(), String> {
        let path = env::var_os("PATH").unwrap_or_default();
        if !env::split_paths(&path).any(|folder| folder.join("java").is_file()) {
            return Err("`java` is not on PATH (17 or later)".to_owned());
        }
        let jars = jars();
        let found = fs::read_dir(&jars).into_iter().flatten().flatten();
        if !found.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("DynamoDBLocal")) {
            return Err(format!("no DynamoDBLocal*.jar in {} ({JARS_VARIABLE} names another folder)", jars.display()));
        }
        Ok(())
    }

    /// Starts one, and returns when it responds. Blocks.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once() {
                Err(error) if attempt < START_ATTEMPTS => eprintln!("DynamoDB Local, attempt {attempt}: {error:#}"),
                result => {
                    return result.with_context(|| format!("DynamoDB Local, attempt {attempt} of {START_ATTEMPTS}"));
                }
            }
            attempt += 1;
        }
    }

    fn start_once() -> anyhow::Result<Self> {
        let (jars, port) = (jars(), free_port()?);
        let folder = tempfile::Builder::new().prefix("dynamodb-").tempdir()?;
        let log = fs::File::create(folder.path().join("log"))?;

        let mut command = Command::new("java");
        // The faster compiler and the simpler collector halve the start time. No statistics file is left in /tmp.
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]);
        command.arg(format!("-Djava.library.path={}", jars.display()));
        command.arg("-cp").arg(jars.join("*")).arg(MAIN_CLASS);
        command.args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port", &port.to_string()]);
        command.current_dir(&folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);

        let process = Tree::spawn(&mut command).context("java does not start")?;
        let mut store = Self { process, folder, addr: (Ipv4Addr::LOCALHOST, port).into() };
        store.ready().map_err(|error| error.context(format!("it printed\n{}", store.log())))?;
        Ok(store)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops it, and returns when it has ended. Blocks for a third of a second.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.process.end().context("DynamoDB Local")
    }

    fn ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while !self.answers().unwrap_or(false) {
            if let Some(status) = self.process.exited()? {
                bail!("java ended: {status}");
            }
            if started.elapsed() > READY_WITHIN {
                bail!("not ready within {READY_WITHIN:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Checks whether it refuses a request without credentials, with an error that no other program would send.
    fn answers(&self) -> anyhow::Result<bool> {
        let mut connection = TcpStream::connect(self.addr)?;
        connection.set_read_timeout(Some(READY_WITHIN))?;
        connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer.contains("com.amazonaws.dynamodb"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// The process that all tests share. A start that failed is not tried again for each test.
static SHARED: Mutex<Option<Result<DynamoDbLocal, String>>> = Mutex::new(None);

/// Returns the address of the shared process. The first call starts it.
pub(crate) async fn shared() -> anyhow::Result<SocketAddr> {
    spawn_blocking(|| {
        // Locked during the start, which the other tests wait for in any case.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let started = shared.get_or_insert_with(|| DynamoDbLocal::start().map_err(|error| format!("{error:#}")));
        started.as_ref().map(DynamoDbLocal::addr).map_err(|error| anyhow::anyhow!(error.clone()))
    })
    .await?
}

/// Stops the shared process if it was started. `main` calls this after all tests, because statics are not dropped.
pub(crate) fn stop_shared() -> anyhow::Result<()> {
    match SHARED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(Ok(store)) => store.stop(),
        Some(Err(_)) | None => Ok(()),
    }
}

fn jars() -> PathBuf {
    env::var_os(JARS_VARIABLE).map_or_else(|| DEFAULT_JARS.into(), PathBuf::from)
}
