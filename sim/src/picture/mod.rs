//! Pictures of one run. A camera watches a run and takes down, as plain data, what people want to see of it: lanes,
//! steps, messages, what each disk had not made durable, faults, states. From that [`Recording`] come a self-contained
//! HTML page ([`page`]) and the same diagram as text ([`diagram`]). Nothing here judges a run or knows a protocol, and
//! the same run gives the same bytes.

mod camera;
mod causes;
mod diagram;
mod frame;
mod html;
mod recording;
mod states;
mod stays;
#[cfg(test)]
mod tests;

pub(crate) use camera::Camera;
pub use diagram::{Style, diagram};
pub use frame::Frame;
pub(crate) use html::escaped;
pub use html::{LARGEST, page};
pub use recording::{
    Broken, End, Fate, Kind, Lane, LaneKind, Message, Recording, Span, Stay, Step, Sync, SyncEnd, Taken,
    Trouble,
};

use crate::run::{Job, Outcome, Worker};

/// Takes a picture of a run whose outcome is known. `replay` is the command that shows it again; `until` is the last step
/// that is performed, if it is not the run's own.
///
/// # Errors
/// There is no plan, or the engine does not show what its machines do.
pub fn take(
    job: &dyn Job,
    worker: &mut (dyn Worker + '_),
    outcome: &Outcome,
    until: Option<u64>,
    replay: &str,
) -> Result<Recording, String> {
    let evidence = outcome.violation.iter().flat_map(|violation| &violation.evidence);
    let evidence: Vec<u64> = evidence.map(|(seen, _)| seen.step).collect();
    let mut recording = worker.picture(outcome.seed, &Frame::around(outcome.events, &evidence), until)?;
    recording.name = job.name().to_owned();
    recording.about = job.about().to_owned();
    recording.replay = replay.to_owned();
    Ok(recording)
}
