//! A TCP server that follows a script: what the clients' tests speak to.
//!
//! Only for the tests of `providers`. It serves one connection, or several in turn, plays the steps in
//! order and gives back what it heard. It knows no protocol beyond where a command line, an HTTP call or
//! an email's content ends, so that a script can break any of them at any point.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use super::connect::Timeouts;

/// One thing that the server does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes text as it is.
    Say(&'static str),
    /// Reads one line, which must begin like this.
    Hear(&'static str),
    /// Reads the content of an email up to the line with the dot.
    HearContent,
    /// Reads a whole HTTP call: its head, and as much body as the head says.
    HearCall,
    /// Breaks the connection at once.
    Reset,
    /// Says nothing more, and stays until the client leaves.
    Hang,
}

/// Greeting to DATA of an email that meets no objection.
pub fn until_content() -> Vec<Step> {
    vec![
        Step::Say("220 relay.example\r\n"),
        Step::Hear("EHLO "),
        Step::Say("250-relay.example\r\n250 8BITMIME\r\n"),
        Step::Hear("MAIL FROM:<"),
        Step::Say("250 2.1.0 Ok\r\n"),
        Step::Hear("RCPT TO:<"),
        Step::Say("250 2.1.5 Ok\r\n"),
        Step::Hear("DATA"),
        Step::Say("354 go on\r\n"),
    ]
}

/// Starts the server; the task ends with the script and returns all that was heard.
pub async fn serve(steps: Vec<Step>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        play(stream, steps).await
    });
    (address, task)
}

/// The same for several connections, one after the other; says what each heard once it is closed.
pub async fn serve_each(scripts: Vec<Vec<Step>>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (over, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for steps in scripts {
            let (stream, _) = listener.accept().await.expect("a connection");
            // A test that has seen enough no longer listens.
            let _ = over.send(play(stream, steps).await);
        }
    });
    (address, heard)
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

/// Long enough for a busy machine where the script answers, short where silence is what is tested.
pub fn timeouts(steps: &[Step]) -> Timeouts {
    let silent = steps.iter().any(|step| matches!(step, Step::Hang));
    let whole = Duration::from_millis(if silent { 1_000 } else { 20_000 });
    Timeouts { connect: whole, http: whole, smtp: whole }
}

async fn play(stream: TcpStream, steps: Vec<Step>) -> String {
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    for step in steps {
        match step {
            Step::Say(text) => {
                // A client that already left is the client's business.
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.flush().await;
            }
            Step::Hear(start) => {
                let mut line = String::new();
                stream.read_line(&mut line).await.expect("a line");
                assert!(line.starts_with(start), "expected {start:?}, heard {line:?}");
                heard.push_str(&line);
            }
            Step::HearContent => hear_until(&mut stream, &mut heard, ".\r\n").await,
            Step::HearCall => hear_call(&mut stream, &mut heard).await,
            Step::Reset => {
                let _ = stream.get_ref().set_zero_linger();
                return heard;
            }
            Step::Hang => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
        }
    }
    heard
}

async fn hear_until(stream: &mut BufReader<TcpStream>, heard: &mut String, end: &str) {
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await.expect("a line");
        heard.push_str(&line);
        if read == 0 || line == end {
            return;
        }
    }
}

async fn hear_call(stream: &mut BufReader<TcpStream>, heard: &mut String) {
    let start = heard.len();
    hear_until(stream, heard, "\r\n").await;
    let head = heard[start..].to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.expect("the whole body");
    heard.push_str(&String::from_utf8_lossy(&body));
}
