//! A load balancer for TCP: the next backend in turn, and the one after it where nobody listens.

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
    /// In front of backends, of which some may be down at any time.
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
        // What fails here is a connection that was gone before it was accepted.
        let Ok((client, _)) = listener.accept().await else { continue };
        upstreams.rotate_left(1);
        // An error is one of the two having gone.
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
    // As a machine answers on whose port nobody listens, or nearly.
    client.set_zero_linger()
}
