//! Whether something smaller still fails in the same way. Every candidate is judged by a run of the loop engine, with
//! healing, as a replay of its text would perform it; nothing is inferred. Invariants: a text is judged once; when the
//! processor time is used up, nothing shows the failure any more.

use crate::{
    engine::{ACCEPTS_WORK, Engine, Finished, Limits, SETTLES, Watch},
    plan::Rooted,
    run::{NEVER_PANICS, Signature, host, panics},
};
use onceward_core::Dur;
use onceward_model::{
    scenario::Scenario,
    system::System,
    world::{Nobody, Violation},
};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    marker::PhantomData,
    sync::Arc,
    time::Duration,
};

pub(super) type Of<S> = <S as System>::Protocol;

pub(super) struct Judge<'a, S: System> {
    engine: Engine<Of<S>>,
    /// What must come again.
    pub(super) wanted: Signature,
    limits: Limits,
    started: Duration,
    cpu: Duration,
    judged: BTreeSet<u64>,
    pub(super) runs: u64,
    /// Told now and then how far it is.
    progress: &'a mut (dyn FnMut(super::Progress) + Send),
    pub(super) lines: usize,
    system: PhantomData<fn() -> S>,
}

/// How a run ended.
pub(super) struct Ended<S: System> {
    pub(super) violation: Option<Violation>,
    /// None if it ended in a panic.
    pub(super) finished: Option<Finished<Of<S>>>,
}

impl<'a, S: System> Judge<'a, S> {
    /// Runs the failure itself, which says what is to come again.
    ///
    /// # Errors
    /// It does not fail.
    pub(super) fn new(
        protocol: &Arc<Of<S>>,
        failing: &Scenario<Of<S>>,
        cpu: Duration,
        progress: &'a mut (dyn FnMut(super::Progress) + Send),
    ) -> Result<(Judge<'a, S>, u64), String> {
        let mut judge = Judge {
            engine: Engine::new(),
            wanted: Signature { system: S::NAME, promise: "", what: String::new(), steps: Vec::new() },
            limits: Limits::default(),
            started: processor(),
            cpu,
            judged: BTreeSet::new(),
            runs: 0,
            progress,
            lines: failing.entries.len(),
            system: PhantomData,
        };
        let ended = judge.run(protocol, failing, &mut Nobody);
        let Some(violation) = ended.violation else { return Err("this run breaks no promise".into()) };
        judge.wanted = Signature::of(S::NAME, &violation);
        let steps = ended.finished.map_or(0, |finished| finished.events);
        judge.shorten(protocol, failing, steps);
        Ok((judge, steps))
    }

    /// Limits for the search. A cluster that never comes to rest is watched for as short as shows it: the whole of the
    /// usual patience for each candidate would use up the time.
    fn shorten(&mut self, protocol: &Arc<Of<S>>, failing: &Scenario<Of<S>>, steps: u64) {
        let usual = self.limits;
        if ![SETTLES, ACCEPTS_WORK].contains(&self.wanted.promise) {
            // A candidate that takes so much longer fails in another way: it never rests.
            self.limits.events = usual.events.min(steps.saturating_mul(4).max(20_000));
            return;
        }
        for (settle, events) in [(2, 5_000), (2, 50_000), (20, 50_000), (100, 500_000)] {
            self.limits = Limits { settle: Dur::secs(settle), events, ..usual };
            if self.shows(protocol, failing) {
                return;
            }
        }
        self.limits = usual;
    }

    /// The usual limits from here on, as a replay has them.
    pub(super) fn be_patient(&mut self) {
        self.limits = Limits::default();
    }

    /// Whether the time is used up.
    pub(super) fn is_over(&self) -> bool {
        self.spent() >= self.cpu
    }

    /// Whether there is too little time left for a search that promises little.
    pub(super) fn is_short_of_time(&self) -> bool {
        self.spent() * 2 >= self.cpu
    }

    /// Processor time since the beginning.
    pub(super) fn spent(&self) -> Duration {
        processor().saturating_sub(self.started)
    }

    /// Whether this was not judged before.
    pub(super) fn is_new(&mut self, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.judged.insert(hasher.finish())
    }

    /// Whether a plan fails in the same way; no, once the time is used up.
    pub(super) fn shows(&mut self, protocol: &Arc<Of<S>>, scenario: &Scenario<Of<S>>) -> bool {
        !self.is_over() && self.confirms(protocol, scenario)
    }

    /// Whether a plan fails in the same way, however late it is.
    pub(super) fn confirms(&mut self, protocol: &Arc<Of<S>>, scenario: &Scenario<Of<S>>) -> bool {
        let violation = self.run(protocol, scenario, &mut Nobody).violation;
        violation.is_some_and(|violation| self.is_same(&violation))
    }

    pub(super) fn is_same(&self, violation: &Violation) -> bool {
        violation.promise == self.wanted.promise && Signature::of(S::NAME, violation) == self.wanted
    }

    /// Performs a plan under its own seed, in front of an onlooker.
    pub(super) fn run<W: Watch<Of<S>>>(
        &mut self,
        protocol: &Arc<Of<S>>,
        scenario: &Scenario<Of<S>>,
        watch: &mut W,
    ) -> Ended<S> {
        self.runs += 1;
        if self.runs.is_multiple_of(64) {
            let (spent, of) = (self.spent(), self.cpu);
            (self.progress)(super::Progress { spent, of, runs: self.runs, lines: self.lines });
        }
        let limits = Limits { down_at_once: S::allowed(protocol).down_at_once, ..self.limits };
        let plan = Rooted::new(scenario, scenario.seed);
        let engine = &mut self.engine;
        let run = || host::inside(scenario.seed, |host| engine.run(protocol, &plan, &limits, watch, host));
        match panics::catch(run) {
            Ok(finished) => Ended { violation: finished.violation.clone(), finished: Some(finished) },
            Err(words) => {
                // Its buffers may be half way through something.
                self.engine = Engine::new();
                Ended { violation: Some(Violation::new(NEVER_PANICS, words)), finished: None }
            }
        }
    }
}

/// Processor time of this thread; where the system does not say, that of the process or the time that has passed.
pub(crate) fn processor() -> Duration {
    #[cfg(unix)]
    {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let (seconds, nanos) = (u64::try_from(spent.tv_sec), u32::try_from(spent.tv_nsec));
        if let (Ok(seconds), Ok(nanos)) = (seconds, nanos) {
            return Duration::new(seconds, nanos);
        }
    }
    crate::gate::cpu()
}
