//! The systems that a command can name, their types hidden, so that commands and gates are written once for all.

use crate::{
    explore::Strategy,
    real::{self, RealError, Seat},
    run::{Job, NEVER_PANICS, ScenarioJob, SwarmJob, panics},
    validate::{self, Options, ValidateError, Validated},
};
use onceward_model::{
    check::{self, Limits, Verdict, Walk, run_named},
    scenario::{self, Expect, ScenarioError},
    system::{Mutant, Promise, System, Verb},
    systems::{self, Visitor},
    trace::{self, ReplayError, Trace},
};
use std::{marker::PhantomData, path::Path};

/// A system, its types hidden.
pub trait Subject: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it is, in one sentence.
    fn about(&self) -> &'static str;
    /// The verbs that it adds to the scenario language.
    fn verbs(&self) -> &'static [Verb];
    /// What it promises.
    fn promises(&self) -> &'static [Promise];
    /// Its known bugs.
    fn mutants(&self) -> Vec<Mutant>;
    /// Its bounded scopes.
    fn scopes(&self) -> Vec<ScopeInfo>;
    /// Checks one of its scopes exhaustively, as far as the limits allow; none if there is none of that name.
    fn check(&self, scope: &str, limits: &Limits) -> Option<Checked>;
    /// Serves an Explorer of one of its scopes, for ever; none if there is none of that name.
    #[cfg(feature = "explore")]
    fn explore(&self, scope: &str, address: &str) -> Option<std::io::Result<()>>;
    /// Performs a trace again, in a fresh world, step by step.
    ///
    /// # Errors
    /// The first step that cannot be performed or has another effect.
    fn perform(&self, trace: &Trace) -> Result<trace::Replay, Box<ReplayError>>;
    /// Is one node of the cluster that a scenario's text describes, until standard input ends.
    ///
    /// # Errors
    /// The node cannot be started.
    fn serve(&self, text: &str, seat: Seat<'_>) -> Result<(), RealError>;
    /// The path that bytes of the fuzzer choose, as a scenario of exact steps.
    ///
    /// # Errors
    /// They choose none, or the path breaks another promise when it is performed once more.
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, String>;
    /// A scenario of exact steps as bytes for the fuzzer.
    ///
    /// # Errors
    /// What is wrong with the text, or it is no path through any scope.
    fn encode(&self, name: &str, text: &str) -> Result<Vec<u8>, String>;
    /// Performs a recording of production again, and judges what happened in it.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    fn validate(&self, recording: &Path, options: &Options) -> Result<Validated, ValidateError>;
    /// Plans drawn from seeds.
    fn swarm(&self) -> Box<dyn Job> {
        self.exploring(Strategy::default())
    }
    /// Plans drawn from seeds, by another strategy.
    fn exploring(&self, strategy: Strategy) -> Box<dyn Job>;
    /// Reads a scenario for it.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    fn read(&self, name: &str, text: &str) -> Result<Box<dyn Job>, ScenarioError>;
}

/// A bounded scope, its types hidden.
#[derive(Clone, Copy, Debug)]
pub struct ScopeInfo {
    /// Its name.
    pub name: &'static str,
    /// What it covers.
    pub about: &'static str,
}

/// What a check has shown, its types hidden.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The report.
    pub text: String,
    /// How it ended.
    pub end: End,
    /// Different states seen.
    pub states: u64,
    /// The promise that is broken, and after how many steps at the earliest.
    pub broken: Option<(&'static str, usize)>,
    /// The shortest way to a broken promise, as a scenario.
    pub counterexample: Option<String>,
}

/// What bytes of the fuzzer stand for, its types hidden.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// The scenario.
    pub text: String,
    /// The scope whose path it is.
    pub scope: &'static str,
    /// Its steps.
    pub steps: usize,
    /// The promise that it breaks, if any.
    pub breaks: Option<&'static str>,
}

/// How a check has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// All was seen, every promise holds, and the counts are as pinned.
    Holds,
    /// Nothing is broken as far as was seen.
    Bounded,
    /// A promise is broken, or the counts are not as pinned.
    Fails,
}

struct Of<S>(PhantomData<fn() -> S>);

