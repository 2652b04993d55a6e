//! A load balancer for TCP: it uses the backends in turn, and skips those that do not listen.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Ends, with all its connections, when dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// Starts one in front of backends, which may be down at any time.
    pub(crate) async fn start(upstreams: Vec<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self { addr: listener.local_addr()?, accepting: tokio::spawn(accept(listener, upstreams)) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, mut upstreams: Vec<SocketAddr>) {
    // Dropped with this task, which ends all connections.
    let mut connections = JoinSet::new();
    loop {
        // An error is a connection that ended before it was accepted.
        let Ok((client, _)) = listener.accept().await else { continue };
        upstreams.rotate_left(1);
        // An error means that one of the two has closed the connection.
        connections.spawn(serve(client, upstreams.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, upstreams: Vec<SocketAddr>) -> io::Result<()> {
    client.set_nodelay(true)?;
    for addr in upstreams {
        if let Ok(mut upstream) = TcpStream::connect(addr).await {
            upstream.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut upstream).await?;
            return Ok(());
        }
    }
    // A reset, similar to the response of a machine on which nothing listens on this port.
    client.set_zero_linger()
}
