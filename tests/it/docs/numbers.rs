//! Compares the numbers in the documents with the constants of the program. Those that are not public are read from the
//! source.

use std::{fs, path::Path};

use anyhow::{Context as _, bail, ensure};
use gripchat::{app::INITIAL_MESSAGES, chat::RoomId, store};
use libtest_mimic::Trial;

use super::{API, EDGE, RELIABILITY, ROOT, markdown};
use crate::support::trials::trials;

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => the_numbers_of_the_api_reference_match_the_constants,
        [] => the_numbers_of_the_edge_document_match_the_constants,
        [] => the_numbers_of_the_reliability_document_match_the_constants,
        [] => the_reserved_names_are_no_rooms,
    ]
}

async fn the_numbers_of_the_api_reference_match_the_constants() -> anyhow::Result<()> {
    let body = constant("src/web/extract", "MAX_BODY_BYTES")? / KIB;
    let limit = constant("src/web/messages.rs", "MAX_LIMIT")?;
    let listed = constant("src/web/rooms.rs", "DEFAULT_LIMIT")?;
    contains(
        API,
        &[
            format!("the newest messages, {INITIAL_MESSAGES} unless `limit` (1 to {limit}) is given"),
            format!("is a stream: the newest {INITIAL_MESSAGES} messages"),
            format!("among the {} messages after `Last-Event-ID`", grouped(store::KEY_SEARCH_MAX)),
            format!("the server searches the newest {} messages", store::KEY_SEARCH_NEWEST),
            format!("`from` (1 to {} characters)", constant("src/chat", "MAX_AUTHOR_CHARS")?),
            format!("`text` (1 to {} characters)", grouped(constant("src/chat", "MAX_TEXT_CHARS")?)),
            format!("a path segment: 1 to {} letters", constant("src/chat", "MAX_CHARS")?),
            format!("The body may be up to {body} KiB long."),
            format!("the body has more than {body} KiB"),
            format!("the body did not arrive within {} s", constant("src/web/extract", "BODY_TIMEOUT")?),
            format!("nothing else was sent for {} s", constant("src/feed", "KEEP_ALIVE_AFTER")?),
            format!(
                "the newest messages first, {listed} unless `limit` (1 to {})",
                constant("src/web/rooms.rs", "MAX_LIMIT")?
            ),
            format!("The list contains at most {} rooms.", grouped(store::MAX_ROOMS)),
            format!("must arrive within {} s after the connection", constant("src/server.rs", "HEAD_TIMEOUT")?),
        ],
    )
}

async fn the_numbers_of_the_edge_document_match_the_constants() -> anyhow::Result<()> {
    let edge = |name| constant("src/edge", name);
    let head = edge("MAX_HEAD_BYTES")? / KIB;
    contains(
        EDGE,
        &[
            format!("| head of a request | {head} KiB, or up to {} KiB", 2.0 * head),
            format!("| time for a head, and between requests | {} s |", edge("HEAD_TIMEOUT")?),
            format!("| pause within the body of a request | {} s |", edge("REQUEST_IDLE_TIMEOUT")?),
            format!("| time to connect to the backend | {} s |", edge("CONNECT_TIMEOUT")?),
            format!("| pause within a body that is not held | {} s |", edge("RESPONSE_IDLE_TIMEOUT")?),
            format!(
                "| response with `Grip-` headers | {} MiB |",
                constant("src/edge/backend", "MAX_BODY_BYTES")? / MIB
            ),
            format!("| channels of one request | {} |", edge("MAX_SUBSCRIPTIONS")?),
            format!(
                "| body of a request to the control port | {} bytes |",
                grouped(constant("src/edge/control", "MAX_BODY_BYTES")?)
            ),
            format!(
                "| {} characters and values, {} levels deep |",
                grouped(edge("MAX_COST")?),
                constant("src/edge/items", "MAX_DEPTH")?
            ),
            format!("| {} per channel, 5 s |", edge("MAX_PARKED")?),
            format!("| within {} s |", edge("SEEN_FOR")?),
            format!("| write queue of one reader | {} items or {} MiB |", edge("MAX_FRAMES")?, queue_bytes()? / MIB),
            format!("| a reader that reads nothing | {} s |", edge("STALL_TIMEOUT")?),
            format!("| {} of each at a time |", edge("MAX_CONCURRENT_REQUESTS")?),
        ],
    )
}

