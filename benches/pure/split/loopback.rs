//! The least that looks like Mailgun: one thread that reads a request to its end and says "Queued".
//!
//! Connections are kept and served one after the other; it ends with the process.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
};

const ANSWER: &str = r#"{"id":"<0199aa7c5d7e7c319a526b8a1f0e4d21.1@mg.blancapeak.example>",
"message":"Queued. Thank you."}"#;

/// Where it listens.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // An end of the connection is an end of the client.
            let _ = serve(stream);
        }
    });
    address
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", ANSWER.len());
    let answer = format!("{head}\r\n\r\n{ANSWER}");
    let mut read = Vec::new();
    let mut chunk = [0u8; 16 * 1024];
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        read.extend_from_slice(&chunk[..count]);
        if request_len(&read).is_some_and(|length| read.len() >= length) {
            read.clear();
            stream.write_all(answer.as_bytes())?;
        }
    }
}

/// Bytes of the request's head and body, once its head is there.
fn request_len(read: &[u8]) -> Option<usize> {
    let end = read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&read[..end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(end + length.unwrap_or_default())
}
