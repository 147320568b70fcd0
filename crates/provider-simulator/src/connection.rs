//! One HTTP connection of the simulated providers, which a handler can reset or cut in the middle of a call.
//!
//! `axum::serve` has no timeout for request heads and no access to its connections, so this file drives hyper.
//! `http_answer` chooses the answers; a handler ends its own connection by `Connection::end`.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, StatusCode},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify};
use tower_service::Service;

use crate::{records::Provider, state::SimulatorState};

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The connection of a call, for its handler.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    ending: Mutex<Option<Ending>>,
    ended: Notify,
}

/// How a connection ends in the middle of a call.
#[derive(Debug)]
pub(crate) enum Ending {
    Reset,
    /// These bytes as they are, then closed.
    Raw(Vec<u8>),
}

impl Connection {
    /// Never returns: the connection's task drops the calling handler.
    pub(crate) async fn end(&self, ending: Ending) -> Infallible {
        *self.lock() = Some(ending);
        self.ended.notify_one();
        std::future::pending().await
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ending>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one connection until the client leaves or a handler ends it.
pub(crate) async fn serve(stream: TcpStream, router: Router, state: Arc<SimulatorState>) {
    let connection = Arc::new(Connection::default());
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&connection));
        let (mut router, state) = (router.clone(), &state);
        async move {
            let mut response = router.call(request.map(Body::new)).await?;
            let is_out = Provider::ALL.into_iter().any(|provider| state.faults.is_out(provider));
            if is_out && response.status() == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert("connection", HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error means that the client left in the middle, which is ordinary.
        _ = &mut serving => return,
        () = connection.ended.notified() => {}
    }
    let ending = connection.lock().take();
    let mut stream = serving.into_parts().io.into_inner();
    match ending {
        Some(Ending::Raw(bytes)) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Some(Ending::Reset) | None => {
            let _ = stream.set_zero_linger();
        }
    }
}
