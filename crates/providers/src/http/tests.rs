//! Which connection a call goes over, and that none is made twice.
//!
//! Against a scripted server: a call that came a second time, or over a line that it must not use, finds
//! no step of the script that answers it. What the answers mean is tested beside each provider.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, header::HeaderValue};
use hyper_util::client::proxy::matcher::Matcher;
use tokio::net::{TcpListener, TcpStream};

use super::{
    caller::{ANSWER_BYTES_MAX, Posting, ProviderAddress, ProviderClient},
    client::POOL_IDLE,
    http_client,
    line::{Call, SendError},
};
use crate::{
    Outcome, RefusalKind,
    answer::{Answer, Body},
    scripted::{self, Step, serve_each},
};

const OK: Step = Step::Say("HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nok");
const LAST: Step = Step::Say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");

fn place(base_url: String) -> ProviderAddress {
    ProviderAddress {
        base_url,
        posting_path: "/send?a=b".to_owned(),
        user: "me".to_owned(),
        secret: "it".into(),
    }
}

fn caller(base_url: String, timeout: Duration) -> ProviderClient {
    let timeouts = scripted::timeouts(&[]);
    ProviderClient::new(&http_client(&timeouts).expect("a client"), place(base_url), timeout)
}

fn patient(address: SocketAddr) -> ProviderClient {
    caller(format!("http://{address}/v1/"), Duration::from_secs(20))
}

async fn send(caller: &ProviderClient) -> Result<Answer, Outcome> {
    caller.send(HeaderValue::from_static("text/plain"), "words").await
}

async fn ok(caller: &ProviderClient) {
    let answer = send(caller).await.expect("an answer");
    assert_eq!((answer.status, answer.body), (200, Body::Read(b"ok".to_vec())));
}

fn unknown(code: &str) -> Outcome {
    Outcome::Unknown { code: code.to_owned() }
}

/// Whatever the system knows about any connection, the runtime knows after this.
async fn news() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    assert!(accepted.is_ok() && connected.is_ok());
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_line_and_say_all_that_they_must() {
    let script = vec![Step::HearCall, OK, Step::HearCall, OK, Step::HearCall, LAST];
    let (address, mut heard) = serve_each(vec![script]).await;
    let caller = patient(address);
    for _ in 0..3 {
        ok(&caller).await;
    }
    let heard = heard.recv().await.expect("one connection");
    let version = env!("CARGO_PKG_VERSION");
    let call = format!(
        "POST /v1/send?a=b HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic bWU6aXQ=\r\n\
         user-agent: postrider/{version}\r\naccept: */*\r\ncontent-type: text/plain\r\n\
         content-length: 5\r\n\r\nwords"
    );
    assert_eq!(heard, call.repeat(3));
}

#[tokio::test]
async fn calls_at_once_have_a_line_each() {
    let (address, _heard) = serve_each(vec![vec![Step::HearCall, LAST], vec![Step::HearCall, LAST]]).await;
    let caller = patient(address);
    tokio::join!(ok(&caller), ok(&caller));
}

#[tokio::test]
async fn a_line_that_the_provider_closed_while_it_waited_is_not_used() {
    let (address, mut heard) = serve_each(vec![vec![Step::HearCall, OK], vec![Step::HearCall, OK]]).await;
    let caller = patient(address);
    for _ in 0..2 {
        ok(&caller).await;
        let heard = heard.recv().await.expect("closed");
        assert_eq!(heard.matches("POST ").count(), 1);
        news().await;
    }
}

#[tokio::test]
async fn a_line_on_which_something_came_unasked_is_not_used() {
    let unasked = Step::Say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    let scripts = vec![vec![Step::HearCall, OK, unasked], vec![Step::HearCall, OK]];
    let (address, mut heard) = serve_each(scripts).await;
    let caller = patient(address);
    ok(&caller).await;
    heard.recv().await.expect("closed");
    news().await;
    ok(&caller).await;
}

#[tokio::test]
async fn an_answer_that_announces_the_end_of_its_line_is_the_last_there() {
    let scripts = vec![vec![Step::HearCall, LAST, Step::Hang], vec![Step::HearCall, LAST]];
    let (address, mut heard) = serve_each(scripts).await;
    let caller = patient(address);
    ok(&caller).await;
    // The server hangs until the client has closed.
    assert_eq!(heard.recv().await.expect("closed").matches("POST ").count(), 1);
    ok(&caller).await;
}

#[tokio::test]
async fn a_call_that_is_cut_off_takes_its_line_along_and_is_not_made_again() {
    let scripts = vec![vec![Step::HearCall, OK, Step::HearCall, Step::Hang], vec![Step::HearCall, OK]];
    let (address, mut heard) = serve_each(scripts).await;
    let caller = caller(format!("http://{address}"), Duration::from_secs(1));
    ok(&caller).await;
    assert_eq!(send(&caller).await, Err(unknown("timeout")));
    assert_eq!(heard.recv().await.expect("closed by the caller").matches("POST ").count(), 2);
    ok(&caller).await;
    assert_eq!(heard.recv().await.expect("another connection").matches("POST ").count(), 1);
}

