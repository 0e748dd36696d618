//! The closest run that passes: the scenario with one thing changed that a person could have written otherwise (a line
//! left out or at another time, another number, other luck), whose run goes along with the failing one for as many steps
//! as possible. Where the two part is where the failure is decided. Every candidate is a text that was read and run with
//! healing; nothing is inferred, and a change that merely fails in another way does not count. Where no change makes it
//! pass, as with a bug that shows in every run, that is the answer.

use super::{
    explicit::possible,
    judge::{Judge, Of},
    page::{Line, Page},
    profiles,
};
use crate::engine::Watch;
use onceward_core::{Clock, Dur, NodeAction, NodeId};
use onceward_model::{
    scenario::{self, Planned, Profile, Scenario, label, print_span, words},
    system::System,
    trace::{Chain, StepHash},
    world::{ChoiceOf, Key, Protocol, Seen, Sink, Time, When, World},
};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, sync::Arc, time::Duration};

/// So much processor time is spent on the search.
const CPU: Duration = Duration::from_secs(3);
/// Runs are compared for so many steps.
const MOST_STEPS: usize = 20_000;
/// A line is moved to so many other moments, at most, in each direction.
const MOMENTS: usize = 48;
/// So many other seeds are tried where something is left to chance.
const SEEDS: u64 = 16;

/// What a search for the closest run that passes has come to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Nearest {
    /// Runs that are one change away, and were tried.
    pub tried: u64,
    /// The closest of them that passes; none if none does.
    pub passing: Option<Passing>,
}

/// A run that is one change away from a failing one and passes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Passing {
    /// What is different, in the words of the scenario language: what follows "it passes".
    pub change: String,
    /// The scenario with that change.
    pub text: String,
    /// The first step at which the runs part.
    pub step: u64,
    /// What happens there in the failing run; none if it has ended.
    pub here: Option<Parting>,
    /// What happens there in the passing run; none if it has ended.
    pub there: Option<Parting>,
}

/// What one of two runs does where they part.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Parting {
    /// When, in simulated nanoseconds.
    pub nanos: u64,
    /// What happens.
    pub what: String,
}

/// How far a change goes, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Edit {
    /// A line comes at another time, between the same lines.
    Moved,
    /// A line says something else, or chance draws something else.
    Other,
    /// Two steps have changed places.
    Swapped,
    /// A line is missing.
    Without,
    /// A line comes before or after another one than it did.
    Reordered,
}

/// One change.
struct Candidate {
    page: Page,
    edit: Edit,
    /// By how much, among changes of one kind.
    size: u64,
    change: String,
}

/// The best so far.
struct Found<P: Protocol> {
    agree: usize,
    edit: Edit,
    size: u64,
    change: String,
    protocol: Arc<P>,
    scenario: Scenario<P>,
}

/// Looks for the closest passing run to a failing plan, whose own seed is the one that it fails under.
///
/// # Errors
/// The plan does not fail, or as text it takes another course.
pub(crate) fn nearest<S: System>(
    protocol: &Arc<Of<S>>,
    failing: &Scenario<Of<S>>,
) -> Result<Nearest, String> {
    let quiet = &mut |_| ();
    let (mut judge, _) = Judge::<S>::new(protocol, failing, CPU, quiet)?;
    let plain = Scenario { expect: Vec::new(), about: String::new(), ..failing.clone() };
    let page = Page::of(&**protocol, &plain, None);
    let read = scenario::load::<S>(&page.text(&**protocol));
    let (protocol, start) = read.map_err(|error| error.to_string())?;
    let course = drive(&mut judge, &protocol, &start, None);
    if course.passes || course.steps.is_empty() {
        return Err("as text it takes another course".into());
    }
    let mut search = Search { judge, page, protocol, course, tried: 0, found: None };
    search.lines();
    search.chance();
    let Search { mut judge, protocol, course, tried, found, .. } = search;
    // Runs that are the same for as long as they are compared are not known to part.
    let passing = found.filter(|found| found.agree < MOST_STEPS || course.steps.len() < MOST_STEPS);
    let passing = passing.map(|found| {
        let step = found.agree as u64 + 1;
        let mut at = |protocol, scenario| drive(&mut judge, protocol, scenario, Some(step)).named;
        let (here, there) = (at(&protocol, &start), at(&found.protocol, &found.scenario));
        let text = scenario::print(&*found.protocol, &found.scenario);
        Passing { change: found.change, text, step, here, there }
    });
    Ok(Nearest { tried, passing })
}

struct Search<'a, S: System> {
    judge: Judge<'a, S>,
    page: Page,
    protocol: Arc<Of<S>>,
    course: Course<Of<S>>,
    tried: u64,
    found: Option<Found<Of<S>>>,
}

