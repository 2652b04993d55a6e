//! What a client receives if no backend answered.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Rule, Setup, differences, hold, rules};
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
        an_unreachable_backend_is_a_bad_gateway,
        a_backend_that_closes_the_connection_is_a_bad_gateway,
        a_backend_that_does_not_speak_http_is_a_bad_gateway,
        a_truncated_response_is_truncated_for_the_client,
        a_truncated_hold_is_not_held,
        requests_succeed_again_when_the_backend_is_back,
    ]
}

async fn an_unreachable_backend_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    let proxy = Proxy::start(kind, ([127, 0, 0, 1], free_port()?).into()).await?;
    let mut answer = Request::get("/").send(proxy.http_addr()).await?;
    assert_eq!(answer.status, 502);
    answer.whole().await?;
    Ok(())
}

async fn a_backend_that_closes_the_connection_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    assert_eq!(setup.status_of(Reply::close()).await?, 502);
    Ok(())
}

async fn a_backend_that_does_not_speak_http_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    assert_eq!(setup.status_of(Reply::raw("what?\r\n\r\n")).await?, 502);
    Ok(())
}

/// With a regular end, the client would take half a response for a whole one.
async fn a_truncated_response_is_truncated_for_the_client(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let gate = Arc::new(Semaphore::new(0));
    setup.answer("", Reply::ok("half").until(&gate).break_off());
    let mut answer = setup.get("").await?;
    answer.reads("half").await?;
    gate.add_permits(1);
    let seen = match answer.ends_within(SOON).await {
        Ok(()) => "ends as if complete",
        Err(_) if !answer.is_open() => "is truncated",
        Err(error) => return Err(error),
    };
    differences::TRUNCATED_RESPONSE.check(kind, seen);
    Ok(())
}

async fn a_truncated_hold_is_not_held(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = hold("half").header("Grip-Channel", &setup.channel("a"));
    assert_eq!(setup.status_of(reply.break_off()).await?, 502);
    Ok(())
}

async fn requests_succeed_again_when_the_backend_is_back(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let pipe = FaultProxy::start(setup.backend_addr()).await?;
    let proxy = Proxy::start(kind, pipe.addr()).await?;
    setup.answer("", hold("body").header("Grip-Channel", &setup.channel("a")));
    pipe.set(Mode::Refuse);
    assert_eq!(Request::get(&setup.path("")).send(proxy.http_addr()).await?.status, 502);
    pipe.set(Mode::Pass);
    let mut answer = Request::get(&setup.path("")).send(proxy.http_addr()).await?;
    answer.reads("body").await
}
