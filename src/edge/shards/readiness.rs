//! Waiting for what a client does while its stream is held: it goes, or it reads again.

use std::{io, sync::Arc};

use tokio::net::TcpStream;

use crate::edge::held::{Command, SessionId, ShardHandle};

/// Tells the shard when the client has gone. What it sends meanwhile is thrown away: a request behind one that is
/// held for ever will not be answered.
pub(in crate::edge) fn until_gone(socket: Arc<TcpStream>, id: SessionId, shard: ShardHandle) {
    tokio::spawn(async move {
        while socket.readable().await.is_ok() {
            match socket.try_read(&mut [0; 256]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        shard.send(Command::Gone(id));
    });
}

/// Tells the shard when the client's socket takes bytes again.
pub(in crate::edge) fn until_writable(socket: Arc<TcpStream>, id: SessionId, shard: ShardHandle) {
    tokio::spawn(async move {
        // An error shows at the next write.
        let _ = socket.writable().await;
        shard.send(Command::Writable(id));
    });
}
