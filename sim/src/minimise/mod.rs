//! The minimiser: from a failing run to a short scenario text that fails in the same way. "The same" is the
//! [`Signature`](crate::run::Signature); the judge of every candidate is a real run of the loop engine, healing
//! included. The work has three parts, each jointly over whatever it knows: plan entries and classes of chance, under
//! the very draws of the original run; then a plan that says what chance had done, so that nothing is left to chance;
//! then the words of its text: lines, settings, nodes, clients, payloads, counts, names, times. What comes out is text
//! that was read and run again as a replay does it, in a thread of its own, before anybody is told that it fails.
//!
//! It knows no protocol: a [`System`] is all it needs. As long as its processor time lasts, equal failures give equal
//! texts, and a text that came out of it comes out of it again.

mod ddmin;
mod entries;
mod explicit;
mod judge;
mod nearest;
mod page;
mod profiles;
mod tape;
mod times;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use nearest::nearest;
pub use nearest::{Nearest, Parting, Passing};
pub(crate) use profiles::PARTS;
pub(crate) use words::numbered;

use crate::run::{Job, Outcome, ScenarioJob, host};
use judge::{Judge, Of};
use onceward_model::{
    scenario::{self, GENERAL_PROMISES, Scenario},
    system::System,
    world::Violation,
};
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use words::Reached;

/// So much processor time is spent on a failure, if nothing else is said.
pub const CPU: Duration = Duration::from_secs(10);

/// How far the work is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Processor time spent.
    pub spent: Duration,
    /// Processor time to be spent at most.
    pub of: Duration,
    /// Runs so far.
    pub runs: u64,
    /// Lines that are left of the plan.
    pub lines: usize,
}

/// What is wanted.
pub struct Options<'a> {
    /// Processor time to be spent at most.
    pub cpu: Duration,
    /// Told now and then how far the work is.
    pub progress: &'a mut (dyn FnMut(Progress) + Send),
}

/// What has become of a failure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Shrunk {
    /// The scenario.
    pub text: String,
    /// Its lines that say what happens and what is expected; the header does not count.
    pub lines: usize,
    /// Steps of the run that it was made from.
    pub from_steps: u64,
    /// Processor seconds that it took.
    pub seconds: f64,
    /// Candidates that were run.
    pub runs: u64,
    /// Whether the work came to its end before the time did: nothing that was tried can be left out any more.
    pub minimal: bool,
    /// Whether nothing is left to chance; otherwise the text names a seed, which holds for one build.
    pub certain: bool,
    /// Whether the text was seen to fail in the same way, read and run again in a thread of its own.
    pub replays: bool,
    /// Wall-clock seconds of that run.
    pub replay_seconds: f64,
}

/// Makes a failing plan as small as it gets. The plan's own seed is the one that it fails under.
///
/// # Errors
/// It does not fail, or it cannot be said as text.
pub(crate) fn shrink<S: System>(
    protocol: &Arc<Of<S>>,
    failing: &Scenario<Of<S>>,
    origin: &str,
    options: &mut Options<'_>,
) -> Result<(Shrunk, Violation), String> {
    let (mut judge, from_steps) = Judge::<S>::new(protocol, failing, options.cpu, options.progress)?;
    let mut plans = vec![failing.clone()];
    if !failing.profile.is_certain() {
        let mut reduced = failing.clone();
        entries::reduce(&mut judge, protocol, &mut reduced);
        let certain =
            (!reduced.profile.is_certain()).then(|| explicit::certain(&mut judge, protocol, &reduced));
        plans.push(reduced);
        plans.extend(certain.flatten());
    }
    // The best that can be said as text.
    let as_text = plans.iter().rev().find_map(|plan| Reached::new(&mut judge, protocol, plan));
    let mut reached = as_text.ok_or("as text it takes another course")?;
    let minimal = reached.reduce(&mut judge);
    finish(judge, &reached, origin, from_steps, minimal)
}

/// Writes the text and sees it fail.
fn finish<S: System>(
    mut judge: Judge<'_, S>,
    reached: &Reached<S>,
    origin: &str,
    from_steps: u64,
    minimal: bool,
) -> Result<(Shrunk, Violation), String> {
    judge.be_patient();
    let ended = judge.run(&reached.protocol, &reached.scenario, &mut onceward_model::world::Nobody);
    let violation = ended.violation.ok_or("what was found does not fail")?;
    let page = scenario::print(&*reached.protocol, &reached.scenario);
    let text = format!("{}{page}", about::<S>(&violation, origin));
    let (seconds, runs) = (judge.spent().as_secs_f64(), judge.runs);
    let start = Instant::now();
    let again = host::fresh(|| replay::<S>(&text));
    let replay_seconds = start.elapsed().as_secs_f64();
    let same = |outcome: &Outcome| outcome.violation.as_ref().is_some_and(|v| judge.is_same(v));
    let shrunk = Shrunk {
        lines: reached.page.plan.len() + usize::from(reached.page.expect.is_some()),
        from_steps,
        seconds,
        runs,
        minimal,
        certain: reached.page.profile.is_certain(),
        replays: again.as_ref().is_ok_and(same),
        replay_seconds,
        text,
    };
    Ok((shrunk, violation))
}

/// As the command that replays a file does it.
fn replay<S: System>(text: &str) -> Result<Outcome, String> {
    let job = ScenarioJob::<S>::read("minimal.scenario", text).map_err(|error| error.to_string())?;
    Ok(job.worker().run(job.seed()))
}

/// The comment that opens the text: the promise, what was seen, where it comes from.
fn about<S: System>(violation: &Violation, origin: &str) -> String {
    let promises = S::promises().iter().chain(&GENERAL_PROMISES);
    let says =
        promises.into_iter().find(|promise| promise.id == violation.promise).map(|promise| promise.says);
    let mut lines: Vec<String> = Vec::new();
    if let Some(says) = says {
        lines.extend(wrapped(&format!("Promised: {says}")));
    }
    lines.extend(wrapped(&format!("Seen: {}.", violation.what.trim_end_matches('.'))));
    for (seen, what) in &violation.evidence {
        lines.extend(wrapped(&format!("- at {}: {what}", crate::report::at(seen.at.0))));
    }
    lines.extend(wrapped(&format!("Made smaller from {origin}.")));
    lines.iter().map(|line| format!("# {line}\n")).collect()
}

/// The width of comments.
const WIDTH: usize = 112;

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let long = lines.last().map_or(0, |line| line.chars().count()) + 1 + word.chars().count() > WIDTH;
        if long && lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