impl<S: System> Search<'_, S> {
    /// Changes of lines, from the last to the first: the later a line takes effect, the later the runs part.
    fn lines(&mut self) {
        for n in (0..self.page.plan.len()).rev() {
            let at = self.page.plan[n].at;
            // Whatever is done to a line is seen no later than where the line stands.
            let latest = self.course.steps.iter().filter(|stride| stride.at.0 <= at).count();
            if self.found.as_ref().is_some_and(|found| found.agree > latest) {
                return;
            }
            self.line(n);
        }
    }

    fn line(&mut self, n: usize) {
        let Line { at, words } = self.page.plan[n].clone();
        let mut page = self.page.clone();
        page.plan.remove(n);
        let said = format!("at {} {words}", print_span(Dur(at)));
        let change = format!("without `{said}`");
        let without = self.attempt(Candidate { page, edit: Edit::Without, size: 0, change });
        if words.starts_with("step ") {
            if n + 1 < self.page.plan.len() {
                let mut page = self.page.clone();
                page.plan.swap(n, n + 1);
                // The times stay where they were.
                let times = (page.plan[n].at, page.plan[n + 1].at);
                (page.plan[n].at, page.plan[n + 1].at) = (times.1, times.0);
                let bare = |line: &Line| line.words.trim_start_matches("step ").to_owned();
                let (first, second) = (bare(&page.plan[n]), bare(&page.plan[n + 1]));
                let change = format!("with `{first}` before `{second}`");
                self.attempt(Candidate { page, edit: Edit::Swapped, size: 0, change });
            }
            return;
        }
        for other in other_words(&words) {
            let mut page = self.page.clone();
            page.plan[n].words.clone_from(&other);
            let size = other.len().abs_diff(words.len()) as u64;
            let change = format!("with `{other}` in place of `{words}`");
            self.attempt(Candidate { page, edit: Edit::Other, size, change });
        }
        if let Some(without) = without {
            self.moves(n, &without);
        }
    }

    /// Moves a line to the moments between those at which something happens in the run without it.
    fn moves(&mut self, n: usize, without: &[Time]) {
        let Line { at, words } = self.page.plan[n].clone();
        let mut times: Vec<u64> = without.iter().map(|time| time.0).collect();
        times.dedup();
        let after = times.partition_point(|time| *time <= at);
        let end = times.last().copied().unwrap_or(at).max(at);
        let (earlier, mut later) = (times[..after].to_vec(), times[after..].to_vec());
        later.push(end.saturating_add(end / 4).saturating_add(2));
        let moments = later.windows(2).take(MOMENTS).map(|gap| (gap[0], gap[1]));
        let before = earlier.windows(2).rev().take(MOMENTS).map(|gap| (gap[0], gap[1]));
        for to in moments.chain(before).filter_map(|(from, to)| roundest(from, to)) {
            let mut page = self.page.clone();
            page.plan[n].at = to;
            let order = |page: &Page| page.plan.windows(2).all(|two| two[0].at <= two[1].at);
            let edit = if order(&page) { Edit::Moved } else { Edit::Reordered };
            page.plan.sort_by_key(|line| line.at);
            let (new, old) = (print_span(Dur(to)), print_span(Dur(at)));
            let change = format!("with `{words}` at {new}, not at {old}");
            self.attempt(Candidate { page, edit, size: to.abs_diff(at), change });
        }
    }

    /// Changes of what is left to chance.
    fn chance(&mut self) {
        if self.page.profile.is_certain() {
            return;
        }
        let none = Profile::none();
        let old = self.profile_of(&self.page);
        for part in profiles::FAULTS.iter().chain(&profiles::TIMES) {
            let mut page = self.page.clone();
            part(&mut page.profile, &none);
            if page.profile != self.page.profile {
                let change = format!("with `{}` in place of `{old}`", self.profile_of(&page));
                self.attempt(Candidate { page, edit: Edit::Other, size: 1, change });
            }
        }
        let seed = self.page.seed;
        for other in (0..SEEDS).filter(|other| *other != seed) {
            let mut page = self.page.clone();
            page.seed = other;
            let change = format!("with `seed {other}` in place of `seed {seed}`");
            self.attempt(Candidate { page, edit: Edit::Other, size: 2 + other, change });
        }
    }

    /// The line of a page that says what is left to chance.
    fn profile_of(&self, page: &Page) -> String {
        let text = page.text(&*self.protocol);
        let line = text.lines().find(|line| line.starts_with("profile ")).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Runs a candidate; the times of its steps, if it could be run.
    fn attempt(&mut self, candidate: Candidate) -> Option<Vec<Time>> {
        let Candidate { page, edit, size, change } = candidate;
        if self.judge.is_over() {
            return None;
        }
        let (protocol, mut scenario) = scenario::load::<S>(&page.text(&*self.protocol)).ok()?;
        if scenario.entries.iter().any(|entry| matches!(entry.what, Planned::Step(_))) {
            // Steps that only the missing one has made possible cannot happen either.
            scenario.entries = possible::<S>(&protocol, &scenario.entries);
        }
        let other = drive(&mut self.judge, &protocol, &scenario, None);
        let times = other.steps.iter().map(|stride| stride.at).collect();
        self.tried += 1;
        if other.passes {
            let agree = self.course.agrees(&other);
            let better = |found: &Found<Of<S>>| {
                (Reverse(agree), edit, size) < (Reverse(found.agree), found.edit, found.size)
            };
            if self.found.as_ref().is_none_or(better) {
                self.found = Some(Found { agree, edit, size, change, protocol, scenario });
            }
        }
        Some(times)
    }
}

