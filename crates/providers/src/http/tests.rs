//! The connection that a call uses, and that no call is made twice.
//!
//! Against the scripted server: a call that came a second time, or over a connection that it must not use, finds no
//! step of the script that answers it. The meaning of responses is tested beside each provider.

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
    HttpClient, ProviderAddress, ProviderClient,
    client::{POOL_IDLE, RESPONSE_BYTES_MAX},
    http_connection::{PostRequest, SendError},
    provider_client::PostRoute,
};
use crate::{
    Outcome, RefusalKind,
    http_response::{HttpResponse, ResponseBody},
    test_server::{self, Step, serve_each},
};

const OK: Step = Step::Send("HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nok");
const LAST: Step = Step::Send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");

fn provider_address(base_url: String) -> ProviderAddress {
    ProviderAddress {
        base_url,
        post_path: "/send?a=b".to_owned(),
        user: "me".to_owned(),
        secret: "it".into(),
    }
}

fn client(base_url: String, timeout: Duration) -> ProviderClient {
    let timeouts = test_server::timeouts(&[]);
    ProviderClient::new(&HttpClient::new(&timeouts).expect("a client"), provider_address(base_url), timeout)
}

fn patient_client(address: SocketAddr) -> ProviderClient {
    client(format!("http://{address}/v1/"), Duration::from_secs(20))
}

async fn send(client: &ProviderClient) -> Result<HttpResponse, Outcome> {
    client.send(HeaderValue::from_static("text/plain"), "words").await
}

async fn ok(client: &ProviderClient) {
    let answer = send(client).await.expect("an answer");
    assert_eq!((answer.status, answer.body), (200, ResponseBody::Complete(b"ok".to_vec())));
}

/// Lets the runtime learn every socket event that the system has reported so far: a connection of its own goes
/// through the same queue.
async fn socket_events() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    assert!(accepted.is_ok() && connected.is_ok());
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection_and_send_every_header() {
    let script = vec![Step::ReadRequest, OK, Step::ReadRequest, OK, Step::ReadRequest, LAST];
    let (address, mut received) = serve_each(vec![script]).await;
    let client = patient_client(address);
    for _ in 0..3 {
        ok(&client).await;
    }
    let received = received.recv().await.expect("one connection");
    let version = env!("CARGO_PKG_VERSION");
    let call = format!(
        "POST /v1/send?a=b HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic bWU6aXQ=\r\n\
         user-agent: postrider/{version}\r\naccept: */*\r\ncontent-type: text/plain\r\n\
         content-length: 5\r\n\r\nwords"
    );
    assert_eq!(received, call.repeat(3));
}

#[tokio::test]
async fn concurrent_calls_have_a_connection_each() {
    let (address, _heard) =
        serve_each(vec![vec![Step::ReadRequest, LAST], vec![Step::ReadRequest, LAST]]).await;
    let client = patient_client(address);
    tokio::join!(ok(&client), ok(&client));
}

#[tokio::test]
async fn an_idle_connection_that_the_provider_closed_is_not_used() {
    let (address, mut received) =
        serve_each(vec![vec![Step::ReadRequest, OK], vec![Step::ReadRequest, OK]]).await;
    let client = patient_client(address);
    for _ in 0..2 {
        ok(&client).await;
        let received = received.recv().await.expect("closed");
        assert_eq!(received.matches("POST ").count(), 1);
        socket_events().await;
    }
}

#[tokio::test]
async fn a_connection_with_unrequested_bytes_is_not_used() {
    let unasked = Step::Send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    let scripts = vec![vec![Step::ReadRequest, OK, unasked], vec![Step::ReadRequest, OK]];
    let (address, mut received) = serve_each(scripts).await;
    let client = patient_client(address);
    ok(&client).await;
    received.recv().await.expect("closed");
    socket_events().await;
    ok(&client).await;
}

#[tokio::test]
async fn a_response_with_connection_close_is_the_last_on_its_connection() {
    let scripts = vec![vec![Step::ReadRequest, LAST, Step::Hang], vec![Step::ReadRequest, LAST]];
    let (address, mut received) = serve_each(scripts).await;
    let client = patient_client(address);
    ok(&client).await;
    // `Step::Hang` ends when the client closes.
    assert_eq!(received.recv().await.expect("closed").matches("POST ").count(), 1);
    ok(&client).await;
}

#[tokio::test]
async fn a_call_that_times_out_closes_its_connection_and_is_not_made_again() {
    let scripts =
        vec![vec![Step::ReadRequest, OK, Step::ReadRequest, Step::Hang], vec![Step::ReadRequest, OK]];
    let (address, mut received) = serve_each(scripts).await;
    let client = client(format!("http://{address}"), Duration::from_secs(1));
    ok(&client).await;
    assert_eq!(send(&client).await, Err(Outcome::unknown("timeout")));
    assert_eq!(received.recv().await.expect("closed by the client").matches("POST ").count(), 2);
    ok(&client).await;
    assert_eq!(received.recv().await.expect("another connection").matches("POST ").count(), 1);
}

