//! What a client and an upstream see of each mode.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use libtest_mimic::Trial;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};

use super::{FaultProxy, Mode};
use crate::support::{eventually::eventually, trials::trials};

/// Far more than anything here takes; reached only by a failure.
const SOON: Duration = Duration::from_secs(30);

/// Long enough for loopback to have delivered what was let through.
const A_WHILE: Duration = Duration::from_millis(100);

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        [] => pass_forwards_both_ways_and_ends_with_the_client,
        [] => words_are_counted_wherever_they_are_cut,
        [] => delay_holds_requests_that_long_and_in_order,
        [] => leaving_delay_lets_go_of_what_is_held,
        [] => a_delayed_request_outlives_its_sender,
        [] => hang_reaches_open_connections_and_its_requests_are_lost,
        [] => hang_accepts_even_without_an_upstream,
        [] => a_hang_too_short_to_be_seen_cuts_all_the_same,
        [] => refuse_resets_open_and_new_connections,
        [] => lose_answers_forwards_the_request_and_drops_the_answer,
        [] => lose_answers_hides_the_end_of_the_connection_too,
        [] => delay_answers_holds_answers_only,
        [] => reset_takes_a_request_and_answers_with_a_reset,
        [] => answer_answers_in_place_of_the_upstream,
    ]
}

async fn pass_forwards_both_ways_and_ends_with_the_client() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut client = TcpStream::connect(proxy.addr()).await?;
    assert_eq!(ask(&mut client, b"one").await?, b"one");
    assert_eq!(ask(&mut client, b"three").await?, b"three");
    client.shutdown().await?;
    assert_eq!(timeout(SOON, client.read(&mut [0; 8])).await??, 0);
    assert_eq!((proxy.connections(), proxy.bytes_up(), proxy.bytes_lost()), (1, 8, 0));
    Ok(())
}

async fn delay_answers_holds_answers_only() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut client = TcpStream::connect(proxy.addr()).await?;
    ask(&mut client, b"open,").await?;
    proxy.set(Mode::DelayAnswers(Duration::from_secs(3600)));
    client.write_all(b"held").await?;
    eventually(SOON, "the request reaches the upstream", || upstream.received.borrow().len() == 9).await;
    assert!(timeout(A_WHILE, client.read(&mut [0; 8])).await.is_err(), "the answer came");
    let delay = Duration::from_millis(50);
    proxy.set(Mode::DelayAnswers(delay));
    let mut answer = [0; 4];
    timeout(SOON, client.read_exact(&mut answer)).await??;
    assert_eq!(&answer, b"held");
    let started = Instant::now();
    assert_eq!(ask(&mut client, b"again").await?, b"again");
    assert!(started.elapsed() >= delay, "{:?}", started.elapsed());
    Ok(())
}

async fn reset_takes_a_request_and_answers_with_a_reset() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut open = TcpStream::connect(proxy.addr()).await?;
    ask(&mut open, b"open,").await?;
    proxy.set(Mode::Reset);
    assert_eq!(timeout(SOON, open.read(&mut [0; 8])).await?.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut new = TcpStream::connect(proxy.addr()).await?;
    assert!(timeout(A_WHILE, new.read(&mut [0; 8])).await.is_err(), "it ended before a request came");
    new.write_all(b"request").await?;
    assert_eq!(timeout(SOON, new.read(&mut [0; 8])).await?.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!((proxy.bytes_up(), upstream.received.borrow().len()), (12, 5), "it was read, and not forwarded");
    Ok(())
}

async fn answer_answers_in_place_of_the_upstream() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    proxy.set(Mode::Answer("busy"));
    for _ in 0..2 {
        let mut client = TcpStream::connect(proxy.addr()).await?;
        client.write_all(b"request").await?;
        let mut answer = String::new();
        timeout(SOON, client.read_to_string(&mut answer)).await??;
        assert_eq!(answer, "busy");
    }
    assert!(upstream.received.borrow().is_empty());
    proxy.set(Mode::Pass);
    let mut client = TcpStream::connect(proxy.addr()).await?;
    assert_eq!(ask(&mut client, b"echo").await?, b"echo");
    Ok(())
}

