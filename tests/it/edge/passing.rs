//! Upgraded connections, which pass unchanged, and streams for HTTP/1.0 clients.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinHandle,
    time::Instant,
};

use super::{Setup, hold, stream_item};
use crate::support::{
    edge::Edge,
    http1::{Framing, Head, read_head},
    stack::SOON,
    trials::trials,
    wire::{Connection, Request},
};

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => an_upgraded_connection_passes_bytes_both_ways,
        [] => an_upgraded_connection_counts_against_the_limit_while_it_is_open,
        [] => an_upgraded_connection_ends_with_the_edge,
        [] => an_http_1_0_client_gets_its_stream_without_chunks,
    ]
}

/// A backend that upgrades the connection, sends `hello`, and then echoes what it receives in capitals.
struct Shouter {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Shouter {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let Ok(Some(head)) = read_head(&mut socket).await else { return };
                    let _ = socket.write_all(&Self::answer(&head)).await;
                    let mut piece = [0; 64];
                    while let Ok(read @ 1..) = socket.read(&mut piece).await {
                        let _ = socket.write_all(&piece[..read].to_ascii_uppercase()).await;
                    }
                });
            }
        });
        Ok(Self { addr, serving })
    }

    fn answer(head: &Head) -> Vec<u8> {
        let value = |name: &str| head.headers.get(name).unwrap_or_default().to_ascii_lowercase();
        if value("connection") != "upgrade" || value("upgrade") != "shouting" || head.headers.get("grip-sig").is_none()
        {
            return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shouting\r\nX-Own: 1\r\n\r\nhello"
            .to_vec()
    }
}

impl Drop for Shouter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Opens an upgraded connection, and reads the greeting.
async fn upgraded(to: SocketAddr) -> anyhow::Result<Connection> {
    let mut connection = Connection::open(to).await?;
    let request = Request::get("/").header("Connection", "Upgrade").header("Upgrade", "shouting");
    connection.write(&request.bytes()).await?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let line = connection.line().await?;
        ensure!(!line.is_empty(), "the connection ended after {head:?}");
        head.push_str(&line);
    }
    ensure!(head.starts_with("HTTP/1.1 101 "), "{head}");
    ensure!(head.to_ascii_lowercase().contains("\r\nupgrade: shouting\r\n"), "{head}");
    ensure!(head.to_ascii_lowercase().contains("\r\nx-own: 1\r\n"), "{head}");
    assert_eq!(connection.bytes(5).await?, b"hello");
    Ok(connection)
}

async fn an_upgraded_connection_passes_bytes_both_ways() -> anyhow::Result<()> {
    let backend = Shouter::start().await?;
    let edge = Edge::start(backend.addr).await?;
    let mut connection = upgraded(edge.http_addr()).await?;
    for _ in 0..3 {
        connection.write(b"louder, please").await?;
        assert_eq!(connection.bytes(14).await?, b"LOUDER, PLEASE");
    }
    Ok(())
}

async fn an_upgraded_connection_counts_against_the_limit_while_it_is_open() -> anyhow::Result<()> {
    let backend = Shouter::start().await?;
    let edge = Edge::start_with(backend.addr, &[("MAX_CONNECTIONS", "1")]).await?;
    let connection = upgraded(edge.http_addr()).await?;
    assert_eq!(Request::get("/").send(edge.http_addr()).await?.status, 503);
    drop(connection);
    let started = Instant::now();
    while Request::get("/").send(edge.http_addr()).await?.status == 503 {
        ensure!(started.elapsed() < SOON, "no other client is accepted");
    }
    Ok(())
}

async fn an_upgraded_connection_ends_with_the_edge() -> anyhow::Result<()> {
    let backend = Shouter::start().await?;
    let mut edge = Edge::start(backend.addr).await?;
    let mut connection = upgraded(edge.http_addr()).await?;
    let signalled = Instant::now();
    edge.stop().await?;
    ensure!(signalled.elapsed() < Duration::from_secs(8), "{:?}", signalled.elapsed());
    connection.closed_within(SOON).await?;
    Ok(())
}

async fn an_http_1_0_client_gets_its_stream_without_chunks() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let a = setup.channel("a");
    setup.answer("", hold("body ").header("Grip-Channel", &a));
    let mut connection = Connection::open(setup.http_addr()).await?;
    connection.write(format!("GET {} HTTP/1.0\r\nHost: wire.test\r\n\r\n", setup.path("")).as_bytes()).await?;
    let mut answer = connection.answer().await.context("an answer")?;
    assert_eq!((answer.status, answer.framing), (200, Framing::Open));
    answer.reads("body ").await?;
    setup.publish(&[stream_item(&a, "one "), stream_item(&a, "two")]).await?;
    answer.reads("body one two").await?;
    setup.publish(&[json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } })]).await?;
    answer.ends_as("body one two").await
}
