//! A TCP server that follows a script, for the tests of the clients.
//!
//! It serves one connection, or several in turn, runs the steps in order and returns the text that it received. It
//! knows no protocol beyond the end of a line, of an HTTP request and of an email's content, so that a script can
//! break a call at any point.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use super::Timeouts;

/// One action of the server.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes the text.
    Send(&'static str),
    /// Reads one line, which must begin with this text.
    Expect(&'static str),
    /// Reads the content of an email up to the final dot.
    ReadContent,
    /// Reads one HTTP request: its head, and the body of its `Content-Length`.
    ReadRequest,
    /// Resets the connection.
    Reset,
    /// Sends nothing, and reads until the client closes.
    Hang,
}

/// A session from the greeting to the reply to DATA, without a refusal.
pub fn until_content() -> Vec<Step> {
    vec![
        Step::Send("220 relay.example\r\n"),
        Step::Expect("EHLO "),
        Step::Send("250-relay.example\r\n250 8BITMIME\r\n"),
        Step::Expect("MAIL FROM:<"),
        Step::Send("250 2.1.0 Ok\r\n"),
        Step::Expect("RCPT TO:<"),
        Step::Send("250 2.1.5 Ok\r\n"),
        Step::Expect("DATA"),
        Step::Send("354 go on\r\n"),
    ]
}

/// Starts the server for one connection; the task ends with the script and returns the received text.
pub async fn serve(steps: Vec<Step>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        play(stream, steps).await
    });
    (address, task)
}

/// Starts the server for several connections, one after the other; sends the received text of each after its end.
pub async fn serve_each(scripts: Vec<Vec<Step>>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (received, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for steps in scripts {
            let (stream, _) = listener.accept().await.expect("a connection");
            // An error means that the test has ended.
            let _ = received.send(play(stream, steps).await);
        }
    });
    (address, receiver)
}

/// An address that refuses connections.
pub async fn refusing_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

/// 20 s, so that a busy machine passes, or 1 s for a script that tests a timeout.
pub fn timeouts(steps: &[Step]) -> Timeouts {
    let hangs = steps.iter().any(|step| matches!(step, Step::Hang));
    let whole = Duration::from_millis(if hangs { 1_000 } else { 20_000 });
    Timeouts { connect: whole, http: whole, smtp: whole }
}

async fn play(stream: TcpStream, steps: Vec<Step>) -> String {
    let mut stream = BufReader::new(stream);
    let mut received = String::new();
    for step in steps {
        match step {
            Step::Send(text) => {
                // An error means that the client closed first, which some scripts expect.
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.flush().await;
            }
            Step::Expect(start) => {
                let mut line = String::new();
                stream.read_line(&mut line).await.expect("a line");
                assert!(line.starts_with(start), "expected {start:?}, received {line:?}");
                received.push_str(&line);
            }
            Step::ReadContent => read_until(&mut stream, &mut received, ".\r\n").await,
            Step::ReadRequest => read_request(&mut stream, &mut received).await,
            Step::Reset => {
                let _ = stream.get_ref().set_zero_linger();
                return received;
            }
            Step::Hang => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
        }
    }
    received
}

async fn read_until(stream: &mut BufReader<TcpStream>, received: &mut String, end: &str) {
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await.expect("a line");
        received.push_str(&line);
        if read == 0 || line == end {
            return;
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>, received: &mut String) {
    let start = received.len();
    read_until(stream, received, "\r\n").await;
    let head = received[start..].to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.expect("the whole body");
    received.push_str(&String::from_utf8_lossy(&body));
}
