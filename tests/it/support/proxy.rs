//! A fault proxy: a TCP relay with faults at a test's command.
//!
//! Each direction has its fault, switchable while bytes flow; faults that end a connection strike once and then
//! let everything pass again, so that a test sees the recovery. Faults are counted.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use super::wait;

/// The direction of the bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    /// From the connecting side.
    Up = 0,
    /// From the server behind.
    Down = 1,
}

/// The fault on the bytes of one direction.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Fault {
    #[default]
    Pass,
    /// Each piece comes so much later.
    Delay(Duration),
    /// Taken and thrown away. On both ways: a black hole.
    Swallow,
    /// Not even taken: the sender's buffers fill.
    Stall,
    /// The receiver hears that nothing more comes; what comes all the same is thrown away.
    HalfClose,
    /// After so many more bytes the connection ends; once.
    CutAfter(u64),
    /// Where these bytes come by, the connection ends; once.
    CutAt(Vec<u8>, Cut),
    /// Where the first bytes come by, the second, as many, are passed on instead; once.
    Rewrite(Vec<u8>, Vec<u8>),
}

/// How far the bytes come that a cut waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    Before,
    After,
    /// They are passed on and so is what follows them; the first byte of the answer is not.
    Unanswered,
}

/// The faults of a proxy so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    pub connections: u64,
    /// Faults that strike once and did.
    pub struck: u64,
    /// Bytes passed on, up and down.
    pub passed: [u64; 2],
    /// Bytes thrown away.
    pub swallowed: u64,
}

/// Ends every connection when dropped.
pub struct Proxy {
    pub addr: SocketAddr,
    to: SocketAddr,
    socket: Option<TcpSocket>,
    task: Option<JoinHandle<()>>,
    line: Arc<Line>,
}

/// State that all connections of a proxy share.
struct Line {
    faults: [watch::Sender<Fault>; 2],
    /// Ends whatever is there, and every new one.
    cut: watch::Sender<bool>,
    /// Connections numbered below are forsaken: nothing passes, and neither side is told.
    forsaken: watch::Sender<u64>,
    resets: AtomicBool,
    connections: AtomicU64,
    struck: AtomicU64,
    passed: [AtomicU64; 2],
    swallowed: AtomicU64,
}

impl Proxy {
    /// A port without a listener, reserved for this proxy, until `open`.
    pub fn closed(to: SocketAddr) -> Proxy {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let addr = socket.local_addr().expect("bound");
        let line = Arc::new(Line {
            faults: [watch::Sender::new(Fault::Pass), watch::Sender::new(Fault::Pass)],
            cut: watch::Sender::new(false),
            forsaken: watch::Sender::new(0),
            resets: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            swallowed: AtomicU64::new(0),
        });
        Proxy { addr, to, socket: Some(socket), task: None, line }
    }

    /// An open way to an address.
    pub fn to(to: SocketAddr) -> Proxy {
        let mut proxy = Proxy::closed(to);
        proxy.open();
        proxy
    }

    /// An open way to the server of a URL, and the URL that takes it.
    pub async fn before(url: &str) -> (Proxy, String) {
        let mut url = url::Url::parse(url).expect("a URL");
        let port = url.port().unwrap_or(if url.scheme() == "amqp" { 5672 } else { 5432 });
        let there = (url.host_str().expect("a host").to_owned(), port);
        let to = tokio::net::lookup_host(there).await.expect("resolves").next().expect("an address");
        let proxy = Proxy::to(to);
        url.set_host(Some(&proxy.addr.ip().to_string())).expect("a host can be set");
        url.set_port(Some(proxy.addr.port())).expect("a port can be set");
        (proxy, url.to_string())
    }

    /// Listens and forwards from now on.
    pub fn open(&mut self) {
        let listener = self.socket.take().expect("opened once").listen(64).expect("the port is ours");
        self.task = Some(tokio::spawn(accept(listener, self.to, Arc::clone(&self.line))));
    }

    pub fn set(&self, way: Way, fault: Fault) {
        self.line.faults[way as usize].send_replace(fault);
    }

    pub fn set_both(&self, fault: &Fault) {
        self.set(Way::Up, fault.clone());
        self.set(Way::Down, fault.clone());
    }

    /// Ends every connection and every new one, or lets them through again.
    pub fn set_cut(&self, cut: bool) {
        self.line.cut.send_replace(cut);
    }

    /// From now on connections end by reset instead of by close.
    pub fn with_resets(self) -> Proxy {
        self.line.resets.store(true, Ordering::SeqCst);
        self
    }

    /// The server of all connections so far dies without a word; new ones reach its successor.
    pub fn forsake(&self) {
        self.line.forsaken.send_replace(self.line.connections.load(Ordering::SeqCst));
    }

    pub fn counts(&self) -> Counts {
        let load = |number: &AtomicU64| number.load(Ordering::SeqCst);
        Counts {
            connections: load(&self.line.connections),
            struck: load(&self.line.struck),
            passed: [load(&self.line.passed[0]), load(&self.line.passed[1])],
            swallowed: load(&self.line.swallowed),
        }
    }