#[tokio::test]
async fn a_kept_line_that_breaks_under_a_call_is_no_reason_to_make_it_again() {
    let scripts = vec![vec![Step::HearCall, OK, Step::HearCall, Step::Reset], vec![Step::HearCall, OK]];
    let (address, mut heard) = serve_each(scripts).await;
    let caller = patient(address);
    ok(&caller).await;
    assert_eq!(send(&caller).await, Err(unknown("reset")));
    assert_eq!(heard.recv().await.expect("broken").matches("POST ").count(), 2);
    ok(&caller).await;
    assert_eq!(heard.recv().await.expect("another connection").matches("POST ").count(), 1);
}

#[tokio::test]
async fn a_line_that_ended_before_the_first_byte_gives_the_call_back() {
    let (address, mut heard) = serve_each(vec![vec![]]).await;
    let caller = patient(address);
    let Posting::Direct(outlet) = &caller.posting else { panic!("no proxy here") };
    let mut line = outlet.dialer.dial(&outlet.host).await.expect("a connection");
    heard.recv().await.expect("closed");
    news().await;
    let call = Call::new(Full::new(Bytes::from("words")));
    let Err(SendError::Unwritten(call)) = line.hear(call).await else { panic!("nothing was written") };
    assert_eq!(call.into_body().collect().await.expect("whole").to_bytes(), "words");
}

#[tokio::test]
async fn a_dropped_call_closes_its_line() {
    let (address, mut heard) = serve_each(vec![vec![Step::HearCall, Step::Hang]]).await;
    let caller = patient(address);
    tokio::select! {
        biased;
        _ = send(&caller) => panic!("nothing was answered"),
        () = news() => {}
    }
    heard.recv().await.expect("closed");
}

#[tokio::test]
async fn an_endless_answer_is_read_to_the_limit_and_its_line_closed() {
    let page: &'static str = Box::leak("x".repeat(ANSWER_BYTES_MAX).into_boxed_str());
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n";
    let scripts = vec![vec![Step::HearCall, Step::Say(head), Step::Say(page), Step::Hang]];
    let (address, mut heard) = serve_each(scripts).await;
    let answer = send(&patient(address)).await.expect("an answer");
    let Body::Read(bytes) = answer.body else { panic!("read") };
    assert_eq!(bytes.len(), ANSWER_BYTES_MAX);
    heard.recv().await.expect("closed");
}

#[tokio::test]
async fn a_body_in_pieces_is_read_whole_and_its_line_kept() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n";
    let rest = "1\r\nk\r\n0\r\n\r\n";
    let script = vec![Step::HearCall, Step::Say(head), Step::Say(rest), Step::HearCall, LAST];
    let (address, mut heard) = serve_each(vec![script]).await;
    let caller = patient(address);
    ok(&caller).await;
    ok(&caller).await;
    assert_eq!(heard.recv().await.expect("one connection").matches("POST ").count(), 2);
}

#[tokio::test]
async fn a_line_that_waited_too_long_is_closed_though_nobody_calls() {
    let (address, mut heard) = serve_each(vec![vec![Step::HearCall, OK, Step::Hang]]).await;
    let caller = patient(address);
    let before = postrider_clock::monotonic();
    ok(&caller).await;
    let Posting::Direct(outlet) = &caller.posting else { panic!("no proxy here") };
    let next: Option<Instant> = outlet.idle.close_old(before);
    assert!(next.is_some_and(|next| next >= before + POOL_IDLE), "still young");
    assert_eq!(outlet.idle.close_old(postrider_clock::monotonic() + POOL_IDLE), None);
    heard.recv().await.expect("closed");
}

#[tokio::test]
async fn a_server_without_tls_is_told_nothing_and_a_silent_one_is_not_waited_for() {
    let not_called = Err(Outcome::refused(RefusalKind::NotCalled, "connect"));
    let (address, mut heard) = serve_each(vec![vec![Step::Say("220 no tls\r\n")], vec![Step::Hang]]).await;
    let words = send(&caller(format!("https://{address}"), Duration::from_secs(20))).await;
    assert_eq!(words, not_called);
    heard.recv().await.expect("closed");
    let timeouts = scripted::timeouts(&[Step::Hang]);
    let http = http_client(&timeouts).expect("a client");
    let silent = ProviderClient::new(&http, place(format!("https://{address}")), timeouts.http);
    assert_eq!(send(&silent).await, not_called);
}

#[tokio::test]
async fn only_an_account_that_a_proxy_is_named_for_goes_by_it() {
    let timeouts = scripted::timeouts(&[]);
    let mut http = http_client(&timeouts).expect("a client");
    let matcher = Matcher::builder().https("http://proxy.example:3128").no("api.inside.example").build();
    http.proxies = Arc::new(matcher);
    let by_proxy = |url: &str| {
        let caller = ProviderClient::new(&http, place(url.to_owned()), timeouts.http);
        matches!(caller.posting, Posting::ByProxy)
    };
    assert!(by_proxy("https://api.example.com"));
    assert!(!by_proxy("https://api.inside.example"));
    assert!(!by_proxy("http://127.0.0.1:8025"));
}