/// What a line could say instead: more luck when power is lost, and numbers that are one more or one less.
fn other_words(line: &str) -> Vec<String> {
    let mut others = Vec::new();
    if let Some((node, _)) = line.split_once(" loses power") {
        others.push(format!("{node} loses power, keeping everything"));
    }
    for word in words(line, 0).unwrap_or_default().iter().filter(|word| !word.quoted) {
        let Ok(n) = word.text.parse::<u64>() else { continue };
        for m in [n.checked_sub(1), n.checked_add(1)].into_iter().flatten() {
            others.push(format!("{}{m}{}", &line[..word.from], &line[word.to..]));
        }
    }
    others.retain(|other| other != line);
    others
}

/// The number between two others that is shortest to write; none if there is none between them.
fn roundest(from: u64, to: u64) -> Option<u64> {
    let mut unit = 10u64.pow(to.checked_ilog10()?);
    while unit > 0 {
        let next = (from / unit).saturating_add(1).saturating_mul(unit);
        if next < to {
            return Some(next);
        }
        unit /= 10;
    }
    None
}

/// What a run did, step by step.
struct Course<P: Protocol> {
    steps: Vec<Stride<P>>,
    hash: StepHash,
    passes: bool,
    /// The step whose name is wanted, and its name.
    wanted: Option<u64>,
    named: Option<Parting>,
}

struct Stride<P: Protocol> {
    step: u64,
    at: Time,
    choice: ChoiceOf<P>,
    link: Chain,
}

fn drive<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &Scenario<Of<S>>,
    wanted: Option<u64>,
) -> Course<Of<S>> {
    let mut course = Course { steps: Vec::new(), hash: StepHash::new(), passes: false, wanted, named: None };
    course.passes = judge.run(protocol, scenario, &mut course).violation.is_none();
    course
}

impl<P: Protocol> Course<P> {
    /// For how many steps two runs are the same, in what happens, when, and what the machines make of it.
    fn agrees(&self, other: &Course<P>) -> usize {
        let same =
            |(a, b): &(&Stride<P>, &Stride<P>)| a.at == b.at && a.choice == b.choice && a.link == b.link;
        self.steps.iter().zip(&other.steps).take_while(same).count()
    }
}

impl<P: Protocol> Sink<P> for Course<P> {
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        self.hash.add(seen, node, clock, actions);
        if let Some(last) = self.steps.last_mut().filter(|last| last.step == seen.step) {
            last.link = self.hash.chain();
        }
    }
}

impl<P: Protocol> Watch<P> for Course<P> {
    fn choice(&mut self, world: &World<P>, seen: Seen, _: Key, choice: &ChoiceOf<P>) {
        // What was announced under this number before was not possible.
        self.steps.pop_if(|last| last.step == seen.step);
        if self.wanted == Some(seen.step) {
            self.named = Some(Parting { nanos: seen.at.0, what: label(world, choice) });
        }
        if self.steps.len() < MOST_STEPS {
            let link = self.hash.chain();
            self.steps.push(Stride { step: seen.step, at: seen.at, choice: choice.clone(), link });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_between_others_are_round() {
        assert_eq!(roundest(2_200_000, 2_300_001), Some(2_300_000));
        assert_eq!(roundest(2_200_000, 2_300_000), Some(2_210_000));
        assert_eq!(roundest(999, 1_001), Some(1_000));
        assert_eq!(roundest(7, 8), None);
        assert_eq!(roundest(0, 0), None);
    }

    #[test]
    fn a_line_could_say_something_else() {
        let other = other_words("store loses power, keeping 1.seg:0-3");
        assert_eq!(other, ["store loses power, keeping everything"]);
        assert!(other_words("store loses power, keeping everything").is_empty());
        let other = other_words("store is killed within 2 actions");
        assert_eq!(other, ["store is killed within 1 actions", "store is killed within 3 actions"]);
        assert!(other_words("client-1 appends a \"3\"").is_empty());
    }
}
