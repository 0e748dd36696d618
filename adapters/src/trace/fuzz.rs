//! The reader of recordings for fuzzing: with right check sums, as no random bytes would ever get past them.

use super::{chunk::Frames, read};
use onceward_core::{broker::Broker, log::store::EventStore};
use std::path::PathBuf;

/// A chunk of these bytes, and one whose frames are the same and sealed anew: read or refused.
pub fn chunk(bytes: &[u8]) {
    as_each(bytes);
    let mut sealed = Frames::default();
    sealed.begin();
    let mut rest = bytes.get(sealed.bytes.len()..).unwrap_or_default();
    while let Some((length, body)) = rest.split_first_chunk::<4>() {
        let Some((framed, behind)) = body.split_at_checked(u32::from_le_bytes(*length) as usize) else {
            break;
        };
        let Some((kind, body)) = framed.split_first() else { break };
        sealed.open(*kind).extend_from_slice(body);
        sealed.close();
        rest = behind.get(8..).unwrap_or_default();
    }
    as_each(&sealed.bytes);
}

/// As a recording of each machine. That it comes back is all that is asked.
fn as_each(bytes: &[u8]) {
    let _ = read::chunk::<EventStore>(PathBuf::new(), bytes);
    let _ = read::chunk::<Broker>(PathBuf::new(), bytes);
}
