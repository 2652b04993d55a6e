//! Declares, runs and limits the tests, and skips those whose parts are not installed.
//!
//! The standard harness cannot report at run time that a test was skipped, and has no end of the run at which to stop
//! what the tests share. libtest-mimic can do both, and has the same command line.

use std::{
    env,
    panic::resume_unwind,
    process::ExitCode,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{runtime, time::timeout};

use super::{
    browser,
    clock::Clock,
    disk::Disk,
    dynamodb::{self, DynamoDbLocal},
    proxy,
    pushpin::Pushpin,
    schedule::{DEFAULT_PERMITS, Load, Scheduler},
    stack::Kind,
};

/// For one test, including the start of its Pushpin. It cannot end a test that blocks its thread.
const TEST_DEADLINE: Duration = Duration::from_secs(240);

/// How long the blocking tasks of a test that failed may continue before they are abandoned.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// How many tests are listed with their durations at the end of a run.
const SLOWEST: usize = 15;

/// A part that a test cannot do without, and that may not be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Pushpin,
    DynamoDb,
    /// Chromium, and Node.js to drive it.
    Browser,
    /// libfaketime, which changes the clock of a running program.
    Faketime,
    /// A disk that can be filled, which takes the permission to mount one.
    Tmpfs,
    /// bash and curl, which run the examples of the documentation.
    Curl,
}

