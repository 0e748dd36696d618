//! Failures made smaller, for reports: each signature once, whichever lane shows it first.

use super::{Evidence, evidence, text::grouped};
use crate::{
    minimise::{Options, Progress, Shrunk},
    run::{Job, Signature, host},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The file beside the plan that says the same in fewer words.
const FILE: &str = "minimal.scenario";

/// Makes failures smaller.
pub struct Shrinker<'a> {
    cpu: Duration,
    progress: &'a (dyn Fn(Progress) + Sync),
    /// Whose failure was made smaller for each signature.
    done: BTreeMap<Signature, String>,
}

/// What is left of a failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum SmallerReport {
    /// A scenario that fails in the same way, as was seen.
    Scenario(Box<Scenario>),
    /// Nothing: the same failure was made smaller before; whose that was.
    SameAs(String),
    /// Nothing, for this reason.
    Failed(String),
}

/// A scenario that fails in the same way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// The work and its result.
    pub shrunk: Shrunk,
    /// In what way it breaks its promise.
    pub what: String,
    /// The steps that contradict the promise.
    pub evidence: Vec<Evidence>,
    /// Where its text is, if it could be written.
    pub file: Option<PathBuf>,
}

impl<'a> Shrinker<'a> {
    /// Spends so much processor time on each failure, and tells how far it is.
    pub fn new(cpu: Duration, progress: &'a (dyn Fn(Progress) + Sync)) -> Shrinker<'a> {
        Shrinker { cpu, progress, done: BTreeMap::new() }
    }

    /// Makes the failure of a seed smaller and writes the result beside its plan.
    pub(super) fn shrink(
        &mut self,
        job: &dyn Job,
        seed: u64,
        signature: &Signature,
        plan: Option<&Path>,
    ) -> SmallerReport {
        let file = plan.map(|plan| plan.with_file_name(FILE));
        if let Some(file) = &file {
            // What an earlier failure of this seed has left is not this one's.
            let _ = fs::remove_file(file);
        }
        if let Some(whose) = self.done.get(signature) {
            return SmallerReport::SameAs(whose.clone());
        }
        let whose = if job.is_swarm() { "random plans of" } else { "scenario" };
        let origin = format!("{whose} {}, seed {seed}", job.name());
        let (cpu, progress) = (self.cpu, self.progress);
        let end = host::fresh(|| {
            let mut options = Options { cpu, progress: &mut |how_far| progress(how_far) };
            job.worker().shrink(seed, &origin, &mut options)
        });
        match end {
            Ok((shrunk, violation)) if shrunk.replays => {
                self.done.insert(signature.clone(), origin);
                let file = file.filter(|file| fs::write(file, &shrunk.text).is_ok());
                let evidence = evidence(&violation);
                SmallerReport::Scenario(Box::new(Scenario { shrunk, what: violation.what, evidence, file }))
            }
            Ok(_) => {
                SmallerReport::Failed("what was found does not fail when it is read and run again".into())
            }
            Err(why) => SmallerReport::Failed(why),
        }
    }
}

impl SmallerReport {
    /// The scenario, if there is one.
    pub fn scenario(&self) -> Option<&Scenario> {
        if let SmallerReport::Scenario(scenario) = self { Some(scenario) } else { None }
    }

    /// Where the scenario's text is.
    pub(super) fn file(&self) -> Option<&Path> {
        self.scenario()?.file.as_deref()
    }

    /// What has become of it, in a few words.
    pub(super) fn headline(&self) -> String {
        match self {
            SmallerReport::Scenario(scenario) => {
                let Shrunk { lines, from_steps, seconds, minimal, certain, .. } = &scenario.shrunk;
                let cut = if *minimal { "" } else { ", where time ran out" };
                let chance = if *certain { "" } else { ", with a seed that holds for this build" };
                let plural = if *lines == 1 { "" } else { "s" };
                let steps = grouped(*from_steps);
                format!("shrunk from {steps} steps to {lines} line{plural} in {seconds:.1} s{cut}{chance}")
            }
            SmallerReport::SameAs(whose) => format!("shrunk already, from {whose}"),
            SmallerReport::Failed(why) => format!("not shrunk: {why}"),
        }
    }
}

impl Scenario {
    /// The text without its comment, for a terminal.
    pub(super) fn plain(&self) -> String {
        let lines = self.shrunk.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| format!("    {line}\n")).collect()
    }
}
