//! Tasks that wait on the socket of a held stream: until the client closes it, or until it can be written to again.

use std::{io, sync::Arc};

use tokio::net::TcpStream;

use crate::edge::{
    commands::{Command, ShardHandle},
    held::SessionId,
};

/// Sends [`Command::ClientGone`] when the client has closed the connection. What it sends meanwhile is discarded: a
/// request after a held one is never answered.
pub(super) fn notify_when_closed(socket: Arc<TcpStream>, id: SessionId, shard: ShardHandle) {
    tokio::spawn(async move {
        while socket.readable().await.is_ok() {
            match socket.try_read(&mut [0; 256]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        shard.send(Command::ClientGone(id));
    });
}

/// Sends [`Command::Writable`] when the socket can be written to again.
pub(super) fn notify_when_writable(socket: Arc<TcpStream>, id: SessionId, shard: ShardHandle) {
    tokio::spawn(async move {
        // The next write returns the error, if there is one.
        let _ = socket.writable().await;
        shard.send(Command::Writable(id));
    });
}
