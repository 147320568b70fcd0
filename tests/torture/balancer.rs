//! One address for a fleet that dies all the time: TCP connections go to a worker that lives.
//!
//! A connection stays with its worker to the end, as with any plain balancer; what a frozen or dying
//! worker does to it is what providers really see.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::fleet::Fleet;

/// Listens until dropped.
pub struct Balancer(JoinHandle<()>);

impl Balancer {
    pub async fn start(address: SocketAddr, fleet: Arc<Fleet>) -> std::io::Result<Balancer> {
        let listener = TcpListener::bind(address).await?;
        let next = Arc::new(AtomicUsize::new(0));
        Ok(Balancer(tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (fleet, next) = (Arc::clone(&fleet), Arc::clone(&next));
                tokio::spawn(async move { carry(near, &fleet, &next).await });
            }
        })))
    }
}

async fn carry(mut near: TcpStream, fleet: &Fleet, next: &AtomicUsize) {
    let addresses = fleet.open_addresses();
    let first = next.fetch_add(1, Ordering::Relaxed);
    for place in 0..addresses.len() {
        let address = addresses[(first + place) % addresses.len()];
        if let Ok(mut far) = TcpStream::connect(address).await {
            drop(copy_bidirectional(&mut near, &mut far).await);
            return;
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
