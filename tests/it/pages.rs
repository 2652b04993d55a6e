//! The pages, in a real browser on the real stack: one scenario of tests/browser/scenarios each, under its file's name.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use libtest_mimic::Trial;
use serde_json::json;

use crate::support::{
    backend::Backend,
    browser::{self, Device},
    dynamodb,
    eventually::eventually,
    fault::{FaultProxy, Mode},
    stack::{self, Kind, SOON, Stack},
    trials::{Need, on, on_stacks},
};

/// Longer than any scenario: a recheck while the store fails would hold back what a page should show (see [`settled`]),
/// and one at the right moment would hide what a page failed to repair.
const RECHECK: (&str, &str) = ("RECHECK_INTERVAL", "120s");

const SCENARIOS: &[(&str, &[Kind])] = &[
    // The longest first: it waits for the store's deadline three times.
    ("what_is_not_stored_is_taken_back", Kind::DYNAMODB),
    ("a_long_room_stays_smooth", Kind::APART),
    ("pages_are_accessible", Kind::ALL),
    ("two_browsers_chat", Kind::ALL),
    ("a_name_leads_into_the_room", Kind::ALL),
    ("a_message_is_provisional_until_it_is_stored", Kind::DYNAMODB),
    ("an_own_message_appears_once", Kind::DYNAMODB),
    ("a_killed_backend_loses_nothing", Kind::DYNAMODB),
    ("a_restarted_proxy_loses_nothing", Kind::ALL),
    ("a_reset_needs_no_reload", Kind::ALL),
    ("hostile_text_stays_text", Kind::ALL),
    ("inline_scripts_and_styles_are_refused", Kind::ALL),
    ("a_page_back_online_catches_up", Kind::ALL),
    ("a_phone_is_wide_enough", Kind::ALL),
    ("a_page_names_all_that_it_loads", Kind::ALL),
    ("forms_work_without_scripts", Kind::DYNAMODB),
];

/// What a page does for who reads and writes on it, on a desktop and on a phone.
const ON_DEVICES: &[&str] = &[
    "tabs_share_one_stream",
    "a_failed_message_stays_until_it_is_sent",
    "nothing_moves_when_the_stream_starts",
    "the_way_back_needs_no_reload",
    "older_messages_come_in_as_one_scrolls_up",
    "who_reads_further_up_is_told_of_new_messages",
    "drafts_are_kept_per_room",
    "the_list_of_rooms_shows_activity",
    "moments_are_told_in_the_readers_words",
    "messages_are_grouped_by_author_and_time",
    "older_messages_and_rooms_need_no_script",
    "a_keyboard_is_enough",
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = on_stacks![
        [ALL] => only_who_prefers_html_is_answered_with_a_page,
        [DYNAMODB] => a_page_tells_of_a_store_that_is_away,
    ];
    for (scenario, kinds) in SCENARIOS {
        trials.extend(on(kinds, module_path!(), scenario, &[Need::Browser], async move |kind| {
            play(Device::Desktop, scenario, kind).await
        }));
    }
    for scenario in ON_DEVICES {
        for (device, suffix) in [(Device::Desktop, ""), (Device::Phone, "_on_a_phone")] {
            let name = format!("{scenario}{suffix}");
            trials.extend(on(Kind::APART, module_path!(), &name, &[Need::Browser], async move |kind| {
                play(device, scenario, kind).await
            }));
        }
    }
    trials
}

async fn play(device: Device, scenario: &str, kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &[RECHECK]).await?;
    let front = FaultProxy::start(stack.proxy.http_addr()).await?;
    let mut hand = Hand { stack, front, second: None };
    let base = hand.stack.proxy.url();
    browser::run_on(device, scenario, &base, async |request| hand.serve(request).await).await
}

/// Does to the stack what scenarios ask for.
struct Hand {
    stack: Stack,
    /// Between a page and the proxy, for scenarios that ask for it.
    front: FaultProxy,
    second: Option<Backend>,
}

