//! Who told whom what: messages from where they are sent to where they arrive or are lost, calls and answers included.

use super::{Camera, Flying, Open};
use crate::picture::recording::{Fate, Message};
use onceward_core::{Action, ConnId, NodeId};
use onceward_model::world::{Choice, ChoiceOf, Item, Key, Protocol, Side, World};

impl<P: Protocol> Camera<P> {
    pub(super) fn track(&mut self, open: &mut Open<P>, world: &World<P>) {
        let step = open.step;
        let stepped = !open.actions.is_empty();
        let arrived = if stepped { Fate::Arrived } else { Fate::Lost };
        match &open.choice {
            Choice::Deliver(..) => self.land(&open.choice.clone(), open.key, step, arrived),
            Choice::Drop(from, to, m) => {
                self.land(&Choice::Deliver(*from, *to, m.clone()), open.key, step, Fate::Lost);
            }
            Choice::Corrupt(from, to, m) => {
                self.land(&Choice::Deliver(*from, *to, m.clone()), open.key, step, Fate::Damaged);
            }
            Choice::Advance(..) => {
                // What arrives is what was put under way first.
                let first =
                    self.flying.iter().position(|f| f.choice == open.choice && f.key.matches(open.key));
                let first = first.or_else(|| self.flying.iter().position(|f| f.choice == open.choice));
                if let Some(at) = first {
                    let flying = self.flying.remove(at);
                    let message = &mut self.recording.messages[flying.message];
                    (message.until, message.fate) = (Some(step), arrived);
                    self.landed.push(flying.message);
                }
            }
            Choice::Call(node, call, request) => {
                let client = self.client(call.client);
                let label = self.protocol.call_label(*node, *call, request);
                self.send(label, client, usize::from(node.0), step, false);
                let fate = if stepped { Fate::Arrived } else { Fate::Lost };
                self.at_once(step, fate);
            }
            _ => {}
        }
        self.departures(open, world);
        self.lost_calls(open, world);
        // What is under way may have been lost with its link or its connection.
        let (messages, flying, landed) = (&mut self.recording.messages, &mut self.flying, &mut self.landed);
        flying.retain(|flying| {
            let there = match &flying.choice {
                Choice::Deliver(from, to, message) => world.net().has(*from, *to, message, flying.key),
                Choice::Advance(conn, side) => {
                    let queue = world.net().conn(*conn).map(|conn| conn.queue(*side));
                    queue.is_some_and(|queue| queue.iter().any(|(_, key)| key.0.matches(flying.key)))
                }
                _ => false,
            };
            if !there {
                let message = &mut messages[flying.message];
                (message.until, message.fate) = (Some(step), Fate::Lost);
                landed.push(flying.message);
            }
            there
        });
    }

    fn departures(&mut self, open: &mut Open<P>, world: &World<P>) {
        let (step, copy) = (open.step, matches!(open.choice, Choice::Duplicate(..) | Choice::Replay(..)));
        let mut born = std::mem::take(&mut open.born);
        for (node, actions) in &open.actions {
            let performed = open.cut_short.map_or(actions.len(), |cut| actions.len().min(usize::from(cut)));
            for action in &actions[..performed] {
                match action {
                    Action::Send(to, message) => {
                        let deliver = Choice::Deliver(*node, *to, message.clone());
                        let at = born.iter().position(|(_, choice)| *choice == deliver);
                        let label = self.protocol.message_label(message);
                        if usize::from(to.0) >= usize::from(self.protocol.nodes()) {
                            continue;
                        }
                        let number = self.send(label, usize::from(node.0), usize::from(to.0), step, false);
                        match at {
                            Some(at) => {
                                let (key, choice) = born.remove(at);
                                self.flying.push(Flying { key, choice, message: number });
                            }
                            // The link is cut.
                            None => self.at_once(step, Fate::Lost),
                        }
                    }
                    Action::Reply(call, response) => {
                        let client = self.client(call.client);
                        let label = self.protocol.response_label(response);
                        self.send(label, usize::from(node.0), client, step, false);
                        self.at_once(step, Fate::Arrived);
                    }
                    _ => {}
                }
            }
        }
        for (key, choice) in born {
            let (label, from, to) = match &choice {
                Choice::Deliver(from, to, message) => (self.protocol.message_label(message), *from, *to),
                Choice::Advance(conn, side) => {
                    let Some(item) = on_its_way(&*self.protocol, world, *conn, *side, key) else { continue };
                    item
                }
                _ => continue,
            };
            let message = self.send(label, usize::from(from.0), usize::from(to.0), step, copy);
            self.flying.push(Flying { key, choice, message });
        }
    }

    /// Calls that nobody will answer any more.
    fn lost_calls(&mut self, open: &Open<P>, world: &World<P>) {
        let crash =
            matches!(open.choice, Choice::Kill(..) | Choice::PowerLoss(..)) || open.cut_short.is_some();
        if !crash {
            return;
        }
        for (call, node) in &open.calls {
            let answered = open.actions.iter().flat_map(|(_, actions)| actions);
            let answered = answered.into_iter().any(|a| matches!(a, Action::Reply(c, _) if c == call));
            let waits = world.calls().iter().any(|(other, _)| other == call);
            if !waits && !answered {
                let client = self.client(call.client);
                let label = format!("no answer to call {}: its outcome is unknown", call.number);
                self.send(label, usize::from(node.0), client, open.step, false);
                self.at_once(open.step, Fate::Lost);
            }
        }
    }

    fn send(&mut self, label: String, from: usize, to: usize, sent: u64, copy: bool) -> usize {
        let fate = Fate::Underway;
        let label = label.chars().take(200).collect();
        self.recording.messages.push(Message { label, from, to, sent, until: None, fate, copy });
        self.recording.messages.len() - 1
    }

    /// What was sent last ends in the same step.
    fn at_once(&mut self, step: u64, fate: Fate) {
        if let Some(message) = self.recording.messages.last_mut() {
            (message.until, message.fate) = (Some(step), fate);
        }
    }

    fn land(&mut self, choice: &ChoiceOf<P>, key: Key, step: u64, fate: Fate) {
        let is = |flying: &Flying<P>| flying.choice == *choice;
        let named = self.flying.iter().position(|flying| is(flying) && flying.key == key);
        if let Some(at) = named.or_else(|| self.flying.iter().position(is)) {
            let flying = self.flying.remove(at);
            let message = &mut self.recording.messages[flying.message];
            (message.until, message.fate) = (Some(step), fate);
            self.landed.push(flying.message);
        }
    }
}

/// What was put under way on a connection, from whom and to whom.
fn on_its_way<P: Protocol>(
    protocol: &P,
    world: &World<P>,
    id: ConnId,
    towards: Side,
    key: Key,
) -> Option<(String, NodeId, NodeId)> {
    let conn = world.net().conn(id)?;
    let (item, _) = conn.queue(towards).iter().rev().find(|(_, other)| other.0.matches(key))?;
    let label = match item {
        Item::Open => "opening".to_owned(),
        Item::Accept => "acceptance".to_owned(),
        Item::Refuse => "refusal".to_owned(),
        Item::Message(message) => protocol.message_label(message),
        Item::Finish => "end".to_owned(),
        Item::Reset => "reset".to_owned(),
    };
    Some(match towards {
        Side::Acceptor => (label, id.initiator, conn.acceptor),
        Side::Initiator => (label, conn.acceptor, id.initiator),
    })
}
