//! What must be on a disk, judged against what clients were told.

use super::{Stored, read, record::OTHER_DIGEST};
use crate::{
    spec::events::{
        ACKED_IS_DURABLE, CHAIN_VERIFIES, Facts, Firm, History, NOTHING_INVENTED, READS_ARE_DURABLE, State,
    },
    world::{Violation, disk::Image},
};
use onceward_core::Path;

const GONE: &str = "an event is not on the disk, though it is said to be durable";

/// Judges what a power loss would leave at the very least: every event that was acknowledged as durable, or shown as
/// such, is there, whole and in its place, its entity's chain is the one that clients were told, and nothing is there
/// that was refused.
///
/// # Errors
/// The promise that the files break.
pub fn judge(history: &History, image: &Image, folder: &Path) -> Result<(), Violation> {
    if history.is_beyond() {
        return Ok(());
    }
    let firm = || history.facts().filter(|(_, facts)| facts.firm >= Firm::Shown);
    let contents = match read(image, folder) {
        Ok(contents) => contents,
        Err(unreadable) => {
            let promise = if unreadable.what == OTHER_DIGEST { CHAIN_VERIFIES } else { ACKED_IS_DURABLE };
            let said = Violation::new(promise, format!("the files on the disk are no log: {unreadable}"));
            return Err(
                firm().fold(said, |said, (position, facts)| said.at(*facts.seen, told(position, facts)))
            );
        }
    };
    for (position, facts) in firm() {
        let stored = contents.events.get(position as usize);
        let (promise, what) = match stored.filter(|stored| agrees(history, facts, stored)) {
            Some(stored) if facts.chain.is_none_or(|chain| chain.0 == stored.link) => continue,
            Some(_) => (CHAIN_VERIFIES, "the files have another hash chain than clients were told"),
            None if facts.firm == Firm::Acked => (ACKED_IS_DURABLE, GONE),
            None => (READS_ARE_DURABLE, GONE),
        };
        let there = stored.map_or("nothing".into(), |stored| format!("{stored:?}"));
        let evidence = format!("{}; the files have {there} there", told(position, facts));
        return Err(Violation::new(promise, what).at(*facts.seen, evidence));
    }
    for stored in &contents.events {
        let mut calls = history.appenders(stored.id).peekable();
        if calls.peek().is_none() || calls.all(|call| history.state(call) == Some(&State::Refused)) {
            let what = "the files have an event that nobody appended, or that was refused";
            return Err(Violation::new(NOTHING_INVENTED, format!("{what}: {:032x}", stored.id)));
        }
    }
    Ok(())
}

fn told(position: u64, facts: &Facts) -> String {
    format!("{} {} stands at position {position}", facts.entity.as_str(), facts.sequence)
}

fn agrees(history: &History, facts: &Facts, stored: &Stored) -> bool {
    let Some((part, event)) = history.event(facts) else { return false };
    facts.id.0 == stored.id
        && facts.entity.as_str() == stored.entity
        && facts.sequence == stored.sequence
        && facts.time.is_none_or(|time| time.millis << 16 | u64::from(time.counter) == stored.time)
        && part.entity.as_str() == stored.entity
        && event.kind.as_str() == stored.kind
        && event.scope.as_str() == stored.scope
        && event.payload == stored.payload
        && event.causation.map(|id| id.0) == stored.causation
        && event.correlation.is_none_or(|id| id.0 == stored.correlation)
}
