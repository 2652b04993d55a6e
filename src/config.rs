//! The whole configuration, read and checked before anything is bound.
//!
//! Values come as text from flags and variables ([`crate::cli`]) and leave as types. Whatever is
//! wrong is named at once: an operator who fixes one value should not have to start the program
//! again to hear of the next.

use std::{fmt, net::SocketAddr, time::Duration};

use axum::http::HeaderValue;
use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::{grip::GripUrl, store::Retention, web::CorsOrigins};

/// Streams are rechecked at least this often: a proxy takes whole seconds, and every recheck of a
/// room costs one read.
const RECHECK: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// What concerns the store, as text.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// DynamoDB table that holds the messages
    #[arg(long, env = "DYNAMODB_TABLE", default_value = "gripchat", value_name = "NAME")]
    pub dynamodb_table: String,
}

/// What concerns logs, as text.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Form of the log on standard error: text or json
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: String,

    /// What is logged: a level, or levels by module
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub log_filter: String,
}

/// What concerns the server, as text.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:3000", value_name = "IP:PORT")]
    pub listen: String,

    /// GRIP proxies to publish to: URLs separated by blanks or commas
    #[arg(
        long,
        env = "GRIP_URL",
        default_value = "http://localhost:5561",
        value_name = "URLS",
        hide_env_values = true
    )]
    pub grip_url: String,

    /// How long messages are kept: at least 1h, or 0 for ever
    #[arg(long, env = "MESSAGE_RETENTION", default_value = "30d", value_name = "DURATION")]
    pub message_retention: String,

    /// Longest time until a proxy asks what a stream has missed: 1s to 1h
    #[arg(long, env = "RECHECK_INTERVAL", default_value = "2m", value_name = "DURATION")]
    pub recheck_interval: String,

    /// Origins whose pages may use the API, separated by blanks or commas; * for all
    #[arg(long, env = "CORS_ORIGINS", default_value = "", value_name = "ORIGINS")]
    pub cors_origins: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub store: StoreArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub log: LogArgs,
}

/// What the server runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whom it publishes to and believes.
    pub grip: Vec<GripUrl>,
    /// Where the messages are.
    pub table: String,
    /// How long they are kept.
    pub retention: Retention,
    /// The longest time between two checks of a stream.
    pub recheck: Duration,
    /// Who else may use the API.
    pub cors: CorsOrigins,
}

/// How to log.
#[derive(Debug)]
pub struct LogConfig {
    /// One JSON object a line, for machines.
    pub json: bool,
    /// What is logged.
    pub filter: EnvFilter,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    variable: &'static str,
    remedy: String,
}

impl Problems {
    /// Notes a problem with a variable, and says what to do.
    pub fn add(&mut self, variable: &'static str, remedy: impl fmt::Display) {
        self.0.push(Problem { variable, remedy: remedy.to_string() });
    }

