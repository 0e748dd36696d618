//! A machine that panics or spins when it is asked to, and answers everything else at once: what a driver or an engine
//! makes of a machine's bug is seen with no machine that has none. It promises nothing.

use onceward_core::{Action, CallId, ClientId, Clock, Dur, Input, Machine, Never, Node, NodeId};
use onceward_model::{
    scenario::Header,
    system::{Mutant, NamedScope, Numbering, Problem, Promise, System, Verb, Word},
    world::{ChoiceOf, Event, Key, Protocol, Seen, Time, Violation, World},
};
use std::sync::Arc;

/// What it is asked, and answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ask {
    /// To panic.
    Fail,
    /// Never to come back.
    Spin,
    /// To answer.
    Echo,
}

/// The machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Glass;

impl Machine for Glass {
    type Input = Input<Never, (), Ask>;
    type Action = Action<Never, (), Ask>;

    fn step(&mut self, _: Clock, input: Self::Input, actions: &mut Vec<Self::Action>) {
        match input {
            Input::Call(_, Ask::Fail) => panic!("as you wish"),
            Input::Call(_, Ask::Spin) => loop {
                std::hint::spin_loop();
            },
            Input::Call(call, ask) => actions.push(Action::Reply(call, ask)),
            _ => {}
        }
    }
}

impl Node for Glass {
    type Message = Never;
    type Timer = ();
    type Request = Ask;
    type Response = Ask;
}

/// One such machine.
#[derive(Clone, Copy, Debug)]
pub struct Fragile;

impl Protocol for Fragile {
    type Node = Glass;
    type Ghost = ();

    fn nodes(&self) -> u16 {
        1
    }
    fn boot(&self, _: NodeId, _: u8) -> Glass {
        Glass
    }
    fn ghost(&self) {}
    fn observe(&self, _: &mut (), _: Seen, _: Event<'_, Glass>) -> Result<(), Violation> {
        Ok(())
    }
    fn settled(&self, _: &(), world: &World<Fragile>) -> bool {
        world.calls().is_empty()
    }
}

/// The machine as scenarios see it.
#[derive(Clone, Copy, Debug)]
pub struct FragileSystem;

impl System for FragileSystem {
    type Protocol = Fragile;

    const NAME: &'static str = "fragile";
    const ABOUT: &'static str = "a machine that panics or spins when it is asked to";

    fn build(_: &Header) -> Result<Arc<Fragile>, String> {
        Ok(Arc::new(Fragile))
    }
    fn verbs() -> &'static [Verb] {
        const VERBS: [Verb; 3] = [
            Verb { word: "asks-echo", usage: "client-1 asks-echo", help: "Asks for an answer." },
            Verb { word: "asks-failure", usage: "client-1 asks-failure", help: "Asks for a panic." },
            Verb {
                word: "asks-too-much",
                usage: "client-1 asks-too-much",
                help: "Asks for a step without end.",
            },
        ];
        &VERBS
    }
    fn parse_call(
        _: &Fragile,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Result<(NodeId, CallId, Ask), Problem> {
        let ask = match words.get(1).map(|word| &*word.text) {
            Some("asks-failure") => Ask::Fail,
            Some("asks-too-much") => Ask::Spin,
            _ => Ask::Echo,
        };
        Ok((NodeId(0), numbering.next(ClientId(0)), ask))
    }
    fn draw_header(_: Key) -> Header {
        Header::default()
    }
    fn draw_workload(_: &Fragile, _: Key, _: u32, _: Dur) -> Vec<(Time, ChoiceOf<Fragile>)> {
        Vec::new()
    }
    fn promises() -> &'static [Promise] {
        &[]
    }
    fn marks() -> &'static [&'static str] {
        &[]
    }
    fn mutants() -> Vec<Mutant> {
        Vec::new()
    }
    fn scopes() -> Vec<NamedScope<Fragile>> {
        Vec::new()
    }
}

/// A failure with calls before and behind it in the same turn.
pub const TEXT: &str = "system fragile\ncluster one\nprofile none\n\nat 1ms client-1 asks-echo\n\
                               at 1ms client-1 asks-failure\nat 1ms client-1 asks-echo\nat 5ms client-1 asks-echo\n";
