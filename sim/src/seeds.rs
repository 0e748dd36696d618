//! Failing seeds that are kept, so that later runs begin with them. A seed holds for one build: once the drawing of plans
//! changes it draws another plan. So each entry also keeps the scenario that the failure was made into, which outlives
//! that. The file is one JSON object a line, to be committed, compared and merged like any other text. What was mended
//! stays in it, is run again each time, and is removed only on request. Failures under a known bug that was switched on are
//! kept apart: they are run under that bug alone. This module keeps and judges entries; it draws nothing and writes no file.

use crate::{
    catalog::Catalog,
    explore::Strategy,
    mutants,
    run::{Job, Outcome, Signature, host},
};
use onceward_model::world::Violation;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// A seed that failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The system whose random plan it was.
    pub system: String,
    /// The seed.
    pub seed: u64,
    /// The promise that was broken.
    pub promise: String,
    /// How it was explored: which plan the seed stands for.
    #[serde(default, skip_serializing_if = "Strategy::is_default")]
    pub explore: Strategy,
    /// In what way, without what differs from run to run.
    pub what: String,
    /// How the contradicting steps begin.
    pub steps: Vec<String>,
    /// The build that found it.
    pub found_by: String,
    /// The known bug that was switched on, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// Whether it did not fail any more when it was run last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mended: bool,
    /// What the failure was made into, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
}

/// A file that is no list of failing seeds.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line} is no failing seed: {what}")]
pub struct SeedsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Failing seeds, in the order in which they were found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seeds(pub Vec<Entry>);

/// What has become of a known seed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum State {
    /// It fails as it did.
    StillFails,
    /// It had been mended, and fails again.
    FailsAgain,
    /// It has ceased to fail.
    Mended,
    /// It had been mended before.
    StaysMended,
}

impl State {
    /// Whether it fails.
    pub fn fails(self) -> bool {
        matches!(self, State::StillFails | State::FailsAgain)
    }

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            State::StillFails => "still fails",
            State::FailsAgain => "mended before, fails again",
            State::Mended => "mended",
            State::StaysMended => "mended before",
        }
    }
}

/// A known seed that was run again.
pub struct Again {
    /// What has become of it.
    pub state: State,
    /// How its seed's run ended, whatever was drawn this time.
    pub outcome: Outcome,
    /// Its scenario, where only that fails as it did.
    pub scenario: Option<Box<dyn Job>>,
}

impl Entry {
    /// A failure that was found now.
    pub fn new(signature: &Signature, (explore, seed): (Strategy, u64), scenario: Option<String>) -> Entry {
        Entry {
            system: signature.system.to_owned(),
            seed,
            explore,
            promise: signature.promise.to_owned(),
            what: signature.what.clone(),
            steps: signature.steps.clone(),
            found_by: build(),
            mutant: mutants::which().map(str::to_owned),
            mended: false,
            scenario,
        }
    }

    /// Whether it is for runs as this process makes them.
    pub fn is_for_us(&self) -> bool {
        self.mutant.as_deref() == mutants::which()
    }

    fn is(&self, signature: &Signature) -> bool {
        let ours = (&*self.system, &*self.promise, &self.what, &self.steps);
        ours == (signature.system, signature.promise, &signature.what, &signature.steps)
    }

    /// Runs it again, its scenario too if the seed does not fail as it did, and takes note of what has become of it.
    ///
    /// # Errors
    /// There is no such system.
    pub fn run(&mut self, catalog: &Catalog) -> Result<Again, String> {
        let subject = catalog.find(&self.system)?;
        let same = |violation: &Option<Violation>| {
            violation.as_ref().is_some_and(|violation| self.is(&Signature::of(subject.name(), violation)))
        };
        let seed = self.seed;
        let outcome = host::fresh(|| subject.exploring(self.explore).worker().run(seed));
        let mut scenario = None;
        let mut fails = same(&outcome.violation);
        if !fails && let Some(text) = &self.scenario {
            let name = format!("{} seed {seed}, as scenario", self.system);
            // A text that the language no longer reads shows nothing.
            let job = subject.read(&name, text).ok();
            scenario = job.filter(|job| same(&host::fresh(|| job.worker().run(job.seed())).violation));
            fails = scenario.is_some();
        }
        let state = match (fails, self.mended) {
            (true, false) => State::StillFails,
            (true, true) => State::FailsAgain,
            (false, false) => State::Mended,
            (false, true) => State::StaysMended,
        };
        self.mended = !fails;
        Ok(Again { state, outcome, scenario })
    }
}

impl Seeds {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The first line that is no failing seed.
    pub fn read(text: &str) -> Result<Seeds, SeedsError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(n, line)| {
            serde_json::from_str(line)
                .map_err(|e: serde_json::Error| SeedsError { line: n + 1, what: plain(&e) })
        };
        lines.map(read).collect::<Result<_, _>>().map(Seeds)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let lines = self.0.iter().filter_map(|entry| serde_json::to_string(entry).ok());
        lines.map(|line| line + "\n").collect()
    }

    /// Keeps a failure, with the strategy and the seed that showed it, unless one of its kind is kept already; then that one gets the scenario if it has none.
    pub fn keep(&mut self, signature: &Signature, found: (Strategy, u64), scenario: Option<&str>) {
        let scenario = scenario.map(str::to_owned);
        let known = self.0.iter_mut().find(|one| one.is_for_us() && !one.mended && one.is(signature));
        match known {
            Some(known) => known.scenario = known.scenario.take().or(scenario),
            None => self.0.push(Entry::new(signature, found, scenario)),
        }
    }

    /// The list for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for Entry { system, seed, promise, what, found_by, mutant, mended, scenario, .. } in &self.0 {
            let sign = if *mended { '✓' } else { '✗' };
            let mended = if *mended { "   mended" } else { "" };
            let under = mutant.as_ref().map_or_else(String::new, |name| format!("   under {name}"));
            let lines = scenario.as_ref().map_or_else(
                || "no scenario".to_owned(),
                |text| {
                    let lines = text
                        .lines()
                        .filter(|line| ["at ", "step ", "expect "].iter().any(|word| line.starts_with(word)));
                    format!("a scenario of {} lines", lines.count())
                },
            );
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{sign} {promise}   {system}, seed {seed}{under}{mended}");
            let _ = writeln!(text, "  {what}\n  found by {found_by}, {lines}");
        }
        text
    }
}

/// What is wrong, without the place in the line that nobody has written by hand.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// What has become of known seeds, in one line.
pub fn headline(states: &[State]) -> String {
    let count = |wanted: State| states.iter().filter(|state| **state == wanted).count();
    let mut parts = Vec::new();
    for (state, one, more) in [
        (State::StillFails, "still fails", "still fail"),
        (State::FailsAgain, "mended before fails again", "mended before fail again"),
        (State::Mended, "mended", "mended"),
        (State::StaysMended, "mended before", "mended before"),
    ] {
        match count(state) {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            n => parts.push(format!("{n} {more}")),
        }
    }
    let seeds = if states.len() == 1 { "seed" } else { "seeds" };
    format!("{} known failing {seeds} run first: {}", states.len(), parts.join(", "))
}

/// Which build this is: its version, and a mark of its own.
fn build() -> String {
    use std::hash::{DefaultHasher, Hasher};
    let version = env!("CARGO_PKG_VERSION");
    let bytes = std::env::current_exe().and_then(std::fs::read);
    let mark = bytes.map(|bytes| {
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        format!(", build {:08x}", hasher.finish() as u32)
    });
    format!("onceward-sim {version}{}", mark.unwrap_or_default())
}
