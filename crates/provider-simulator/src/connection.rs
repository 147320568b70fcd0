//! The HTTP listener: own accept loop with timers, and connections that can be reset or cut on order.
//!
//! `axum::serve` has no timeout for heads and gives no hand on its connections, so hyper is driven
//! here. A handler ends its own connection by `Connection::end`; what it answers is `answer`'s matter.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tower_service::Service;

use super::{records::Provider, state::SimulatorState};

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A handler's hand on the connection that its call came by.
#[derive(Debug, Default)]
pub(super) struct Connection {
    ending: std::sync::Mutex<Option<Ending>>,
    ended: Notify,
}

/// How a connection ends in the middle of a call.
#[derive(Debug)]
pub(super) enum Ending {
    Reset,
    /// These bytes as they are, then closed.
    Raw(Vec<u8>),
}

impl Connection {
    /// Never returns: the connection's task drops its caller.
    pub(super) async fn end(&self, ending: Ending) -> Infallible {
        *self.lock() = Some(ending);
        self.ended.notify_one();
        std::future::pending().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Ending>> {
        self.ending.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Accepts until the simulator ends.
pub(super) async fn listen(listener: TcpListener, router: Router, house: Arc<SimulatorState>) {
    let _alive = house.life.alive.clone();
    let life = house.life.clone();
    let ended = life.ended();
    tokio::pin!(ended);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&house.connections).acquire_owned() => permit,
            () = &mut ended => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut ended => return,
        };
        let Ok((stream, _peer)) = accepted else {
            // Out of file descriptors, most likely: spinning would not give any back.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, house) = (router.clone(), Arc::clone(&house));
        tokio::spawn(async move {
            let _permit = permit;
            serve(stream, router, &house).await;
        });
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

async fn serve(stream: TcpStream, router: Router, house: &Arc<SimulatorState>) {
    let _alive = house.life.alive.clone();
    let _ = stream.set_nodelay(true);
    let connection = Arc::new(Connection::default());
    let service = service_fn({
        let (connection, house) = (Arc::clone(&connection), Arc::clone(house));
        move |mut request: hyper::Request<Incoming>| -> Answering {
            request.extensions_mut().insert(Arc::clone(&connection));
            let (mut router, house) = (router.clone(), Arc::clone(&house));
            Box::pin(async move {
                let mut response = router.call(Request::from(request.map(axum::body::Body::new))).await?;
                let out = Provider::ALL.into_iter().any(|provider| house.is_out(provider));
                if out && response.status() == StatusCode::SERVICE_UNAVAILABLE {
                    response.headers_mut().insert("connection", HeaderValue::from_static("close"));
                }
                Ok(response)
            })
        }
    });
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that leaves in the middle is an everyday end.
        _ = &mut serving => return,
        () = house.life.clone().ended() => return,
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
