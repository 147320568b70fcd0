//! An HTTP server that answers as a test says, and remembers what it heard.
//!
//! For what neither a provider nor its simulator would do: pages that lead to another host, redirects,
//! one half of a provider broken. It checks nothing by itself.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    response::IntoResponse,
};

/// One call, as far as tests ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub path_and_query: String,
    /// The call carried credentials.
    pub signed: bool,
}

pub struct MockHttp {
    pub addr: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: tokio::task::JoinHandle<()>,
}

impl MockHttp {
    /// Answers with a status and a body; the body of a redirect is its target. A status of 0 never
    /// answers.
    pub async fn start(answer: impl Fn(&Heard) -> (u16, String) + Send + Sync + 'static) -> MockHttp {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (answer, note) = (Arc::new(answer), Arc::clone(&heard));
        let router = Router::new().fallback(move |request: Request| {
            let (answer, note) = (Arc::clone(&answer), Arc::clone(&note));
            async move {
                let call = Heard {
                    path_and_query: request.uri().to_string(),
                    signed: request.headers().contains_key(header::AUTHORIZATION),
                };
                note.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
                let (status, body) = answer(&call);
                let Ok(status) = StatusCode::from_u16(status) else { return std::future::pending().await };
                if status.is_redirection() {
                    return (status, [(header::LOCATION, body)]).into_response();
                }
                (status, body).into_response()
            }
        });
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        MockHttp { addr, heard, task }
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MockHttp {
    fn drop(&mut self) {
        self.task.abort();
    }
}
