//! Records a run while it happens. It sees the choices before they are performed, as only then they have a name, and
//! what machines make of them; a choice that turned out to be impossible leaves nothing. It changes nothing.

use super::{
    Chain, Step, StepHash, Taken, Trace, TraceHeader,
    describe::{describe_action, describe_input},
};
use crate::{
    mutants::mutant,
    scenario::{Names, exact, print_planned},
    world::{Applied, Choice, ChoiceOf, Key, Protocol, Seen, Sink, Time, Violation, When, World},
};
use onceward_core::{CallId, Clock, NodeAction, NodeId, NodeInput};
use std::sync::Arc;

/// Records a run.
///
/// Either perform choices through [`Recorder::apply`], or, in an engine of one's own, tell each choice to
/// [`Recorder::choice`] before it is performed and let the recorder watch as a [`Sink`].
pub struct Recorder<P: Protocol> {
    protocol: Arc<P>,
    names: Names,
    hash: StepHash,
    trace: Trace,
    tried: Option<Tried>,
}

/// A choice that was announced and of which it is not known yet whether it was possible.
struct Tried {
    /// The step that it is, if it is one.
    step: u64,
    at: Time,
    line: String,
    call: Option<CallId>,
    taken: Vec<Taken>,
}

impl<P: Protocol> Recorder<P> {
    /// Before the first step.
    pub fn new(protocol: &Arc<P>, header: TraceHeader) -> Recorder<P> {
        let trace = Trace { header, steps: Vec::new() };
        let names = Names::of(&**protocol);
        Recorder { protocol: Arc::clone(protocol), names, hash: StepHash::new(), trace, tried: None }
    }

    /// What the run is.
    pub fn header(&self) -> &TraceHeader {
        &self.trace.header
    }

    /// The chain so far.
    pub fn chain(&self) -> Chain {
        self.hash.chain()
    }

    /// What was recorded so far.
    pub fn steps(&self) -> &[Step] {
        &self.trace.steps
    }

    /// The choice that was announced last, and which step it is, unless it is over.
    pub fn announced(&self) -> Option<(u64, &str)> {
        self.tried.as_ref().map(|tried| (tried.step, &*tried.line))
    }

    /// A choice is about to be performed in this world. Whatever was announced before is over.
    pub fn choice(&mut self, world: &World<P>, at: Time, choice: &ChoiceOf<P>) {
        self.settle(world.steps());
        if mutant!(TimersNotTraced) && matches!(choice, Choice::Fire(..)) {
            return;
        }
        let line = print_planned(&*self.protocol, &self.names, &exact(world, at, choice).what);
        let call = if let Choice::Call(_, call, _) = choice { Some(*call) } else { None };
        self.tried = Some(Tried { step: world.steps() + 1, at, line, call, taken: Vec::new() });
    }

    /// What was announced last has ended, with this many steps of the world done: it is kept if it was one of them.
    pub fn settle(&mut self, done: u64) {
        let Some(tried) = self.tried.take() else { return };
        if tried.step <= done {
            self.keep(tried);
        } else if let Some(last) = self.trace.steps.last_mut() {
            // Nothing came of it; what machines did meanwhile by themselves, they did after the step before.
            last.taken.extend(tried.taken);
            last.link = self.hash.chain();
        }
    }

    fn keep(&mut self, tried: Tried) {
        let Tried { at, line, call, taken, .. } = tried;
        self.trace.steps.push(Step { at, line, call, taken, link: self.hash.chain() });
    }

    /// Performs a choice and records it.
    ///
    /// # Errors
    /// The violation, if a promise is broken; the step is recorded.
    pub fn apply(
        &mut self,
        world: &mut World<P>,
        at: Time,
        choice: &ChoiceOf<P>,
        key: Key,
        sink: &mut impl Sink<P>,
    ) -> Result<Applied, Violation> {
        self.choice(world, at, choice);
        let applied = world.apply(at, choice, key, &mut Beside { watch: self, sink });
        match &applied {
            Ok(_) => self.settle(world.steps()),
            Err(_) => self.violated(),
        }
        applied
    }

    /// What was announced last broke a promise: it did happen.
    pub fn violated(&mut self) {
        if let Some(tried) = self.tried.take() {
            self.keep(tried);
        }
    }

    /// The whole trace. `world` is needed to tell whether what was announced last happened.
    pub fn finish(mut self, world: &World<P>) -> Trace {
        self.settle(world.steps());
        self.trace
    }
}

impl<P: Protocol> Sink<P> for Recorder<P> {
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    fn input(&mut self, _: Seen, node: NodeId, clock: Clock, input: &NodeInput<P::Node>) {
        let input = describe_input(&*self.protocol, node, input);
        let taken = Taken { node: self.names.node(node), clock, input, actions: Vec::new() };
        if let Some(tried) = &mut self.tried {
            tried.taken.push(taken);
        }
    }

    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        self.hash.add(seen, node, clock, actions);
        if let Some(taken) = self.tried.as_mut().and_then(|tried| tried.taken.last_mut()) {
            taken.actions = actions.iter().map(|action| describe_action(&*self.protocol, action)).collect();
        }
    }
}

/// Two sinks at once: one that is told of everything, and one that only watches machines take steps and is not told what
/// becomes possible (so that nothing needs to be copied for it).
pub struct Beside<'a, W, S> {
    /// Watches steps.
    pub watch: &'a mut W,
    /// Is told everything.
    pub sink: &'a mut S,
}

impl<P: Protocol, W: Sink<P>, S: Sink<P>> Sink<P> for Beside<'_, W, S> {
    #[inline]
    fn born(&mut self, key: Key, choice: ChoiceOf<P>, when: When) {
        self.sink.born(key, choice, when);
    }

    #[inline]
    fn input(&mut self, seen: Seen, node: NodeId, clock: Clock, input: &NodeInput<P::Node>) {
        self.watch.input(seen, node, clock, input);
        self.sink.input(seen, node, clock, input);
    }

    #[inline]
    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        self.watch.actions(seen, node, clock, actions);
        self.sink.actions(seen, node, clock, actions);
    }
}
