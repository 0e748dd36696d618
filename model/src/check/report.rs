//! What a check found, as data and as text. The verdict never claims more than was seen: a run that was cut by any
//! bound is not a proof, and says what cut it.

use super::Move;
use crate::{
    scenario::{Entry, Expect, Header, Profile, Scenario, print_span},
    world::{ChoiceOf, Protocol, Time, Violation},
};
use onceward_core::Dur;
use std::{collections::BTreeMap, fmt, time::Duration};

/// How a check ended.
pub enum Verdict<P: Protocol> {
    /// Every state of the scope was seen, and every promise holds in it.
    Exhausted,
    /// No promise was seen broken, but not all was seen, for this reason. Proves nothing.
    Bounded(String),
    /// A promise is broken.
    Violated(Box<Counterexample<P>>),
}

/// The shortest way to a broken promise.
pub struct Counterexample<P: Protocol> {
    /// What is broken, with evidence.
    pub violation: Violation,
    /// How to get there.
    pub path: Path<P>,
    /// Whether the path breaks the same promise when it is replayed without the scope's reductions of time. If not,
    /// the protocol's [`rebase`](Protocol::rebase) is wrong, and so is this counterexample.
    pub replays: bool,
}

/// A way through a scope from its first state.
pub struct Path<P: Protocol> {
    /// The moves, ticks included.
    pub moves: Vec<Move<P>>,
    /// The same for a replay: each choice at its true time.
    pub steps: Vec<Step<P>>,
}

/// A choice at its time.
pub struct Step<P: Protocol> {
    /// When, in true time.
    pub at: Time,
    /// What.
    pub choice: ChoiceOf<P>,
    /// How scenario text calls it in that state.
    pub label: String,
    /// The line of scenario text that performs it in that state.
    pub entry: Entry<P>,
}

impl<P: Protocol> Path<P> {
    /// The path as a scenario: exact steps, nothing random.
    pub fn scenario(&self, header: &Header, about: impl Into<String>, expect: Expect) -> Scenario<P> {
        Scenario {
            about: about.into(),
            header: header.clone(),
            profile: Profile::none(),
            seed: 0,
            entries: self.steps.iter().map(|step| step.entry.clone()).collect(),
            expect: vec![expect],
        }
    }
}

impl<P: Protocol> Counterexample<P> {
    /// The counterexample as a scenario that expects the violation.
    pub fn scenario(&self, header: &Header) -> Scenario<P> {
        let Violation { promise, what, .. } = &self.violation;
        self.path.scenario(header, what.as_str(), Expect::Violates((*promise).into()))
    }
}

/// What was found out about recoverability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// States from which the protocol settles again.
    pub decided: u64,
    /// States without a verdict: from them the bounds of the scope can be reached, and nothing settled within.
    pub undecided: u64,
}

/// The outcome of a check.
pub struct CheckReport<P: Protocol> {
    /// The scope's name.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict<P>,
    /// Different states seen.
    pub unique: u64,
    /// States generated, equal ones included.
    pub generated: u64,
    /// Length of the longest shortest path.
    pub depth: u32,
    /// The most states waiting at once.
    pub frontier_peak: u64,
    /// Bytes of the tables: visited states, parents, edges. The waiting states come on top.
    pub table_bytes: u64,
    /// The most memory that the process ever had, in bytes, where the system says so.
    pub resident: Option<u64>,
    /// The chance that two states were taken for one: n²/2^65.
    pub collision: f64,
    /// Recoverability, where it was asked for and nothing else was broken.
    pub recovery: Option<Recovery>,
    /// Marks that were reached, with a shortest path to each.
    pub reached: BTreeMap<&'static str, Path<P>>,
    /// Marks that were hoped for and not reached.
    pub missing: Vec<&'static str>,
    /// Unique and generated states that the scope pins.
    pub pinned: Option<(u64, u64)>,
    /// Wall-clock time taken.
    pub elapsed: Duration,
}

