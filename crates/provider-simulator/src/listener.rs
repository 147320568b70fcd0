//! The accept loop of both listeners: bounded connections, each served by a task that ends with the simulator.
//!
//! `connection` serves HTTP, `smtp` the relay.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};

use crate::state::SimulatorState;

/// Connections of both listeners together.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Accepts connections until the simulator stops.
pub(crate) async fn listen<F>(
    listener: TcpListener,
    state: Arc<SimulatorState>,
    serve: impl Fn(TcpStream, Arc<SimulatorState>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let stop = state.stop.clone();
    while let Some(permit) = stop.run_until_cancelled(Arc::clone(&state.connections).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { return };
        let Ok((stream, _peer)) = accepted else {
            // Most likely out of file descriptors: a pause lets other connections close.
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let serving = serve(stream, Arc::clone(&state));
        let stop = stop.clone();
        state.tasks.spawn(async move {
            let _permit = permit;
            stop.run_until_cancelled(serving).await;
        });
    }
}