impl Hand {
    async fn serve(&mut self, request: &str) -> anyhow::Result<String> {
        let Self { stack, front, second } = self;
        match request.split(' ').collect::<Vec<_>>()[..] {
            ["front", "url"] => return Ok(front.url()),
            ["front", ref mode @ ..] => set(front, mode)?,
            ["store", "settled"] => settled(stack.store()).await,
            ["store", ref mode @ ..] => set(stack.store(), mode)?,
            ["control", ref mode @ ..] => set(&stack.control, mode)?,
            ["backend", "kill"] => stack.backend.kill()?,
            ["backend", "restart"] => stack.backend.restart().await?,
            ["backend", "url"] => return Ok(stack.backend.url()),
            ["proxy", "stop"] => stack.proxy.stop().await?,
            ["proxy", "restart"] => stack.proxy.restart().await?,
            // One whose way to the store has no proxy in it.
            ["second", "backend"] => {
                let env = stack::environment(&stack.table().name, dynamodb::shared().await?, stack.control.addr(), &[]);
                return Ok(second.insert(Backend::start(env).await?).url());
            }
            ["wipe", room] => stack.wipe(room).await?,
            _ => bail!("nobody knows how"),
        }
        Ok(String::new())
    }
}

fn set(proxy: &FaultProxy, mode: &[&str]) -> anyhow::Result<()> {
    proxy.set(match mode {
        ["pass"] => Mode::Pass,
        ["refuse"] => Mode::Refuse,
        ["hang"] => Mode::Hang,
        ["delay", ms] => Mode::Delay(Duration::from_millis(ms.parse()?)),
        _ => bail!("no such mode"),
    });
    Ok(())
}

/// Waits until nothing is asked of the store any more. Pushpin looks for what it missed one second after the first
/// subscription to a channel, and delivers nothing on that stream, provisional or not, until the look succeeds.
async fn settled(store: &FaultProxy) {
    const QUIET: Duration = Duration::from_secs(2);

    let (mut seen, mut since) = (store.bytes_up(), Instant::now());
    eventually(SOON, "the store is left alone", || {
        let now = store.bytes_up();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        since.elapsed() >= QUIET
    })
    .await;
}

/// As browsers send it when a form is submitted.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn only_who_prefers_html_is_answered_with_a_page(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("%E9%83%A8%E5%B1%8B");
    let http = stack::http()?;
    let form = |from: &str, text: &str, accept: Option<&str>| {
        let request = http.post(&room.url).form(&[("from", from), ("text", text)]);
        match accept {
            Some(accept) => request.header("Accept", accept),
            None => request,
        }
    };
    for accept in [None, Some("*/*"), Some("application/json"), Some("application/json, text/plain, */*")] {
        let posted = stack::answer(form("Ada", "by a program", accept)).await?;
        assert_eq!((posted.status, &posted.body["text"]), (200, &json!("by a program")), "{accept:?}");
        let refused = stack::answer(form("Ada", " ", accept)).await?;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_message")), "{accept:?}");
    }

    let posted = form("Ada & Zoë", "by a person", Some(BROWSER)).send().await?;
    assert_eq!(posted.status(), 303);
    let location = posted.headers().get("Location").context("a redirect names its target")?;
    assert_eq!(location, "/%E9%83%A8%E5%B1%8B?user=Ada+%26+Zo%C3%AB");
    let stored = room.history("").await?["messages"].as_array().cloned().unwrap_or_default();
    assert_eq!(stored.len(), 5, "one for each answer that said so");
    assert_eq!((&stored[4]["from"], &stored[4]["text"]), (&json!("Ada & Zoë"), &json!("by a person")));

    let refused = form("Ada", " ", Some(BROWSER)).send().await?;
    assert_eq!((refused.status().as_u16(), content_type(&refused)), (400, "text/html; charset=utf-8"));
    assert!(refused.headers().contains_key("content-security-policy"));
    let page = refused.text().await?;
    assert!(page.contains("Your message was not sent") && page.contains("Your message must have 1 to"), "{page}");
    Ok(())
}

async fn a_page_tells_of_a_store_that_is_away(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    stack.store().set(Mode::Refuse);
    let form = stack.http().post(&stack.room("lobby").url).form(&[("from", "Ada"), ("text", "lost")]);
    let failed = form.header("Accept", BROWSER).send().await?;
    assert_eq!((failed.status().as_u16(), content_type(&failed)), (503, "text/html; charset=utf-8"));
    assert!(failed.headers().contains_key("retry-after"));
    Ok(())
}

fn content_type(response: &reqwest::Response) -> &str {
    response.headers().get("Content-Type").and_then(|value| value.to_str().ok()).unwrap_or_default()
}