async fn words_are_counted_wherever_they_are_cut() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    assert_eq!(proxy.times("word"), 0);
    let mut client = TcpStream::connect(proxy.addr()).await?;
    for piece in ["word, a wo", "rd, words, wor", "m"] {
        assert_eq!(ask(&mut client, piece.as_bytes()).await?, piece.as_bytes());
    }
    assert_eq!(proxy.times("word"), 3);
    Ok(())
}

async fn delay_holds_requests_that_long_and_in_order() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut client = TcpStream::connect(proxy.addr()).await?;
    ask(&mut client, b"open,").await?;

    let delay = Duration::from_millis(150);
    proxy.set(Mode::Delay(delay));
    let started = Instant::now();
    client.write_all(b"first,").await?;
    eventually(SOON, "the first piece arrives", || proxy.bytes_up() == 11).await;
    client.write_all(b"second").await?;
    let mut answer = [0; 12];
    timeout(SOON, client.read_exact(&mut answer)).await??;
    assert_eq!(&answer, b"first,second");
    assert!(started.elapsed() >= delay, "{:?}", started.elapsed());
    Ok(())
}

async fn leaving_delay_lets_go_of_what_is_held() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    proxy.set(Mode::Delay(Duration::from_secs(3600)));
    let mut client = TcpStream::connect(proxy.addr()).await?;
    client.write_all(b"held").await?;
    eventually(SOON, "the request arrives", || proxy.bytes_up() == 4).await;
    proxy.set(Mode::Pass);
    let mut answer = [0; 4];
    timeout(SOON, client.read_exact(&mut answer)).await??;
    assert_eq!(&answer, b"held");
    Ok(())
}

async fn a_delayed_request_outlives_its_sender() -> anyhow::Result<()> {
    let mut upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    proxy.set(Mode::Delay(Duration::from_millis(100)));
    let mut client = TcpStream::connect(proxy.addr()).await?;
    client.write_all(b"posted").await?;
    eventually(SOON, "the request arrives", || proxy.bytes_up() == 6).await;
    client.set_zero_linger()?;
    drop(client);
    upstream.received(b"posted").await;
    Ok(())
}

async fn hang_reaches_open_connections_and_its_requests_are_lost() -> anyhow::Result<()> {
    let mut upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut open = TcpStream::connect(proxy.addr()).await?;
    ask(&mut open, b"before").await?;

    proxy.set(Mode::Hang);
    let mut new = TcpStream::connect(proxy.addr()).await?;
    open.write_all(b"on an open one").await?;
    new.write_all(b"on a new one").await?;
    eventually(SOON, "both requests are read", || proxy.bytes_up() == 32).await;
    assert!(timeout(A_WHILE, open.read(&mut [0; 8])).await.is_err(), "an open connection goes on");
    // The sender of one is killed, and the other waits until the end of it.
    drop(new);

    proxy.set(Mode::Pass);
    assert_ended(&mut open).await;
    let mut after = TcpStream::connect(proxy.addr()).await?;
    assert_eq!(ask(&mut after, b"after").await?, b"after");
    upstream.received(b"beforeafter").await;
    Ok(())
}

async fn hang_accepts_even_without_an_upstream() -> anyhow::Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let proxy = FaultProxy::start(nobody).await?;
    proxy.set(Mode::Hang);
    let mut client = TcpStream::connect(proxy.addr()).await?;
    client.write_all(b"anybody?").await?;
    eventually(SOON, "the request is read", || proxy.bytes_up() == 8).await;
    assert!(timeout(A_WHILE, client.read(&mut [0; 8])).await.is_err(), "an answer from nobody");

    proxy.set(Mode::Pass);
    assert_ended(&mut client).await;
    assert_refused(&proxy).await;
    Ok(())
}

