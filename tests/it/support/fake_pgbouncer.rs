//! A pooler in transaction mode, in small: all clients share one session of the server, turn by turn.
//!
//! Each client's messages up to its Sync go out together, the answers up to ReadyForQuery are its own; what
//! it had prepared meets what others had prepared, as behind a PgBouncer that does not follow statements.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinHandle,
};

const SSL_REQUEST: [u8; 4] = 80_877_103_i32.to_be_bytes();

type Session = Arc<Mutex<Option<TcpStream>>>;

/// Ends when dropped.
pub struct Pooler {
    task: JoinHandle<()>,
}

impl Pooler {
    /// A pooler before the server of a URL, and the URL that takes it.
    pub async fn before(url: &str) -> (Pooler, String) {
        let mut url = url::Url::parse(url).expect("a URL");
        let there = (url.host_str().expect("a host").to_owned(), url.port().unwrap_or(5432));
        let to = tokio::net::lookup_host(there).await.expect("resolves").next().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listening");
        let addr = listener.local_addr().expect("bound");
        url.set_port(Some(addr.port())).expect("a port can be set");
        let task = tokio::spawn(async move {
            let session = Session::default();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, to, Arc::clone(&session)));
            }
        });
        (Pooler { task }, url.to_string())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, to: SocketAddr, session: Session) -> io::Result<()> {
    let mut greeting = start(&mut client).await?;
    if greeting[4..8] == SSL_REQUEST {
        client.write_all(b"N").await?;
        greeting = start(&mut client).await?;
    }
    // Each client is greeted by the server itself; only the first one's session is kept.
    let mut server = TcpStream::connect(to).await?;
    server.write_all(&greeting).await?;
    answer(&mut server, &mut client).await?;
    session.lock().await.get_or_insert(server);
    loop {
        let mut turn = Vec::new();
        loop {
            let message = message(&mut client).await?;
            let kind = message[0];
            if kind == b'X' {
                return Ok(());
            }
            turn.extend(message);
            if matches!(kind, b'S' | b'Q') {
                break;
            }
        }
        let mut session = session.lock().await;
        let server = session.as_mut().expect("kept since the first client");
        server.write_all(&turn).await?;
        answer(server, &mut client).await?;
    }
}

/// The first packet of a client has a length and no kind.
async fn start(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    client.read_exact(&mut packet).await?;
    let length = i32::from_be_bytes(packet[..4].try_into().expect("four bytes"));
    packet.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
    client.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

async fn message(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = i32::from_be_bytes(message[1..].try_into().expect("four bytes"));
    message.resize(1 + usize::try_from(length).map_err(io::Error::other)?, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}

/// Everything up to ReadyForQuery.
async fn answer(server: &mut TcpStream, client: &mut TcpStream) -> io::Result<()> {
    loop {
        let message = message(server).await?;
        client.write_all(&message).await?;
        if message[0] == b'Z' {
            return Ok(());
        }
    }
}
