//! A server that answers every call with the same words, over TLS or not, and keeps the calls.
//!
//! For faults that the simulated providers do not have: certificates that fit no host, one id for two messages,
//! and addresses that must not be called at all.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, Stream,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Longest silence of a client.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The way to its certificate's authority, for SSL_CERT_FILE.
pub const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/authority.pem");

/// Ends when dropped.
pub struct StaticServer {
    pub addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
}

impl StaticServer {
    /// `certificate`: a file of `fixtures/tls`, or none for no TLS. `answer`: a body of JSON.
    pub fn start(certificate: Option<&str>, answer: &'static str) -> StaticServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let tls = certificate.map(|name| Arc::new(tls(name)));
        let (asked, stopping) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let server = StaticServer { addr, asked: Arc::clone(&asked), stopping: Arc::clone(&stopping) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (asked, tls) = (Arc::clone(&asked), tls.clone());
                // A client that does not believe us breaks off: that is what it is for.
                std::thread::spawn(move || client.and_then(|client| serve(client, tls, answer, &asked)));
            }
        });
        server
    }

    /// Every call so far, head and body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic while locked").clone()
    }
}

impl Drop for StaticServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.addr));
    }
}

fn tls(certificate: &str) -> ServerConfig {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    let chain = CertificateDer::from_pem_file(format!("{folder}/{certificate}.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/server.key")).expect("its key");
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("the key fits")
}

fn serve(
    mut client: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    answer: &str,
    asked: &Mutex<Vec<String>>,
) -> io::Result<()> {
    client.set_read_timeout(Some(SILENCE_MAX))?;
    match tls {
        None => converse(&mut client, answer, asked),
        Some(config) => {
            let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
            converse(&mut Stream::new(&mut session, &mut client), answer, asked)
        }
    }
}

fn converse(client: &mut (impl Read + Write), answer: &str, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut read = Vec::new();
    let mut buffer = [0; 4_096];
    while !is_whole(&read) {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        read.extend_from_slice(&buffer[..count]);
    }
    asked.lock().expect("no panic while locked").push(String::from_utf8_lossy(&read).into_owned());
    write!(
        client,
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    )?;
    client.flush()
}

fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
