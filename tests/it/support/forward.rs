//! A TCP way to somewhere that can be cut and mended: a network outage for one test alone.
//!
//! Made closed: its port is taken and refuses connections until `open`.

use std::net::SocketAddr;

use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Cut for good when dropped.
pub struct Forward {
    pub addr: SocketAddr,
    to: SocketAddr,
    socket: Option<TcpSocket>,
    cut: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Forward {
    /// A port that nobody listens on, and that nobody else can get.
    pub fn closed(to: SocketAddr) -> Forward {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let addr = socket.local_addr().expect("bound");
        Forward { addr, to, socket: Some(socket), cut: watch::Sender::new(false), task: None }
    }

    /// Listens and forwards from now on.
    pub fn open(&mut self) {
        let listener = self.socket.take().expect("opened once").listen(64).expect("the port is ours");
        let (to, cut) = (self.to, self.cut.subscribe());
        self.task = Some(tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let cut = cut.clone();
                tokio::spawn(carry(near, to, cut));
            }
        }));
    }

    /// Ends every connection and every new one, or lets them through again.
    pub fn set_cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

async fn carry(mut near: TcpStream, to: SocketAddr, mut cut: watch::Receiver<bool>) {
    if *cut.borrow() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.cut.send_replace(true);
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
