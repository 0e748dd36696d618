//! A run as text for people: one line for each choice, and below it what the machines were given and what they asked
//! for. It watches and changes nothing; its chain is the one that every other run of the seed has.

use super::chain::Chain;
use crate::engine::Watch;
use onceward_core::{Action, Clock, Input, NodeAction, NodeId, NodeInput};
use onceward_model::{
    scenario::{label, print_span},
    world::{ChoiceOf, Key, Protocol, Seen, Sink, When, World, disk::OpLabel},
};
use std::{fmt::Write, sync::Arc};

pub(super) struct Narrator<P> {
    protocol: Arc<P>,
    chain: Chain,
    text: String,
    /// The line of the choice that is being tried, until something comes of it.
    tried: Option<(Seen, String)>,
}

impl<P: Protocol> Narrator<P> {
    pub(super) fn new(protocol: &Arc<P>) -> Narrator<P> {
        Narrator { protocol: protocol.clone(), chain: Chain::default(), text: String::new(), tried: None }
    }

    pub(super) fn finish(mut self) -> (Chain, String) {
        self.tell();
        (self.chain, self.text)
    }

    fn tell(&mut self) {
        if let Some((seen, words)) = self.tried.take() {
            let at = print_span(onceward_core::Dur(seen.at.0));
            let _ = writeln!(self.text, "{:>6}  {at:>12}  {words}", seen.step);
        }
    }

    fn below(&mut self, words: &str) {
        self.tell();
        let _ = writeln!(self.text, "                        {words}");
    }

    fn input_words(&self, input: &NodeInput<P::Node>) -> Option<String> {
        Some(match input {
            // The choice has said it.
            Input::Boot | Input::Message(..) | Input::Timer(_) | Input::Call(..) => return None,
            Input::Disk(op, Ok(answer)) => {
                format!("operation {} answers {}", op.0, short(&format!("{answer:?}")))
            }
            Input::Disk(op, Err(error)) => format!("operation {} fails: {error:?}", op.0),
            Input::Received(conn, message) => {
                format!("receives {} on {}", self.protocol.message_label(message), conn.number)
            }
            Input::Opened(conn) => format!("connection {} is open", conn.number),
            Input::Accepted(conn) => {
                format!("accepts connection {} of {}", conn.number, self.protocol.node_name(conn.initiator))
            }
            Input::Closed(conn, why) => format!("connection {} is over: {why:?}", conn.number),
        })
    }

    fn action_words(&self, action: &NodeAction<P::Node>) -> String {
        let name = |node: &NodeId| self.protocol.node_name(*node);
        match action {
            Action::Disk(op, what) => format!("operation {}: {}", op.0, OpLabel(what)),
            Action::Send(to, message) => {
                format!("sends {} to {}", self.protocol.message_label(message), name(to))
            }
            Action::Connect(to, number) => format!("opens connection {number} to {}", name(to)),
            Action::Write(conn, message) => {
                format!("writes {} on {}", self.protocol.message_label(message), conn.number)
            }
            Action::Close(conn) => format!("closes connection {}", conn.number),
            Action::Arm(timer, window) => {
                format!("arms {} for {}", self.protocol.timer_label(timer), print_span(window.from))
            }
            Action::Disarm(timer) => format!("disarms {}", self.protocol.timer_label(timer)),
            Action::Reply(call, response) => {
                let what = self.protocol.response_label(response);
                format!("answers call {} of client-{}: {what}", call.number, call.client.0)
            }
            Action::Mark(mark) => format!("marks \"{}\"", mark.0),
        }
    }
}

fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(100).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

impl<P: Protocol> Sink<P> for Narrator<P> {
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    fn input(&mut self, _: Seen, node: NodeId, _: Clock, input: &NodeInput<P::Node>) {
        match self.input_words(input) {
            Some(words) => self.below(&format!("{} {words}", self.protocol.node_name(node))),
            None => self.tell(),
        }
    }

    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        Sink::<P>::actions(&mut self.chain, seen, node, clock, actions);
        for action in actions {
            let words = format!("{} {}", self.protocol.node_name(node), self.action_words(action));
            self.below(&words);
        }
    }
}

impl<P: Protocol> Watch<P> for Narrator<P> {
    fn choice(&mut self, world: &World<P>, seen: Seen, _: Key, choice: &ChoiceOf<P>) {
        // What was tried before without effect is not told, unless it counted as a step.
        if self.tried.as_ref().is_some_and(|(before, _)| before.step < seen.step) {
            self.tell();
        }
        self.tried = Some((seen, label(world, choice)));
    }

    fn mark(&mut self, mark: &'static str) {
        Watch::<P>::mark(&mut self.chain, mark);
    }
}
