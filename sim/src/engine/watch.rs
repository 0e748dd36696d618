//! Who looks on while an engine runs: step hashes, traces, marks. Looking on changes nothing, and what is not asked
//! for costs nothing.

use super::Born;
use onceward_core::{Action, Clock, NodeAction, NodeId, NodeInput};
use onceward_model::world::{ChoiceOf, Key, Nobody, Protocol, Seen, Sink, When, World};

/// Looks on: beside what a [`Sink`] sees, the choices themselves.
pub trait Watch<P: Protocol>: Sink<P> {
    /// This choice is about to be tried in this world. Nothing follows if it turns out not to be possible (any more).
    #[inline]
    fn choice(&mut self, _world: &World<P>, _seen: Seen, _key: Key, _choice: &ChoiceOf<P>) {}

    /// This has become possible; see [`Sink::born`]. Lent, so that nothing is copied for those who do not ask.
    #[inline]
    fn possible(&mut self, _key: Key, _choice: &ChoiceOf<P>) {}

    /// The choice that was announced last has happened and broke a promise.
    fn broke(&mut self) {}

    /// An interesting place was reached.
    #[inline]
    fn mark(&mut self, _mark: &'static str) {}
}

impl<P: Protocol> Watch<P> for Nobody {}

/// How often each mark was reached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks(Vec<(&'static str, u64)>);

impl Marks {
    /// Counts one.
    #[inline]
    pub fn hit(&mut self, mark: &'static str) {
        self.add(mark, 1);
    }

    fn add(&mut self, mark: &'static str, times: u64) {
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, mark) || *known == mark) {
            Some((_, count)) => *count += times,
            None => self.0.push((mark, times)),
        }
    }

    /// Adds what another run reached.
    pub fn merge(&mut self, other: &Marks) {
        other.0.iter().for_each(|(mark, times)| self.add(mark, *times));
    }

    /// How often a mark was reached.
    pub fn of(&self, mark: &str) -> u64 {
        self.0.iter().find(|(known, _)| *known == mark).map_or(0, |(_, count)| *count)
    }

    /// All that were reached, by name.
    pub fn sorted(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.0.clone();
        all.sort_unstable();
        all
    }
}

/// Keeps what is born for the engine and hands everything on.
pub(crate) struct Recorder<'a, P: Protocol, W> {
    pub(crate) born: &'a mut Vec<Born<P>>,
    pub(crate) watch: &'a mut W,
}

impl<P: Protocol, W: Watch<P>> Sink<P> for Recorder<'_, P, W> {
    #[inline]
    fn born(&mut self, key: Key, choice: ChoiceOf<P>, when: When) {
        self.watch.possible(key, &choice);
        self.born.push(Born { key, choice, when });
    }

    #[inline]
    fn input(&mut self, seen: Seen, node: NodeId, clock: Clock, input: &NodeInput<P::Node>) {
        self.watch.input(seen, node, clock, input);
    }

    #[inline]
    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        for action in actions {
            if let Action::Mark(mark) = action {
                self.watch.mark(mark.0);
            }
        }
        self.watch.actions(seen, node, clock, actions);
    }
}
