//! The pages in a real browser on the real stack. Each scenario in tests/browser/scenarios is a test with the name of its
//! file.

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
    schedule::Load,
    stack::{self, Kind, SOON, Stack},
    trials::{Need, on, on_stacks},
};

/// Longer than any scenario: a recheck while the store fails would delay messages that a page should show (see
/// [`store_is_idle`]), and a recheck at the right time would hide that a page failed to repair its stream.
const RECHECK: (&str, &str) = ("RECHECK_INTERVAL", "120s");

const SCENARIOS: &[(&str, &[Kind])] = &[
    // The longest first: one stores 5,000 messages, another waits for the deadline of the store three times.
    ("a_long_room_stays_smooth", Kind::EDGE_EMBEDDED),
    ("unstored_messages_are_retracted", Kind::EDGE_DYNAMODB),
    ("pages_are_accessible", Kind::EDGE_EMBEDDED),
    ("two_browsers_chat", Kind::ALL),
    ("a_name_is_enough_to_join", Kind::EDGE_EMBEDDED),
    ("a_message_is_provisional_until_it_is_stored", Kind::DYNAMODB),
    ("an_own_message_appears_once", Kind::DYNAMODB),
    ("a_killed_backend_loses_nothing", Kind::DYNAMODB),
    ("a_restarted_proxy_loses_nothing", Kind::APART),
    ("a_reset_needs_no_reload", Kind::APART),
    ("hostile_text_stays_text", Kind::APART),
    ("inline_scripts_and_styles_are_refused", Kind::EDGE_EMBEDDED),
    ("a_page_catches_up_when_back_online", Kind::APART),
    ("pages_fit_on_a_phone", Kind::EDGE_EMBEDDED),
    ("a_page_preloads_all_its_modules", Kind::EDGE_EMBEDDED),
    ("forms_work_without_scripts", Kind::EDGE_DYNAMODB),
];

/// Scenarios that run on a desktop and on a phone.
const ON_DEVICES: &[&str] = &[
    "tabs_share_one_stream",
    "a_failed_message_stays_until_it_is_sent",
    "nothing_moves_when_the_stream_starts",
    "going_back_needs_no_reload",
    "older_messages_load_while_scrolling_up",
    "a_reader_further_up_is_notified_of_new_messages",
    "drafts_are_kept_per_room",
    "the_list_of_rooms_shows_activity",
    "times_are_in_the_readers_language",
    "messages_are_grouped_by_author_and_time",
    "older_messages_and_rooms_need_no_script",
    "a_keyboard_is_enough",
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = on_stacks![
        [APART] => only_a_client_that_prefers_html_gets_a_page,
        [EDGE_DYNAMODB] => an_unavailable_store_is_reported_on_a_page,
    ];
    for (scenario, kinds) in SCENARIOS {
        trials.extend(on(kinds, module_path!(), scenario, Load::Heavy, &[Need::Browser], async move |kind| {
            run(Device::Desktop, scenario, kind).await
        }));
    }
    for scenario in ON_DEVICES {
        // What a page does depends on its device, and not on the stack: each device has another one.
        let desktop = (Device::Desktop, "", Kind::PUSHPIN_DYNAMODB);
        let phone = (Device::Phone, "_on_a_phone", Kind::EDGE_EMBEDDED);
        for (device, suffix, kinds) in [desktop, phone] {
            let name = format!("{scenario}{suffix}");
            trials.extend(on(kinds, module_path!(), &name, Load::Heavy, &[Need::Browser], async move |kind| {
                run(device, scenario, kind).await
            }));
        }
    }
    trials
}

async fn run(device: Device, scenario: &str, kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &[RECHECK]).await?;
    let front = FaultProxy::start(stack.proxy.http_addr()).await?;
    let mut control = StackControl { stack, front, second: None };
    let base = control.stack.proxy.url();
    browser::run_on(device, scenario, &base, async |request| control.execute(request).await).await
}

/// Executes the commands of a scenario on the stack.
struct StackControl {
    stack: Stack,
    /// Between a page and the proxy, for scenarios that need it.
    front: FaultProxy,
    second: Option<Backend>,
}

impl StackControl {
    async fn execute(&mut self, request: &str) -> anyhow::Result<String> {
        let Self { stack, front, second } = self;
        match request.split(' ').collect::<Vec<_>>()[..] {
            ["front", "url"] => return Ok(front.url()),
            ["front", ref mode @ ..] => set(front, mode)?,
            ["store", "settled"] => store_is_idle(stack.store()).await,
            ["store", ref mode @ ..] => set(stack.store(), mode)?,
            ["control", ref mode @ ..] => set(&stack.control, mode)?,
            ["backend", "kill"] => stack.backend.kill()?,
            ["backend", "restart"] => stack.backend.restart().await?,
            ["backend", "url"] => return Ok(stack.backend.url()),
            ["proxy", "stop"] => stack.proxy.stop().await?,
            ["proxy", "restart"] => stack.proxy.restart().await?,
            // It reaches the store without a fault proxy.
            ["second", "backend"] => {
                let env = stack::environment(&stack.table().name, dynamodb::shared().await?, stack.control.addr(), &[]);
                return Ok(second.insert(Backend::start(env).await?).url());
            }
            ["wipe", room] => stack.wipe(room).await?,
            _ => bail!("unknown command"),
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
        _ => bail!("unknown mode"),
    });
    Ok(())
}

/// Waits until the store gets no requests any more. One second after the first subscription to a channel, Pushpin requests
/// what it missed, and delivers nothing on that stream, provisional or not, until that succeeds.
async fn store_is_idle(store: &FaultProxy) {
    const QUIET: Duration = Duration::from_secs(2);

    let (mut seen, mut since) = (store.bytes_up(), Instant::now());
    eventually(SOON, "the store gets no requests", || {
        let now = store.bytes_up();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        since.elapsed() >= QUIET
    })
    .await;
}

/// The Accept header of browsers that submit a form.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn only_a_client_that_prefers_html_gets_a_page(kind: Kind) -> anyhow::Result<()> {
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
    assert_eq!(stored.len(), 5, "one for each response that reported it");
    assert_eq!((&stored[4]["from"], &stored[4]["text"]), (&json!("Ada & Zoë"), &json!("by a person")));

    let refused = form("Ada", " ", Some(BROWSER)).send().await?;
    assert_eq!((refused.status().as_u16(), content_type(&refused)), (400, "text/html; charset=utf-8"));
    assert!(refused.headers().contains_key("content-security-policy"));
    let page = refused.text().await?;
    assert!(page.contains("Your message was not sent") && page.contains("Your message must have 1 to"), "{page}");
    Ok(())
}

async fn an_unavailable_store_is_reported_on_a_page(kind: Kind) -> anyhow::Result<()> {
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