impl<P: Protocol> CheckReport<P> {
    /// Whether the scope was exhausted, nothing is broken, and the counts are as pinned.
    pub fn holds(&self) -> bool {
        matches!(self.verdict, Verdict::Exhausted) && self.counts_as_pinned()
    }

    /// Whether the counts are as pinned, if they are.
    pub fn counts_as_pinned(&self) -> bool {
        self.pinned.is_none_or(|pinned| pinned == (self.unique, self.generated))
    }

    /// The counterexample, if a promise is broken.
    pub fn counterexample(&self) -> Option<&Counterexample<P>> {
        match &self.verdict {
            Verdict::Violated(found) => Some(found),
            _ => None,
        }
    }

    /// The length of the shortest path to each mark that was reached.
    pub fn witness_lengths(&self) -> BTreeMap<&'static str, usize> {
        self.reached.iter().map(|(mark, path)| (*mark, path.moves.len())).collect()
    }
}

impl<P: Protocol> fmt::Display for CheckReport<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Exhausted => writeln!(f, "✓ {}: exhausted, every promise holds", self.name)?,
            Verdict::Bounded(why) => {
                writeln!(f, "~ {}: nothing broken as far as was seen; not a proof: {why}", self.name)?;
            }
            Verdict::Violated(found) => write!(f, "✗ {}: {found}", self.name)?,
        }
        let rate = self.unique as f64 / self.elapsed.as_secs_f64().max(1e-9);
        writeln!(
            f,
            "  states     {} unique, {} generated, depth {}, at most {} waiting",
            Grouped(self.unique),
            Grouped(self.generated),
            self.depth,
            Grouped(self.frontier_peak)
        )?;
        let resident =
            self.resident.map(|bytes| format!(" (process peak {})", Size(bytes))).unwrap_or_default();
        writeln!(f, "  memory     {} of tables{resident}", Size(self.table_bytes))?;
        writeln!(f, "  collision  {:.1e} chance that two states were taken for one", self.collision)?;
        if let Some(Recovery { decided, undecided }) = self.recovery {
            write!(f, "  recovery   {} states settle again without faults", Grouped(decided))?;
            match undecided {
                0 => writeln!(f)?,
                n => writeln!(f, "; {} reach the bounds first and have no verdict", Grouped(n))?,
            }
        }
        for (mark, steps) in self.witness_lengths() {
            writeln!(f, "  reached    {mark} ({steps} steps)")?;
        }
        for mark in &self.missing {
            writeln!(f, "  not here   {mark}")?;
        }
        if let Some((unique, generated)) = self.pinned.filter(|_| !self.counts_as_pinned()) {
            let (unique, generated) = (Grouped(unique), Grouped(generated));
            writeln!(
                f,
                "  changed    {unique} unique, {generated} generated are pinned: review the difference"
            )?;
        }
        write!(f, "  time       {:.2} s, {} states/s", self.elapsed.as_secs_f64(), Grouped(rate as u64))
    }
}

impl<P: Protocol> fmt::Display for Counterexample<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { promise, what, evidence } = &self.violation;
        writeln!(f, "{promise}, in {} steps: {what}", self.path.moves.len())?;
        for (seen, what) in evidence {
            writeln!(f, "    step {:<3} {what}", seen.step)?;
        }
        for (n, step) in self.path.steps.iter().enumerate() {
            writeln!(f, "  {:>3}. at {:<8} {}", n + 1, print_span(Dur(step.at.0)), step.label)?;
        }
        if !self.replays {
            writeln!(f, "  this happens only while clocks are re-based: the protocol's `rebase` is wrong")?;
        }
        Ok(())
    }
}

/// A number with its digits in groups.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (n, digit) in digits.char_indices() {
            if n > 0 && (digits.len() - n).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1 << 30 => write!(f, "{:.1} GiB", n as f64 / (1u64 << 30) as f64),
            n if n >= 1 << 20 => write!(f, "{:.1} MiB", n as f64 / (1u64 << 20) as f64),
            n => write!(f, "{} KiB", n.div_ceil(1 << 10)),
        }
    }
}
