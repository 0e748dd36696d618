//! What a driver owes a client's machine as to its streams. Each is known by its number. This module only compares what
//! was asked and heard with what was done and told.

use super::contract::{KEEPS_STREAMS, LATE};
use onceward_core::{Action, Input, Node, NodeAction, NodeInput};
use onceward_model::world::{Seen, Time, Violation};
use std::collections::{BTreeMap, VecDeque};

/// The streams that a machine has not dropped, and that are not over for it.
#[derive(Debug)]
pub(super) struct Streams<N: Node>(BTreeMap<u32, Stream<N>>);

#[derive(Debug)]
struct Stream<N: Node> {
    /// What the machine wants said, and the network was not given yet; the connection itself comes first.
    to_say: VecDeque<NodeAction<N>>,
    /// What has arrived and when, and the machine was not told yet.
    to_tell: VecDeque<(Time, NodeInput<N>)>,
    /// The machine has dropped it: it may be closed, and what has arrived is not told any more.
    dropped: bool,
    /// The machine was told of its end.
    over: bool,
}

impl<N: Node> Default for Streams<N> {
    fn default() -> Self {
        Streams(BTreeMap::new())
    }
}

impl<N: Node> Streams<N> {
    /// The machine wants this said.
    pub(super) fn asked(&mut self, action: &NodeAction<N>) {
        match action {
            Action::Connect(_, number) => {
                let to_say = VecDeque::from([action.clone()]);
                let stream = Stream { to_say, to_tell: VecDeque::new(), dropped: false, over: false };
                self.0.insert(*number, stream);
            }
            Action::Write(conn, _) => {
                let stream = self.0.get_mut(&conn.number).filter(|stream| !stream.dropped && !stream.over);
                if let Some(stream) = stream {
                    stream.to_say.push_back(action.clone());
                }
            }
            Action::Close(conn) => {
                if let Some(stream) = self.0.get_mut(&conn.number) {
                    stream.dropped = true;
                }
            }
            _ => {}
        }
    }

    /// The network was given this.
    pub(super) fn did(&mut self, seen: Seen, action: &NodeAction<N>) -> Result<(), Violation> {
        let number = match action {
            Action::Connect(_, number) => *number,
            Action::Write(conn, _) | Action::Close(conn) => conn.number,
            _ => return Ok(()),
        };
        let Some(stream) = self.0.get_mut(&number) else {
            let what = "something was said on a stream that there is not";
            return Err(Violation::new(KEEPS_STREAMS, what).at(seen, format!("{action:?}")));
        };
        match action {
            Action::Close(_) if stream.dropped => drop(self.0.remove(&number)),
            Action::Close(_) => {
                let what = "a stream was closed that the machine had not dropped";
                return Err(Violation::new(KEEPS_STREAMS, what).at(seen, format!("{action:?}")));
            }
            _ if stream.to_say.front() == Some(action) => drop(stream.to_say.pop_front()),
            _ => {
                let what = "words of a stream were said in another order, or left out";
                return Err(Violation::new(KEEPS_STREAMS, what)
                    .at(seen, format!("next was {:?}", stream.to_say.front()))
                    .at(seen, format!("said was {action:?}")));
            }
        }
        Ok(())
    }

    /// Something has arrived.
    pub(super) fn arrived(&mut self, at: Time, input: &NodeInput<N>) {
        if let Some(stream) = number(input).and_then(|number| self.0.get_mut(&number)) {
            stream.to_tell.push_back((at, input.clone()));
        }
    }

    /// The machine is told this.
    pub(super) fn told(&mut self, seen: Seen, input: &NodeInput<N>) -> Result<(), Violation> {
        let Some(number) = number(input) else { return Ok(()) };
        let stream = self.0.get_mut(&number).filter(|stream| !stream.dropped);
        let Some(stream) = stream else {
            let what = "a machine was told of a stream that it has dropped";
            return Err(Violation::new(KEEPS_STREAMS, what).at(seen, format!("{input:?}")));
        };
        if stream.to_tell.front().is_none_or(|(_, next)| next != input) {
            let what = "a machine was told what did not come next on its stream";
            return Err(Violation::new(KEEPS_STREAMS, what)
                .at(seen, format!("next was {:?}", stream.to_tell.front()))
                .at(seen, format!("told was {input:?}")));
        }
        stream.to_tell.pop_front();
        stream.over |= matches!(input, Input::Closed(..));
        Ok(())
    }

    /// What was left undone.
    pub(super) fn at_rest(&self, seen: Seen) -> Result<(), Violation> {
        let mut owed =
            self.0.values().filter(|stream| !stream.dropped).filter_map(|stream| stream.to_tell.front());
        match owed.find(|(at, _)| at.after(LATE) < seen.at) {
            Some((_, input)) => {
                Err(Violation::new(KEEPS_STREAMS, "a machine was not told what its stream says")
                    .at(seen, format!("{input:?}")))
            }
            None => Ok(()),
        }
    }
}

fn number<M, T, Q>(input: &Input<M, T, Q>) -> Option<u32> {
    match input {
        Input::Opened(conn) | Input::Received(conn, _) | Input::Closed(conn, _) => Some(conn.number),
        _ => None,
    }
}
