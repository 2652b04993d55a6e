//! A start without the table or the proxy: the backend logs a warning, refuses what it cannot do, and recovers as soon
//! as they can be reached.

use std::{net::SocketAddr, time::Duration};

use gripchat::store::table;
use libtest_mimic::Trial;
use tokio::time::{Instant, sleep};

use crate::support::{
    backend::Backend,
    dynamodb,
    eventually::eventually,
    fault::{FaultProxy, Mode},
    ports::free_port,
    proxy::Proxy,
    stack::{Answer, Kind, Room, SOON, Stack, Table, client, environment, http, table_name},
    trials::{on_stacks, trials},
};

/// Shorter than the timeout for a proxy that hangs.
const AT_ONCE: Duration = Duration::from_secs(2);

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = trials![
        [DynamoDb] => a_missing_table_is_logged_with_its_remedy,
        [DynamoDb] => a_proxy_that_hangs_does_not_delay_the_start,
    ];
    trials.extend(on_stacks![
        [DYNAMODB] => parts_that_start_later_are_used_without_a_restart,
    ]);
    trials
}

async fn parts_that_start_later_are_used_without_a_restart(kind: Kind) -> anyhow::Result<()> {
    let table = Table::create().await?;
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let proxy = Proxy::start(kind.proxy(), listen).await?;
    let control = FaultProxy::start(proxy.control_addr()).await?;
    table.fault_proxy.set(Mode::Refuse);
    control.set(Mode::Refuse);

    // Returns when the backend has printed the address that it listens on.
    let backend =
        Backend::start_on(listen, environment(&table.name, table.fault_proxy.addr(), control.addr(), &[])).await?;
    for warning in ["WARN gripchat::serve: the store is unavailable", "cannot publish to the GRIP proxy"] {
        eventually(SOON, warning, || backend.log().contains(warning)).await;
    }
    let response = http()?.get(format!("{}/rooms/lobby/messages/", backend.url())).send().await?;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["Retry-After"], "1");

    let stack = Stack::of(proxy, backend, control, table)?;
    let room = stack.room("lobby");
    stack.store().set(Mode::Pass);
    available(&room).await?;
    let usable = "the store can be used now";
    eventually(SOON, usable, || stack.backend.log().contains(usable)).await;

    stack.control.set(Mode::Pass);
    let mut stream = room.stream(None).await?;
    let posted = room.post("hello").await?;
    let events = stream.until(SOON, |event| event.id.as_deref() == posted["id"].as_str()).await?;
    assert_eq!(events.last().map(|event| event.json()).transpose()?, Some(posted));
    Ok(())
}

async fn a_missing_table_is_logged_with_its_remedy() -> anyhow::Result<()> {
    let dynamodb = dynamodb::shared().await?;
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let (client, table) = (client(dynamodb), table_name());
    let backend = Backend::start(environment(&table, dynamodb, nobody, &[])).await?;
    let remedy = format!("there is no table {table:?}; run \"gripchat create-table\"");
    eventually(SOON, &remedy, || backend.log().contains(&remedy)).await;

    let room = Room::new(&backend.url(), "lobby", http()?);
    let Answer { status, body } = room.get("").await?;
    assert_eq!((status, body["error"].as_str()), (503, Some("store_unavailable")));
    assert!(!body.to_string().contains(&table), "an answer shows an internal name: {body}");

    table::create(&client, &table, |_| {}).await?;
    available(&room).await?;
    Ok(())
}

/// Once the backend checked its proxies before it accepted the first request, three seconds for each.
async fn a_proxy_that_hangs_does_not_delay_the_start() -> anyhow::Result<()> {
    let dynamodb = dynamodb::shared().await?;
    let (client, table) = (client(dynamodb), table_name());
    table::create(&client, &table, |_| {}).await?;
    let control = FaultProxy::start(dynamodb).await?;
    control.set(Mode::Hang);
    let mut backend = Backend::start(environment(&table, dynamodb, control.addr(), &[])).await?;

    let room = Room::new(&backend.url(), "lobby", http()?);
    let warning = "cannot publish to the GRIP proxy: no answer within";
    let asked = Instant::now();
    room.history("").await?;
    let waited = asked.elapsed() > AT_ONCE && backend.log().contains(warning);
    anyhow::ensure!(!waited, "the start waits for the proxy: {:?}", asked.elapsed());
    eventually(SOON, warning, || backend.log().contains(warning)).await;
    backend.stop().await
}

/// Waits until a room can be read.
async fn available(room: &Room) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let answer = room.get("").await?;
        if answer.status == 200 {
            return Ok(());
        }
        anyhow::ensure!(started.elapsed() < SOON, "still {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