    /// Waits until so many faults that strike once have.
    pub async fn has_struck(&self, times: u64) {
        wait::until(&format!("{times} faults have struck"), || async { self.counts().struck >= times }).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set_cut(true);
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, line: Arc<Line>) {
    while let Ok((near, _)) = listener.accept().await {
        let number = line.connections.fetch_add(1, Ordering::SeqCst);
        let line = Arc::clone(&line);
        if !*line.cut.borrow() {
            tokio::spawn(carry(near, to, number, line));
        }
    }
}

async fn carry(mut near: TcpStream, to: SocketAddr, number: u64, line: Arc<Line>) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    // Small pieces must not wait for one another: the delays here are to be the test's.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let mut cut = line.cut.subscribe();
    let unanswered = AtomicBool::new(false);
    {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        let pump =
            |way| Pump { way, line: &line, number, unanswered: &unanswered, tail: Vec::new(), taken: 0 };
        let both = async {
            tokio::try_join!(
                pump(Way::Up).run(near_read, far_write),
                pump(Way::Down).run(far_read, near_write)
            )
        };
        tokio::select! {
            _ = both => {}
            _ = cut.wait_for(|cut| *cut) => {}
        }
    }
    if line.resets.load(Ordering::SeqCst) {
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// The connection ends, both ways.
struct Ended;

/// One direction of one connection.
struct Pump<'a> {
    way: Way,
    line: &'a Line,
    number: u64,
    /// The other way's next bytes are the answer that must not come.
    unanswered: &'a AtomicBool,
    /// The last bytes passed on: a pattern may begin in them.
    tail: Vec<u8>,
    /// Bytes since the fault was set.
    taken: u64,
}

impl Pump<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Ended> {
        let mut faults = self.line.faults[self.way as usize].subscribe();
        let mut forsaken = self.line.forsaken.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        let (mut fault, mut ended) = (Fault::Pass, false);
        loop {
            if *forsaken.borrow_and_update() > self.number {
                // Neither side is told, and neither side's end is noticed.
                std::future::pending::<()>().await;
            }
            let now = faults.borrow_and_update().clone();
            if now != fault {
                (fault, self.taken) = (now, 0);
            }
            if fault == Fault::HalfClose || (ended && fault != Fault::Swallow) {
                let _ = to.shutdown().await;
            }
            if ended && fault != Fault::Swallow {
                return Ok(());
            }
            let read = tokio::select! {
                biased;
                _ = faults.changed() => continue,
                _ = forsaken.changed() => continue,
                read = from.read(&mut buffer), if fault != Fault::Stall && !ended => read,
            };
            match read {
                Ok(count @ 1..) => self.pass(&fault, &mut buffer[..count], &mut to).await?,
                Ok(0) | Err(_) => ended = true,
            }
        }
    }

    async fn pass(&mut self, fault: &Fault, piece: &mut [u8], to: &mut WriteHalf<'_>) -> Result<(), Ended> {
        if self.way == Way::Down && self.unanswered.load(Ordering::SeqCst) {
            return Err(Ended);
        }
        match fault {
            Fault::Pass | Fault::Stall => self.forward(piece, to).await,
            Fault::Delay(delay) => {
                wait::elapse(*delay).await;
                self.forward(piece, to).await
            }
            Fault::Swallow | Fault::HalfClose => {
                self.line.swallowed.fetch_add(piece.len() as u64, Ordering::SeqCst);
                Ok(())
            }
            Fault::CutAfter(most) => {
                let left = usize::try_from(most - self.taken).unwrap_or(usize::MAX).min(piece.len());
                self.taken += left as u64;
                self.forward(&piece[..left], to).await?;
                if self.taken == *most && self.strike(fault) {
                    Err(Ended)
                } else {
                    self.forward(&piece[left..], to).await
                }
            }
            Fault::CutAt(bytes, cut) => match self.find(bytes, piece) {
                Some(found) if self.strike(fault) => self.cut(found, *cut, piece, to).await,
                _ => self.forward(piece, to).await,
            },
            Fault::Rewrite(bytes, with) => {
                // Only within one piece: bytes that are gone already cannot be rewritten.
                let found = piece.windows(bytes.len()).position(|window| window == bytes);
                if let Some(at) = found.filter(|_| self.strike(fault)) {
                    piece[at..at + with.len()].copy_from_slice(with);
                }
                self.forward(piece, to).await
            }
        }
    }

    async fn cut(
        &mut self,
        (start, end): (usize, usize),
        cut: Cut,
        piece: &[u8],
        to: &mut WriteHalf<'_>,
    ) -> Result<(), Ended> {
        let passed = match cut {
            Cut::Before => start,
            Cut::After => end,
            Cut::Unanswered => {
                self.unanswered.store(true, Ordering::SeqCst);
                piece.len()
            }
        };
        self.forward(&piece[..passed], to).await?;
        if cut == Cut::Unanswered { Ok(()) } else { Err(Ended) }
    }

    /// Where the bytes begin and end in this piece; they may have begun in an earlier one.
    fn find(&self, bytes: &[u8], piece: &[u8]) -> Option<(usize, usize)> {
        let kept = self.tail.len().min(bytes.len() - 1);
        let joined = [&self.tail[self.tail.len() - kept..], piece].concat();
        let at = joined.windows(bytes.len()).position(|window| window == bytes)?;
        Some((at.saturating_sub(kept), at + bytes.len() - kept))
    }

    async fn forward(&mut self, piece: &[u8], to: &mut WriteHalf<'_>) -> Result<(), Ended> {
        to.write_all(piece).await.map_err(|_| Ended)?;
        self.line.passed[self.way as usize].fetch_add(piece.len() as u64, Ordering::SeqCst);
        self.tail.extend_from_slice(piece);
        let kept = self.tail.len().saturating_sub(PATTERN_MAX);
        self.tail.drain(..kept);
        Ok(())
    }

    /// Whether this connection is the one on which a fault strikes; everything passes from then on.
    fn strike(&self, fault: &Fault) -> bool {
        let first = self.line.faults[self.way as usize].send_if_modified(|now| {
            let first = now == fault;
            if first {
                *now = Fault::Pass;
            }
            first
        });
        self.line.struck.fetch_add(u64::from(first), Ordering::SeqCst);
        first
    }
}

/// Longest pattern that may lie across two pieces.
const PATTERN_MAX: usize = 64;