impl Need {
    fn available(self) -> Result<(), String> {
        // Each is looked for once, not once for each test.
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

/// Declares tests named after their functions, with what they need: `trials![[Pushpin] => a_held_stream_gets_messages]`.
///
/// A [`Load`] other than `Light` is written before the needs: `trials![Heavy [] => a_file_does_not_grow]`.
macro_rules! trials {
    ($($($load:ident)? [$($need:ident),*] => $test:ident),* $(,)?) => {
        vec![$($crate::support::trials::trial(
            concat!(module_path!(), "::", stringify!($test)),
            $crate::support::trials::load!($($load)?),
            &[$($crate::support::trials::Need::$need),*],
            $test,
        )),*]
    };
}
pub(crate) use trials;

/// Declares tests of the whole chat, each on several stacks: `on_stacks![[ALL] => a_test, Heavy [ALL, Curl] => another]`.
///
/// The first name in the brackets is a list of stacks (see [`Kind`]), the others are what the test needs in addition.
macro_rules! on_stacks {
    ($($($load:ident)? [$kinds:ident $(, $need:ident)*] => $test:ident),* $(,)?) => {{
        let mut trials = Vec::new();
        $(trials.extend($crate::support::trials::on(
            $crate::support::stack::Kind::$kinds,
            module_path!(),
            stringify!($test),
            $crate::support::trials::load!($($load)?),
            &[$($crate::support::trials::Need::$need),*],
            $test,
        ));)*
        trials
    }};
}
pub(crate) use on_stacks;

macro_rules! load {
    () => {
        $crate::support::schedule::Load::Light
    };
    ($load:ident) => {
        $crate::support::schedule::Load::$load
    };
}
pub(crate) use load;

/// Makes one test for each of several stacks. The name of the stack comes before the name of the test.
pub(crate) fn on<Test>(
    kinds: &'static [Kind],
    module: &str,
    name: &str,
    load: Load,
    more: &[Need],
    test: Test,
) -> impl Iterator<Item = Trial>
where
    Test: AsyncFn(Kind) -> anyhow::Result<()> + Copy + Send + 'static,
{
    kinds.iter().map(move |&kind| {
        let needs = [kind.needs(), more].concat();
        trial(&format!("{module}::{}::{name}", kind.name()), load, &needs, async move || test(kind).await)
    })
}

/// Makes one test. If one of its `needs` is not available, the test is ignored and listed with the reason at the end of
/// the run; on a CI machine it fails.
pub(crate) fn trial<Test>(name: &str, load: Load, needs: &[Need], test: Test) -> Trial
where
    Test: AsyncFnOnce() -> anyhow::Result<()> + Send + 'static,
{
    // The binary contains no other crate's tests, and nothing else is in the modules called `tests`.
    let name = name.split_once("::").map_or(name, |(_, path)| path).replace("::tests::", "::");
    match needs.iter().try_for_each(|need| need.available()) {
        Ok(()) => Trial::test(name.clone(), move || run(&name, load, test)),
        Err(reason) if env::var("CI").is_ok_and(|ci| ci == "true") => {
            Trial::test(name, move || Err(Failed::from(format!("{reason}; in CI no test may be skipped"))))
        }
        Err(reason) => {
            lock(&SKIPPED).push((name.clone(), reason.clone()));
            // Run only by `--ignored`, and then it fails with the reason.
            Trial::test(name, move || Err(Failed::from(reason))).with_ignored_flag(true)
        }
    }
}

static SKIPPED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
static DURATIONS: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());
/// The tests of this run that have not ended.
static LEFT: AtomicUsize = AtomicUsize::new(0);
static SCHEDULER: OnceLock<Scheduler> = OnceLock::new();

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the tests that the command line selects, stops what they shared, and prints what was skipped and why.
pub(crate) fn main(trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    raise_descriptor_limit();
    let permits = arguments.test_threads.unwrap_or(DEFAULT_PERMITS).max(1);
    let selected = trials.iter().filter(|trial| is_selected(&arguments, trial.name()));
    let selected = selected.filter(|trial| arguments.ignored || !trial.has_ignored_flag()).count();
    LEFT.store(selected, Relaxed);
    SCHEDULER.get_or_init(|| Scheduler::new(permits));
    if permits > 1 {
        // A thread for each test, most of which wait for permits: which test runs next is up to the scheduler.
        arguments.test_threads = Some(selected.max(2));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    proxy::stop_shared();
    let stopped = dynamodb::stop_shared();
    if !arguments.list {
        for (name, reason) in &*lock(&SKIPPED) {
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

/// Raises the number of open files as far as this process may: hundreds of streams are open at once, in several tests.
/// The processes that the tests start get the same limit.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        eprintln!("the number of open files stays at its limit: {error}");
    }
}

/// libtest-mimic selects tests in the same way, but only prints how many were ignored.
fn is_selected(arguments: &Arguments, name: &str) -> bool {
    let matches = |filter: &String| if arguments.exact { name == filter } else { name.contains(filter.as_str()) };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}

fn run(name: &str, load: Load, test: impl AsyncFnOnce() -> anyhow::Result<()>) -> Result<(), Failed> {
    let permits = SCHEDULER.get_or_init(|| Scheduler::new(DEFAULT_PERMITS)).acquire(load);
    let started = Instant::now();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_to_end(test)));
    lock(&DURATIONS).push((started.elapsed(), name.to_owned()));
    if LEFT.fetch_sub(1, Relaxed) == 1 {
        print_slowest();
    }
    drop(permits);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

fn run_to_end(test: impl AsyncFnOnce() -> anyhow::Result<()>) -> Result<(), Failed> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // libtest-mimic handles a panic, after everything that the test holds was dropped while its runtime still runs.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { timeout(TEST_DEADLINE, test()).await })
    }));
    runtime.shutdown_timeout(SHUTDOWN_DEADLINE);
    match outcome {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(Failed::from(format!("{error:?}"))),
        Ok(Err(_)) => Err(Failed::from(format!("not done within {TEST_DEADLINE:?}"))),
        Err(panic) => resume_unwind(panic),
    }
}

/// Prints the tests that took longest. The last test calls it, so that libtest-mimic's result is the last line.
fn print_slowest() {
    let mut durations = lock(&DURATIONS);
    durations.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    println!("the slowest of {} tests, in seconds:", durations.len());
    for (duration, name) in durations.iter().take(SLOWEST) {
        println!("{:7.1}  {name}", duration.as_secs_f64());
    }
}
