//! How a person or a supervisor asks a command to end. Decides that the first signal is a request and the second one an
//! order.

use signal_hook::consts::{SIGINT, SIGTERM};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::io::AsyncReadExt;

/// The first signal that asks for an end; the second ends the process at once.
pub(super) struct Signal(UnixStream);

impl Signal {
    pub(super) fn catch() -> std::io::Result<Signal> {
        let (read, write) = UnixStream::pair()?;
        let once = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag down.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, once.clone())?;
            signal_hook::flag::register(signal, once.clone())?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        read.set_nonblocking(true)?;
        Ok(Signal(read))
    }

    pub(super) async fn wait(self) {
        let read = async {
            let mut stream = tokio::net::UnixStream::from_std(self.0)?;
            stream.read_u8().await
        };
        if let Err(error) = read.await {
            tracing::error!(%error, "no signal will be heard any more");
        }
    }
}