impl<S: System> Subject for Of<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }
    fn about(&self) -> &'static str {
        S::ABOUT
    }
    fn verbs(&self) -> &'static [Verb] {
        S::verbs()
    }
    fn promises(&self) -> &'static [Promise] {
        S::promises()
    }
    fn mutants(&self) -> Vec<Mutant> {
        S::mutants()
    }
    fn scopes(&self) -> Vec<ScopeInfo> {
        S::scopes().iter().map(|scope| ScopeInfo { name: scope.name, about: scope.about }).collect()
    }
    fn check(&self, scope: &str, limits: &Limits) -> Option<Checked> {
        let scope = S::scopes().into_iter().find(|known| known.name == scope)?;
        let report = run_named::<S>(&scope, limits);
        let end = match &report.verdict {
            Verdict::Exhausted if report.holds() => End::Holds,
            Verdict::Bounded(_) => End::Bounded,
            Verdict::Exhausted | Verdict::Violated(_) => End::Fails,
        };
        let found = report.counterexample();
        let counterexample =
            found.map(|found| scenario::print(&*scope.protocol, &found.scenario(&scope.header)));
        let broken = found.map(|found| (found.violation.promise, found.path.steps.len()));
        let (text, states) = (report.to_string(), report.unique);
        Some(Checked { text, end, states, broken, counterexample })
    }
    #[cfg(feature = "explore")]
    fn explore(&self, scope: &str, address: &str) -> Option<std::io::Result<()>> {
        let scope = S::scopes().into_iter().find(|known| known.name == scope)?;
        Some(onceward_model::check::stateright::serve(&scope.protocol, &scope.scope, address))
    }
    fn perform(&self, trace: &Trace) -> Result<trace::Replay, Box<ReplayError>> {
        trace::replay::<S>(trace).map_err(Box::new)
    }
    fn serve(&self, text: &str, seat: Seat<'_>) -> Result<(), RealError> {
        real::serve::<S>(text, seat)
    }
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, String> {
        let walk = Walk::new::<S>(bytes);
        let mut walk = walk.ok_or_else(|| format!("no bytes, or {} has no scope to walk in", S::NAME))?;
        let ended = panics::catch(|| walk.go(bytes));
        let (mut scenario, told) = walk.scenario(ended.is_err());
        let broken = match ended {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => {
                if told.map(|told| told.promise) != Some(violation.promise) {
                    let promise = violation.promise;
                    return Err(format!(
                        "{promise} is broken there, and is not when the path is performed once more"
                    ));
                }
                Some((violation.promise, violation.what))
            }
            Err(words) => Some((NEVER_PANICS, words)),
        };
        let breaks = broken.as_ref().map(|(promise, _)| *promise);
        if let Some((promise, what)) = broken {
            scenario.about = what;
            scenario.expect = vec![Expect::Violates(promise.to_owned())];
        }
        let protocol = S::build(&scenario.header)?;
        let (text, steps) = (scenario::print(&*protocol, &scenario), scenario.entries.len());
        Ok(Decoded { text, scope: walk.scope(), steps, breaks })
    }
    fn encode(&self, name: &str, text: &str) -> Result<Vec<u8>, String> {
        let scenario = scenario::parse::<S>(text).map_err(|error| error.in_file(name).to_string())?;
        check::encode::<S>(&scenario).map_err(|error| format!("{name}: {error}"))
    }
    fn validate(&self, recording: &Path, options: &Options) -> Result<Validated, ValidateError> {
        validate::validate::<S>(recording, options)
    }
    fn exploring(&self, strategy: Strategy) -> Box<dyn Job> {
        Box::new(SwarmJob::<S>::exploring(strategy))
    }
    fn read(&self, name: &str, text: &str) -> Result<Box<dyn Job>, ScenarioError> {
        Ok(Box::new(ScenarioJob::<S>::read(name, text)?))
    }
}

/// The systems that a command can name.
#[derive(Default)]
pub struct Catalog(Vec<Box<dyn Subject>>);

impl Catalog {
    /// No system.
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// The systems of this repository.
    pub fn shipped() -> Catalog {
        let mut catalog = Catalog::new();
        systems::each(&mut catalog);
        catalog
    }

    /// Adds a system.
    #[must_use]
    pub fn with<S: System>(mut self) -> Catalog {
        self.visit::<S>();
        self
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &dyn Subject> {
        self.0.iter().map(|subject| &**subject)
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none of that name; the message names those that there are.
    pub fn find(&self, name: &str) -> Result<&dyn Subject, String> {
        let names = || self.all().map(Subject::name);
        let unknown = || scenario::unknown("system", name, names());
        self.all().find(|subject| subject.name() == name).ok_or_else(unknown)
    }

    /// Reads a scenario, whichever system it is for.
    ///
    /// # Errors
    /// Everything that is wrong with the text, with its place.
    pub fn read(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn Job>, String> {
        let text = scenario::text_of(bytes).map_err(|error| error.in_file(name).to_string())?;
        let system = scenario::peek(text).map_err(|error| error.in_file(name).to_string())?;
        let subject = self.find(&system).map_err(|error| format!("error: {error}\n--> {name}"))?;
        subject.read(name, text).map_err(|error| error.in_file(name).to_string())
    }
}

impl Visitor for Catalog {
    fn visit<S: System>(&mut self) {
        self.0.push(Box::new(Of::<S>(PhantomData)));
    }
}
