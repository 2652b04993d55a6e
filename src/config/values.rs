//! How the text of a value is parsed, and how problems with values are collected.

use std::{
    cell::RefCell,
    ffi::{OsStr, OsString},
    fmt::Display,
    net::SocketAddr,
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use clap::{
    Arg, Command, FromArgMatches,
    builder::{StyledStr, TypedValueParser},
    error::ErrorKind,
};

use super::{problems::Problems, unchecked::Unchecked};

/// More than the descriptors of any one process.
pub(super) const MAX_CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

/// Longer than any load balancer or orchestrator waits between two checks of readiness.
pub(super) const SHUTDOWN_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);

thread_local! {
    /// What [`Checked`] found wrong since [`parse`] started: the name of the command, the variable, the remedy.
    static FOUND: RefCell<Vec<(String, String, String)>> = const { RefCell::new(Vec::new()) };
}

/// Parses arguments, and the variables for flags that are not among them.
///
/// A value that cannot be used does not stop this: it is one of the problems of the result.
///
/// # Errors
/// For arguments that cannot be understood, and for `--help` and `--version`.
pub fn parse<T: FromArgMatches>(
    mut command: Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Unchecked<T>, clap::Error> {
    FOUND.take();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let flags = T::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let name = matches.subcommand_name().unwrap_or(command.get_name());
    let mut problems = Problems::default();
    // clap reads the variables of the top level's flags too if there is a subcommand, which does not use them.
    for (_, variable, remedy) in FOUND.take().into_iter().filter(|(command, ..)| *command == name) {
        problems.add(variable, remedy);
    }
    Ok(Unchecked::new(flags, problems))
}

/// Parses the flags of one group or command. Variables have no effect.
#[cfg(any(test, fuzzing))]
pub fn parse_flags<T: clap::Args>(flags: impl IntoIterator<Item = String>) -> Result<Unchecked<T>, clap::Error> {
    let command = T::augment_args(Command::new("flags").no_binary_name(true).args_override_self(true));
    // A flag has precedence over its variable, which has to remain: problems are reported by its name.
    let default = |flag: &Arg| Some(format!("--{}={}", flag.get_long()?, flag.get_default_values().first()?.to_str()?));
    let defaults: Vec<_> = command.get_arguments().filter_map(default).collect();
    let command = command.mut_args(|flag| if flag.get_default_values().is_empty() { flag.env(None) } else { flag });
    parse(command, defaults.into_iter().chain(flags).map(OsString::from))
}

/// A value parser for a flag with a default. See [`parse`] for what happens to a value that cannot be used.
pub(super) fn checked<T, E>(parse: fn(&str) -> Result<T, E>) -> Checked<impl Fn(&str) -> Result<T, String> + Clone>
where
    E: Display,
{
    Checked(move |text: &str| parse(text).map_err(|error| error.to_string()))
}

/// A value parser for a number in this range.
pub(super) fn number<N>(range: RangeInclusive<N>) -> Checked<impl Fn(&str) -> Result<N, String> + Clone>
where
    N: FromStr + PartialOrd + Display + Clone,
{
    Checked(move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
    })
}

/// A value parser for a duration in this range.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Checked<impl Fn(&str) -> Result<Duration, String> + Clone> {
    Checked(move |text: &str| {
        let duration = humantime::parse_duration(text).ok().filter(|duration| range.contains(duration));
        let [from, to] = [range.start(), range.end()].map(|bound| humantime::format_duration(*bound));
        duration.ok_or_else(|| format!("must be a duration from {from} to {to}, such as 30s or 2m"))
    })
}

/// clap stops at the first value that cannot be parsed. This records the problem, and continues with the default.
#[derive(Clone)]
pub(super) struct Checked<F>(F);

impl<T, F> TypedValueParser for Checked<F>
where
    T: Clone + Send + Sync + 'static,
    F: Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, flag: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let Self(parse) = self;
        let text = value.to_str().ok_or("must be UTF-8".to_owned());
        let problem = match text.and_then(parse) {
            Ok(value) => return Ok(value),
            Err(problem) => problem,
        };
        let name = flag.and_then(Arg::get_env).unwrap_or_default().to_string_lossy().into_owned();
        FOUND.with_borrow_mut(|found| found.push((command.get_name().to_owned(), name, problem.clone())));
        let default = flag.and_then(|flag| flag.get_default_values().first()).and_then(|default| default.to_str());
        default.and_then(|default| parse(default).ok()).ok_or_else(|| {
            // A mistake in this program: a checked flag has a default that is good.
            clap::Error::raw(ErrorKind::ValueValidation, StyledStr::from(problem)).with_cmd(command)
        })
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3000")
}

pub(super) fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

/// Bytes, or a number of a binary unit.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    let bytes = shift.and_then(|shift| number.parse::<u64>().ok()?.checked_mul(1 << shift));
    bytes.ok_or("must be a number of bytes, or a number with KiB, MiB or GiB, such as 10MiB")
}
