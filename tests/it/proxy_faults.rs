//! The fault proxy itself: it does what it says, or a test that uses it proves nothing.
//!
//! Against a server that echoes line by line.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::proxy::{Cut, Fault, Proxy, Way};

/// A server that answers each line with the same line.
async fn echo() -> (Proxy, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listening");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (Proxy::to(address), serving)
}

/// The bytes that come back for a line, until the connection ends or the line is whole.
async fn say(proxy: &Proxy, line: &str) -> String {
    let mut stream = TcpStream::connect(proxy.addr).await.expect("connected");
    stream.write_all(format!("{line}\n").as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let mut piece = [0; 64];
        match tokio::time::timeout(Duration::from_millis(500), stream.read(&mut piece)).await {
            Ok(Ok(read)) if read > 0 => answer.extend_from_slice(&piece[..read]),
            _ => break,
        }
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_cuts_where_it_is_told_and_lets_the_next_connection_pass() {
    let (proxy, serving) = echo().await;
    assert_eq!(say(&proxy, "hello").await, "hello\n");
    for (fault, came) in [
        (Fault::CutAt(b"COMMIT".to_vec(), Cut::Before), ""),
        (Fault::CutAt(b"COMMIT".to_vec(), Cut::After), "so COMMIT"),
        (Fault::CutAfter(4), "so C"),
    ] {
        proxy.set(Way::Down, fault.clone());
        let answer = say(&proxy, "so COMMIT now").await;
        assert!(answer.starts_with(came) && !answer.ends_with('\n'), "{fault:?}: {answer:?}");
        assert_eq!(say(&proxy, "again COMMIT").await, "again COMMIT\n", "{fault:?} strikes once");
    }
    assert_eq!(proxy.counts().struck, 3);
    drop(proxy);
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_takes_everything_and_gives_nothing() {
    let (proxy, serving) = echo().await;
    proxy.set_both(&Fault::Swallow);
    assert_eq!(say(&proxy, "hello").await, "");
    assert_eq!(proxy.counts().swallowed, 6);
    proxy.set_both(&Fault::Pass);
    assert_eq!(say(&proxy, "hello").await, "hello\n");
    drop(proxy);
    serving.abort();
}
