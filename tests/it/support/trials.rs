//! Tests that need real parts: how they are named, run, limited and, where a part is not installed, skipped.
//!
//! The standard harness cannot say at run time that a test was skipped, and has no end of the run at which to stop what
//! the tests share. libtest-mimic has both, and the same command line.

use std::{
    env, panic::resume_unwind, process::ExitCode, sync::Mutex, sync::OnceLock, sync::PoisonError, time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{runtime, time::timeout};

use super::{
    browser, clock::Clock, disk::Disk, dynamodb, dynamodb::DynamoDbLocal, proxy, pushpin::Pushpin, stack::Kind,
};

/// For one trial, the start of its Pushpin included. It cannot end a test that blocks its thread.
const LIMIT: Duration = Duration::from_secs(120);

/// What the blocking tasks of a trial that failed get before they are left alone.
const WIND_UP: Duration = Duration::from_secs(5);

/// A part that a trial cannot do without, and that may not be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Pushpin,
    DynamoDb,
    Browser,
    /// A clock that can be changed under a program.
    Faketime,
    /// A disk that can be filled, which takes the right to mount one.
    Tmpfs,
    /// What the README's examples are run with.
    Curl,
}

impl Need {
    fn available(self) -> Result<(), String> {
        // Each is asked for once, and not once for each trial.
        static PUSHPIN: OnceLock<Result<(), String>> = OnceLock::new();
        static DYNAMODB: OnceLock<Result<(), String>> = OnceLock::new();
        static TMPFS: OnceLock<Result<(), String>> = OnceLock::new();
        static BROWSER: OnceLock<Result<(), String>> = OnceLock::new();

        match self {
            Self::Pushpin => PUSHPIN.get_or_init(Pushpin::available).clone(),
            Self::DynamoDb => DYNAMODB.get_or_init(DynamoDbLocal::available).clone(),
            Self::Browser => BROWSER.get_or_init(browser::available).clone(),
            Self::Faketime => Clock::available(),
            Self::Tmpfs => TMPFS.get_or_init(Disk::available).clone(),
            Self::Curl => on_path(&["bash", "curl"]),
        }
    }
}

fn on_path(programs: &[&str]) -> Result<(), String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing = programs.iter().find(|program| !env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    missing.map_or(Ok(()), |program| Err(format!("`{program}` is not on PATH")))
}

/// Trials named after their functions: `trials![[Pushpin] => a_held_stream_gets_messages, [] => ids_are_parsed]`.
macro_rules! trials {
    ($([$($need:ident),*] => $test:ident),* $(,)?) => {
        vec![$($crate::support::trials::trial(
            concat!(module_path!(), "::", stringify!($test)),
            &[$($crate::support::trials::Need::$need),*],
            $test,
        )),*]
    };
}
pub(crate) use trials;

/// Trials of the whole chat, each on several stacks: `on_stacks![[ALL] => a_message_is_seen, [DYNAMODB, Browser] => …]`.
macro_rules! on_stacks {
    ($([$kinds:ident $(, $need:ident)*] => $test:ident),* $(,)?) => {{
        let mut trials = Vec::new();
        $(trials.extend($crate::support::trials::on(
            $crate::support::stack::Kind::$kinds,
            module_path!(),
            stringify!($test),
            &[$($crate::support::trials::Need::$need),*],
            $test,
        ));)*
        trials
    }};
}
pub(crate) use on_stacks;

/// One test on several stacks, with what these need and more. The name of the stack stands before its own.
pub(crate) fn on<Test>(
    kinds: &'static [Kind],
    module: &str,
    name: &str,
    more: &[Need],
    test: Test,
) -> impl Iterator<Item = Trial>
where
    Test: AsyncFn(Kind) -> anyhow::Result<()> + Copy + Send + 'static,
{
    kinds.iter().map(move |&kind| {
        let needs = [kind.needs(), more].concat();
        trial(&format!("{module}::{}::{name}", kind.name()), &needs, async move || test(kind).await)
    })
}

/// One test. Without one of its `needs` it is ignored, and said so at the end of the run; on a CI machine it fails.
pub(crate) fn trial<Test>(name: &str, needs: &[Need], test: Test) -> Trial
where
    Test: AsyncFnOnce() -> anyhow::Result<()> + Send + 'static,
{
    // The binary has no other crate's tests in it, and the support modules are nobody's subject.
    let name = name.split_once("::").map_or(name, |(_, path)| path).replace("::tests::", "::");
    match needs.iter().try_for_each(|need| need.available()) {
        Ok(()) => Trial::test(name, move || run(test)),
        Err(reason) if env::var("CI").is_ok_and(|ci| ci == "true") => {
            Trial::test(name, move || Err(Failed::from(format!("{reason}; on CI nothing is skipped"))))
        }
        Err(reason) => {
            SKIPPED.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), reason.clone()));
            // Run only by `--ignored`, and then it says why it cannot.
            Trial::test(name, move || Err(Failed::from(reason))).with_ignored_flag(true)
        }
    }
}

static SKIPPED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Runs what the command line asks for, ends what the trials shared, and says what was skipped and why.
pub(crate) fn main(trials: Vec<Trial>) -> ExitCode {
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, trials);
    proxy::stop_shared();
    let stopped = dynamodb::stop_shared();
    if !arguments.list {
        for (name, reason) in &*SKIPPED.lock().unwrap_or_else(PoisonError::into_inner) {
            if is_selected(&arguments, name) {
                println!("skipped: {name}: {reason}");
            }
        }
    }
    match stopped {
        Ok(()) => conclusion.exit_code(),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// libtest-mimic does this too, but tells only how many were ignored.
fn is_selected(arguments: &Arguments, name: &str) -> bool {
    let matches = |filter: &String| if arguments.exact { name == filter } else { name.contains(filter.as_str()) };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}

fn run(test: impl AsyncFnOnce() -> anyhow::Result<()>) -> Result<(), Failed> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // A panic goes on to libtest-mimic, after everything the test holds was dropped while the runtime is still there.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { timeout(LIMIT, test()).await })
    }));
    runtime.shutdown_timeout(WIND_UP);
    match outcome {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(Failed::from(format!("{error:?}"))),
        Ok(Err(_)) => Err(Failed::from(format!("not done within {LIMIT:?}"))),
        Err(panic) => resume_unwind(panic),
    }
}