    /// The value, or a note of what is wrong with it.
    fn check<T, E: fmt::Display>(&mut self, variable: &'static str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(variable, error)).ok()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        for Problem { variable, remedy } in &self.0 {
            write!(f, "\n  {variable}: {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl LogArgs {
    /// Checks them.
    pub fn parse(&self, problems: &mut Problems) -> Option<LogConfig> {
        let json = match self.log_format.as_str() {
            "text" => Ok(false),
            "json" => Ok(true),
            _ => Err("must be text or json"),
        };
        let json = problems.check("LOG_FORMAT", json);
        let filter = EnvFilter::try_new(&self.log_filter);
        let filter = problems.check("RUST_LOG", filter.map_err(|e| format!("{e}; try info or gripchat=debug")));
        Some(LogConfig { json: json?, filter: filter? })
    }
}

impl StoreArgs {
    /// Checks them; gives the table's name.
    pub fn parse(&self, problems: &mut Problems) -> Option<String> {
        let name = &self.dynamodb_table;
        let valid = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if (3..=255).contains(&name.len()) && name.bytes().all(valid) {
            return Some(name.clone());
        }
        problems.add("DYNAMODB_TABLE", "must be 3 to 255 letters, digits, \"_\", \".\" and \"-\"");
        None
    }
}

impl ServeArgs {
    /// Checks them all.
    pub fn parse(&self, problems: &mut Problems) -> Option<Config> {
        let listen = self.listen.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3000");
        let listen = problems.check("LISTEN", listen);
        let grip = problems.check("GRIP_URL", GripUrl::parse_list(&self.grip_url));
        let retention = problems.check("MESSAGE_RETENTION", self.message_retention.parse());
        let recheck = humantime::parse_duration(&self.recheck_interval).ok().filter(|d| RECHECK.contains(d));
        let recheck = problems.check("RECHECK_INTERVAL", recheck.ok_or("must be a duration of 1s to 1h, such as 2m"));
        let cors = problems.check("CORS_ORIGINS", cors(&self.cors_origins));
        let table = self.store.parse(problems);
        Some(Config {
            listen: listen?,
            grip: grip?,
            table: table?,
            retention: retention?,
            recheck: recheck?,
            cors: cors?,
        })
    }
}

fn cors(text: &str) -> Result<CorsOrigins, String> {
    let origins: Vec<&str> = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|o| !o.is_empty()).collect();
    match origins[..] {
        [] => Ok(CorsOrigins::SameOrigin),
        ["*"] => Ok(CorsOrigins::Any),
        _ => origins.into_iter().map(origin).collect::<Result<_, _>>().map(CorsOrigins::Listed),
    }
}

/// An origin as browsers send it: scheme, host and perhaps port, nothing else.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let exact = url::Url::parse(text).ok().map(|url| url.origin().ascii_serialization()).filter(|o| o == text);
    exact
        .and_then(|origin| HeaderValue::try_from(origin).ok())
        .ok_or_else(|| format!("{text:?} is not an origin; write it as browsers do, such as https://example.com"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        serve: ServeArgs,
    }

    /// The defaults, with some flags; variables of the machine the tests run on play no part.
    fn parse(flags: &[&str]) -> Result<Config, Problems> {
        let defaults = [
            "--listen=127.0.0.1:3000",
            "--grip-url=http://localhost:5561",
            "--dynamodb-table=gripchat",
            "--message-retention=30d",
            "--recheck-interval=2m",
            "--cors-origins=",
            "--log-format=text",
            "--log-filter=info",
        ];
        let given = |flag: &&str| flags.iter().any(|f| f.split('=').next() == flag.split('=').next());
        let args =
            ["gripchat"].into_iter().chain(defaults.into_iter().filter(|d| !given(d))).chain(flags.iter().copied());
        let serve = Cli::parse_from(args).serve;
        let mut problems = Problems::default();
        let log = serve.log.parse(&mut problems);
        let config = serve.parse(&mut problems);
        match (problems.is_empty(), config, log) {
            (true, Some(config), Some(_)) => Ok(config),
            (true, ..) => panic!("nothing is wrong, and nothing came of it"),
            (false, ..) => Err(problems),
        }
    }

    #[test]
    fn every_bad_value_is_named_at_once_with_a_remedy() {
        let problems = parse(&[
            "--listen=localhost",
            "--grip-url=localhost:5561",
            "--dynamodb-table=a b",
            "--message-retention=5m",
            "--recheck-interval=0s",
            "--cors-origins=https://a.example/path",
            "--log-format=xml",
            "--log-filter=gripchat=loud",
        ])
        .unwrap_err()
        .to_string();
        for variable in [
            "LISTEN",
            "GRIP_URL",
            "DYNAMODB_TABLE",
            "MESSAGE_RETENTION",
            "RECHECK_INTERVAL",
            "CORS_ORIGINS",
            "LOG_FORMAT",
            "RUST_LOG",
        ] {
            assert!(problems.contains(&format!("\n  {variable}: ")), "{variable} is not in {problems}");
        }
    }

    #[test]
    fn the_defaults_are_good() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(config.cors, CorsOrigins::SameOrigin);
    }

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        assert_eq!(parse(&["--cors-origins=*"]).unwrap().cors, CorsOrigins::Any);
        let two = parse(&["--cors-origins=https://a.example, http://localhost:8080"]).unwrap().cors;
        let expected = ["https://a.example", "http://localhost:8080"].map(HeaderValue::from_static).to_vec();
        assert_eq!(two, CorsOrigins::Listed(expected));
        for bad in ["https://a.example/", "a.example", "https://A.example", "null", "*,https://a.example"] {
            assert!(parse(&[&format!("--cors-origins={bad}")]).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_problem_shows_a_key() {
        let problems = parse(&["--grip-url=http://a/?iss=x&key=base64:S3CR%25"]).unwrap_err().to_string();
        assert!(problems.contains("GRIP_URL") && !problems.contains("S3CR"), "{problems}");
    }

    proptest! {
        #[test]
        fn no_value_panics(value in any::<String>()) {
            let _ = cors(&value);
            let _ = StoreArgs { dynamodb_table: value }.parse(&mut Problems::default());
        }
    }
}