async fn the_numbers_of_the_reliability_document_match_the_constants() -> anyhow::Result<()> {
    let post = constant("src/app", "POST_DEADLINE")?;
    ensure!(post < 10.0, "a POST is answered within ten seconds");
    contains(
        RELIABILITY,
        &[
            format!("{} s for the append", store::APPEND_DEADLINE.as_secs_f64()),
            format!("with its last {} s reserved", constant("src/store/dynamodb", "WRITE_TIME")?),
            format!("{post} s in total"),
            format!("in the newest {} messages", store::KEY_SEARCH_NEWEST),
            format!("in up to {} after the `Last-Event-ID`", grouped(store::KEY_SEARCH_MAX)),
            format!("that is {} items or {} MiB behind", constant("src/edge", "MAX_FRAMES")?, queue_bytes()? / MIB),
            format!("that reads nothing for {} s is closed", constant("src/edge", "STALL_TIMEOUT")?),
        ],
    )
}

async fn the_reserved_names_are_no_rooms() -> anyhow::Result<()> {
    let (rooms, _) = API.split_once("are reserved.").context("no reserved names")?;
    let (_, reserved) = rooms.rsplit_once("The names ").context("no reserved names")?;
    for name in markdown::code_spans(reserved) {
        assert!(RoomId::parse(name).is_err(), "{name} is a valid room");
    }
    Ok(())
}

fn queue_bytes() -> anyhow::Result<f64> {
    constant("src/edge/held", "MAX_BYTES")
}

/// Checks that a document contains these sentences, however its lines are broken.
fn contains(document: &str, sentences: &[String]) -> anyhow::Result<()> {
    let text = document.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in sentences {
        ensure!(text.contains(sentence.as_str()), "the document does not contain: {sentence}");
    }
    Ok(())
}

/// Returns a number with a comma between groups of three digits.
fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let group = |(index, digit): (usize, char)| {
        let comma = index > 0 && (digits.len() - index).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

/// Returns the value of the only constant with this name in a file or folder of the source; a duration in seconds.
fn constant(path: &str, name: &str) -> anyhow::Result<f64> {
    let definition = format!("const {name}: ");
    let (mut paths, mut values) = (vec![Path::new(ROOT).join(path)], Vec::new());
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?);
        } else {
            let source = fs::read_to_string(path)?;
            let definitions = source.split(&definition).skip(1).filter_map(|rest| rest.split(';').next());
            values.extend(definitions.filter_map(|rest| Some(rest.split_once(" = ")?.1.to_owned())));
        }
    }
    let [value] = &values[..] else { bail!("{path} defines {name} {} times", values.len()) };
    value_of(value).with_context(|| format!("{path}: {name} = {value}"))
}

/// Evaluates the expressions that constants consist of: `10_000`, `64 * 1024`, `1 << 20`, `Duration::from_secs(8)`.
fn value_of(expression: &str) -> anyhow::Result<f64> {
    let number = |text: &str| text.replace('_', "").parse::<u32>();
    if let Some(inner) = expression.strip_suffix(')') {
        return match inner.split_once('(').context("no function")? {
            ("Duration::from_secs", seconds) => Ok(number(seconds)?.into()),
            ("Duration::from_millis", millis) => Ok(f64::from(number(millis)?) / 1_000.0),
            (function, _) => bail!("the function {function} is not known"),
        };
    }
    Ok(match expression.split_whitespace().collect::<Vec<_>>()[..] {
        [value] => number(value)?.into(),
        [left, "*", right] => f64::from(number(left)?) * f64::from(number(right)?),
        [left, "<<", right] => (number(left)? << number(right)?).into(),
        _ => bail!("the expression is not known"),
    })
}