async fn a_hang_too_short_to_be_seen_cuts_all_the_same() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut client = TcpStream::connect(proxy.addr()).await?;
    ask(&mut client, b"before").await?;
    proxy.set(Mode::Hang);
    proxy.set(Mode::Pass);
    assert_ended(&mut client).await;
    Ok(())
}

async fn refuse_resets_open_and_new_connections() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut client = TcpStream::connect(proxy.addr()).await?;
    ask(&mut client, b"before").await?;
    proxy.set(Mode::Refuse);
    assert_ended(&mut client).await;
    assert_refused(&proxy).await;
    assert_eq!(proxy.connections(), 2);

    proxy.set(Mode::Pass);
    assert_eq!(ask(&mut TcpStream::connect(proxy.addr()).await?, b"after").await?, b"after");
    Ok(())
}

async fn lose_answers_forwards_the_request_and_drops_the_answer() -> anyhow::Result<()> {
    let mut upstream = Upstream::start().await?;
    let proxy = FaultProxy::start(upstream.addr).await?;
    let mut client = TcpStream::connect(proxy.addr()).await?;
    ask(&mut client, b"before").await?;
    proxy.set(Mode::LoseAnswers);
    client.write_all(b"posted").await?;
    upstream.received(b"beforeposted").await;
    eventually(SOON, "the answer is dropped", || proxy.bytes_lost() == 6).await;
    assert!(timeout(A_WHILE, client.read(&mut [0; 8])).await.is_err(), "an answer came through");

    // It would take the answer to its next request for the one it still waits for.
    proxy.set(Mode::Pass);
    assert_ended(&mut client).await;
    Ok(())
}

async fn lose_answers_hides_the_end_of_the_connection_too() -> anyhow::Result<()> {
    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = FaultProxy::start(upstream.local_addr()?).await?;
    let mut client = TcpStream::connect(proxy.addr()).await?;
    let (mut accepted, _) = timeout(SOON, upstream.accept()).await??;
    proxy.set(Mode::LoseAnswers);
    accepted.write_all(b"Published").await?;
    drop(accepted);
    eventually(SOON, "the answer is dropped", || proxy.bytes_lost() == 9).await;
    assert!(timeout(A_WHILE, client.read(&mut [0; 8])).await.is_err(), "the client knows that something happened");
    Ok(())
}

async fn ask(client: &mut TcpStream, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    client.write_all(request).await?;
    let mut answer = vec![0; request.len()];
    timeout(SOON, client.read_exact(&mut answer)).await??;
    Ok(answer)
}

async fn assert_ended(client: &mut TcpStream) {
    match timeout(SOON, client.read(&mut [0; 8])).await.expect("the connection ends") {
        Ok(read) => assert_eq!(read, 0, "bytes instead of the end"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// The reset may come before the client has seen its connection open.
async fn assert_refused(proxy: &FaultProxy) {
    match TcpStream::connect(proxy.addr()).await {
        Ok(mut client) => assert_ended(&mut client).await,
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Says back what it is told, and remembers it, over all connections.
struct Upstream {
    addr: SocketAddr,
    received: watch::Receiver<Vec<u8>>,
}

impl Upstream {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let (all, received) = watch::channel(Vec::new());
        // Ends with the runtime of the trial.
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let all = all.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(read @ 1..) = connection.read(&mut buffer).await {
                        all.send_modify(|all| all.extend_from_slice(&buffer[..read]));
                        // The proxy may have cut the connection by now, which is for the client to notice.
                        let _ = connection.write_all(&buffer[..read]).await;
                    }
                });
            }
        });
        Ok(Self { addr, received })
    }

    async fn received(&mut self, expected: &[u8]) {
        let seen = timeout(SOON, self.received.wait_for(|all| all.len() >= expected.len())).await;
        let all = seen.expect("the upstream gets it").expect("the upstream runs").escape_ascii().to_string();
        assert_eq!(all, expected.escape_ascii().to_string());
    }
}
