//! What a client gets that no backend has answered.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Rule, Stand, differences, hold, rules};
use crate::support::{
    fault::{FaultProxy, Mode},
    ports::free_port,
    proxy::{Kind, Proxy},
    scripted::Reply,
    stack::SOON,
    wire::Request,
};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_backend_that_is_not_there_is_a_bad_gateway,
        a_backend_that_hangs_up_is_a_bad_gateway,
        a_backend_that_talks_nonsense_is_a_bad_gateway,
        an_answer_that_breaks_off_breaks_off_for_the_client,
        a_hold_that_breaks_off_is_no_hold,
        a_proxy_is_back_when_its_backend_is,
    ]
}

async fn a_backend_that_is_not_there_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    let proxy = Proxy::start(kind, ([127, 0, 0, 1], free_port()?).into()).await?;
    let mut answer = Request::get("/").send(proxy.http_addr()).await?;
    assert_eq!(answer.status, 502);
    answer.whole().await?;
    Ok(())
}

async fn a_backend_that_hangs_up_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    assert_eq!(stand.status_of(Reply::close()).await?, 502);
    Ok(())
}

async fn a_backend_that_talks_nonsense_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    assert_eq!(stand.status_of(Reply::raw("what?\r\n\r\n")).await?, 502);
    Ok(())
}

/// An end that looks orderly would make half an answer a whole one.
async fn an_answer_that_breaks_off_breaks_off_for_the_client(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let gate = Arc::new(Semaphore::new(0));
    stand.answer("", Reply::ok("half").until(&gate).break_off());
    let mut answer = stand.get("").await?;
    answer.reads("half").await?;
    gate.add_permits(1);
    let seen = match answer.ends_within(SOON).await {
        Ok(()) => "ends as if whole",
        Err(_) if !answer.is_open() => "breaks off",
        Err(error) => return Err(error),
    };
    differences::BROKEN_ANSWER.check(kind, seen);
    Ok(())
}

async fn a_hold_that_breaks_off_is_no_hold(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let reply = hold("half").header("Grip-Channel", &stand.channel("a"));
    assert_eq!(stand.status_of(reply.break_off()).await?, 502);
    Ok(())
}

async fn a_proxy_is_back_when_its_backend_is(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let pipe = FaultProxy::start(stand.backend_addr()).await?;
    let proxy = Proxy::start(kind, pipe.addr()).await?;
    stand.answer("", hold("body").header("Grip-Channel", &stand.channel("a")));
    pipe.set(Mode::Refuse);
    assert_eq!(Request::get(&stand.path("")).send(proxy.http_addr()).await?.status, 502);
    pipe.set(Mode::Pass);
    let mut answer = Request::get(&stand.path("")).send(proxy.http_addr()).await?;
    answer.reads("body").await
}