#[tokio::test]
async fn a_call_on_a_reused_connection_that_breaks_is_not_made_again() {
    let scripts =
        vec![vec![Step::ReadRequest, OK, Step::ReadRequest, Step::Reset], vec![Step::ReadRequest, OK]];
    let (address, mut received) = serve_each(scripts).await;
    let client = patient_client(address);
    ok(&client).await;
    assert_eq!(send(&client).await, Err(Outcome::unknown("reset")));
    assert_eq!(received.recv().await.expect("broken").matches("POST ").count(), 2);
    ok(&client).await;
    assert_eq!(received.recv().await.expect("another connection").matches("POST ").count(), 1);
}

#[tokio::test]
async fn a_connection_that_ended_before_the_first_byte_returns_the_request() {
    let (address, mut received) = serve_each(vec![vec![]]).await;
    let client = patient_client(address);
    let PostRoute::Direct(target) = &client.route else { panic!("no proxy here") };
    let mut connection = target.connector.connect(&target.host).await.expect("a connection");
    received.recv().await.expect("closed");
    socket_events().await;
    let request = PostRequest::new(Full::new(Bytes::from("words")));
    let Err(SendError::NotWritten(request)) = connection.send(request).await else {
        panic!("nothing was written")
    };
    assert_eq!(request.into_body().collect().await.expect("whole").to_bytes(), "words");
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let (address, mut received) = serve_each(vec![vec![Step::ReadRequest, Step::Hang]]).await;
    let client = patient_client(address);
    tokio::select! {
        biased;
        _ = send(&client) => panic!("nothing was answered"),
        () = socket_events() => {}
    }
    received.recv().await.expect("closed");
}

#[tokio::test]
async fn an_endless_response_is_read_to_the_limit_and_its_connection_closed() {
    let page: &'static str = Box::leak("x".repeat(RESPONSE_BYTES_MAX).into_boxed_str());
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n";
    let scripts = vec![vec![Step::ReadRequest, Step::Send(head), Step::Send(page), Step::Hang]];
    let (address, mut received) = serve_each(scripts).await;
    let answer = send(&patient_client(address)).await.expect("an answer");
    let ResponseBody::Complete(bytes) = answer.body else { panic!("read") };
    assert_eq!(bytes.len(), RESPONSE_BYTES_MAX);
    received.recv().await.expect("closed");
}

#[tokio::test]
async fn a_chunked_body_is_read_whole_and_its_connection_reused() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n";
    let rest = "1\r\nk\r\n0\r\n\r\n";
    let script = vec![Step::ReadRequest, Step::Send(head), Step::Send(rest), Step::ReadRequest, LAST];
    let (address, mut received) = serve_each(vec![script]).await;
    let client = patient_client(address);
    ok(&client).await;
    ok(&client).await;
    assert_eq!(received.recv().await.expect("one connection").matches("POST ").count(), 2);
}

#[tokio::test]
async fn an_expired_idle_connection_is_closed_without_another_call() {
    let (address, mut received) = serve_each(vec![vec![Step::ReadRequest, OK, Step::Hang]]).await;
    let client = patient_client(address);
    let before = postrider_clock::monotonic();
    ok(&client).await;
    let PostRoute::Direct(target) = &client.route else { panic!("no proxy here") };
    let next: Option<Instant> = target.idle.close_expired(before);
    assert!(next.is_some_and(|next| next >= before + POOL_IDLE), "still young");
    assert_eq!(target.idle.close_expired(postrider_clock::monotonic() + POOL_IDLE), None);
    received.recv().await.expect("closed");
}

#[tokio::test]
async fn a_server_without_tls_receives_no_call_and_a_silent_one_times_out() {
    let not_called = Err(Outcome::refused(RefusalKind::NotCalled, "connect"));
    let (address, mut received) =
        serve_each(vec![vec![Step::Send("220 no tls\r\n")], vec![Step::Hang]]).await;
    let words = send(&client(format!("https://{address}"), Duration::from_secs(20))).await;
    assert_eq!(words, not_called);
    received.recv().await.expect("closed");
    let timeouts = test_server::timeouts(&[Step::Hang]);
    let http = HttpClient::new(&timeouts).expect("a client");
    let silent = ProviderClient::new(&http, provider_address(format!("https://{address}")), timeouts.http);
    assert_eq!(send(&silent).await, not_called);
}

#[tokio::test]
async fn only_an_account_with_a_proxy_for_its_url_uses_it() {
    let timeouts = test_server::timeouts(&[]);
    let mut http = HttpClient::new(&timeouts).expect("a client");
    let matcher = Matcher::builder().https("http://proxy.example:3128").no("api.inside.example").build();
    http.proxies = Arc::new(matcher);
    let by_proxy = |url: &str| {
        let client = ProviderClient::new(&http, provider_address(url.to_owned()), timeouts.http);
        matches!(client.route, PostRoute::ViaProxy)
    };
    assert!(by_proxy("https://api.example.com"));
    assert!(!by_proxy("https://api.inside.example"));
    assert!(!by_proxy("http://127.0.0.1:8025"));
}
