//! Exploration guided by coverage. Seeds come in episodes; within one, plans whose runs have shown something new are kept,
//! and most plans are made of kept ones by [changing](super::mutate) them. An episode begins with nothing and depends on
//! nothing but its number and the build: so a seed stands for one plan here too, whatever else is run, in how many threads
//! and on how many machines. To have it again, the seeds of its episode before it must be run first, which takes about a
//! second; its text is there at once. This module proposes plans and learns from runs; it runs nothing.

use super::{
    EPISODE, Strategy,
    features::{Features, Known},
    mutate::mutate,
};
use crate::{
    engine::Marks,
    plan::{self, Dice, Drawn},
};
use onceward_model::system::System;
use std::sync::Arc;

/// So many plans are kept at a time.
const KEPT: usize = 128;
/// One plan in so many is drawn afresh.
const FRESH: u64 = 3;
/// A stream of its own: that of a seed draws its plan.
const STREAM: u64 = 0x6775_6964_6564;
/// Another one, for donors.
const DONORS: u64 = 0x646f_6e6f_7273;

/// A plan that has shown something new.
struct Kept<S: System> {
    plan: Arc<Drawn<S::Protocol>>,
    /// How much.
    new: u32,
    /// How often another was made of it.
    chosen: u32,
}

/// A plan that was proposed.
struct Proposed<S: System> {
    seed: u64,
    plan: Arc<Drawn<S::Protocol>>,
    /// Which of those kept it was made of.
    parent: Option<usize>,
}

/// An episode, as far as it has come.
pub(crate) struct Guided<S: System> {
    strategy: Strategy,
    /// The next seed of which something is to be learned.
    next: u64,
    kept: Vec<Kept<S>>,
    known: Known,
    proposed: Option<Proposed<S>>,
    /// Those of the run before, for their memory.
    features: Option<Features>,
}

impl<S: System> Guided<S> {
    pub(crate) fn new(strategy: Strategy) -> Guided<S> {
        Guided { strategy, next: 0, kept: Vec::new(), known: Known::new(), proposed: None, features: None }
    }

    /// The seed that must be run and learned from before a plan can be proposed for this one; none if that has been done.
    pub(crate) fn missing(&mut self, seed: u64) -> Option<u64> {
        if self.proposed.as_ref().is_some_and(|proposed| proposed.seed == seed) {
            return None;
        }
        let first = seed - seed % EPISODE;
        if !(first..=seed).contains(&self.next) || self.next == first {
            *self = Guided { next: first, ..Guided::new(self.strategy) };
        }
        (self.next < seed).then_some(self.next)
    }

    /// The plan of a seed for which nothing is [missing](Guided::missing).
    ///
    /// # Errors
    /// The system does not accept what it draws itself.
    pub(crate) fn propose(&mut self, seed: u64) -> Result<Arc<Drawn<S::Protocol>>, String> {
        if let Some(proposed) = self.proposed.as_ref().filter(|proposed| proposed.seed == seed) {
            return Ok(proposed.plan.clone());
        }
        let mut dice = Dice::new(seed ^ STREAM);
        let parent = (!self.kept.is_empty() && !dice.one_in(FRESH)).then(|| self.choose(&mut dice));
        let plan = Arc::new(match parent {
            None => self.draw(seed, &mut dice)?,
            Some(parent) => {
                let parent = &self.kept[parent].plan;
                if dice.one_in(2) {
                    let donor = dice.below(self.kept.len() as u64) as usize;
                    mutate::<S>(parent, &self.kept[donor].plan, &mut dice)
                } else {
                    let donor = self.draw(seed ^ DONORS, &mut dice)?;
                    mutate::<S>(parent, &donor, &mut dice)
                }
            }
        });
        self.proposed = Some(Proposed { seed, plan: plan.clone(), parent });
        Ok(plan)
    }

    fn draw(&self, seed: u64, dice: &mut Dice) -> Result<Drawn<S::Protocol>, String> {
        let mut drawn = plan::draw::<S>(seed)?;
        if self.strategy == Strategy::Mix && dice.one_in(2) {
            plan::prioritise(&mut drawn.scenario);
        }
        Ok(drawn)
    }

    /// Of three that are kept the one that was chosen least.
    fn choose(&self, dice: &mut Dice) -> usize {
        let mut one = || dice.below(self.kept.len() as u64) as usize;
        let three = [one(), one(), one()];
        three.into_iter().min_by_key(|at| self.kept[*at].chosen).unwrap_or(0)
    }

    /// Room for the features of a run.
    pub(crate) fn take(&mut self) -> Features {
        self.features.take().unwrap_or_else(Features::new)
    }

    /// The plan of this seed has been run: what it has shown is in the features and these marks.
    pub(crate) fn learn(&mut self, seed: u64, mut features: Features, marks: &Marks, failed: bool) {
        let Some(proposed) = self.proposed.as_ref().filter(|p| p.seed == seed && seed == self.next) else {
            return;
        };
        self.next = seed + 1;
        let new = self.known.learn(&mut features, marks);
        features.clear();
        self.features = Some(features);
        if let Some(parent) = proposed.parent {
            self.kept[parent].chosen += 1;
        }
        // What fails ends early, and fails again in whatever is made of it.
        if new == 0 || failed {
            return;
        }
        if self.kept.len() == KEPT {
            let least = |kept: &Kept<S>| (kept.chosen, u32::MAX - kept.new);
            let gone = (0..KEPT).max_by_key(|at| (least(&self.kept[*at]), KEPT - at));
            gone.map(|gone| self.kept.remove(gone));
        }
        self.kept.push(Kept { plan: proposed.plan.clone(), new, chosen: 0 });
    }

    /// How many plans are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onceward_model::toy::ToySystem;

    #[test]
    fn what_shows_something_new_is_kept_and_changed_and_what_does_not_is_not() {
        let mut guided = Guided::<ToySystem>::new(Strategy::Guided);
        let mut made = 0;
        for seed in 0..600 {
            assert_eq!(guided.missing(seed), None);
            guided.propose(seed).unwrap();
            made += u32::from(guided.proposed.as_ref().unwrap().parent.is_some());
            let mut marks = Marks::default();
            // Something new in one run of two, for as long as there are names.
            let names: [&'static str; 4] = ["a", "b", "c", "d"];
            names.iter().take((seed as usize / 2).min(4)).for_each(|name| marks.hit(name));
            let features = guided.take();
            guided.learn(seed, features, &marks, false);
        }
        // Pairs of marks: with two, three and four of them.
        assert_eq!(guided.kept(), 3);
        assert!((300..500).contains(&made), "{made}");
    }

    #[test]
    fn an_episode_that_is_taken_up_elsewhere_begins_anew() {
        let mut guided = Guided::<ToySystem>::new(Strategy::Guided);
        assert_eq!(guided.missing(EPISODE + 5), Some(EPISODE));
        guided.propose(EPISODE).unwrap();
        guided.learn(EPISODE, Features::new(), &Marks::default(), false);
        assert_eq!(guided.missing(EPISODE + 5), Some(EPISODE + 1));
        assert_eq!(guided.missing(EPISODE), None);
        assert_eq!(guided.missing(3), Some(0));
    }
}
