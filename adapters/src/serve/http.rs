//! A port for those who watch: `/metrics` for Prometheus, `/health` for who decides whether to start the process anew.
//! Decides only how little of HTTP is needed: one request of a line and headers, one answer, and the connection ends.

use super::host::Backend;
use super::metrics::Counters;
use onceward_core::broker::api::{Request, Response, Status};
use onceward_core::log::api::Phase;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Longest request that is read, in bytes.
const REQUEST: usize = 8 << 10;
/// How long one may take, with its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most connections at once; others wait to be accepted.
const CONNECTIONS: usize = 64;

/// How the broker stands, if it answers.
pub(super) async fn status(backend: &dyn Backend) -> Option<Status> {
    match backend.call(Request::Status).await {
        Ok(Response::Status(status)) => Some(status),
        _ => None,
    }
}

/// Whether it takes in and gives out messages: a full disk is no reason to start it anew.
pub(super) fn serves(status: Option<&Status>) -> bool {
    status.is_some_and(|status| matches!(status.phase, Phase::Ready | Phase::Full))
}

/// Serves until the runtime ends.
pub(super) async fn serve(listener: TcpListener, backend: Arc<dyn Backend>, counters: Arc<Counters>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (backend, counters) = (backend.clone(), counters.clone());
                tokio::spawn(async move {
                    // Whoever does not listen to the end asks again.
                    let _ = tokio::time::timeout(PATIENCE, answer(stream, &*backend, &counters)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the metrics port failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, backend: &dyn Backend, counters: &Counters) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= REQUEST || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let known = status(backend).await;
    let (code, body) = match (method, path) {
        (b"GET", b"/metrics") => ("200 OK", counters.render(known.as_ref())),
        (b"GET", b"/health") if serves(known.as_ref()) => ("200 OK", "ok\n".to_owned()),
        (b"GET", b"/health") => ("503 Service Unavailable", "the broker does not serve\n".to_owned()),
        (b"GET", _) => ("404 Not Found", "there are /metrics and /health\n".to_owned()),
        _ => ("405 Method Not Allowed", "there is only GET\n".to_owned()),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {code}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
