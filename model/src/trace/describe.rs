//! Inputs and actions in words, for traces and reports: in the words of the protocol and of the disk, on one line, long
//! contents cut. Nothing is decided by these texts.

use crate::world::{Protocol, disk::OpLabel};
use onceward_core::{
    Action, CallId, ConnId, DiskOk, DiskResult, Input, NodeAction, NodeId, NodeInput, Window,
};
use std::fmt::Write;

/// At most so many characters of one text.
const LONGEST: usize = 300;

/// What a node was given.
pub fn describe_input<P: Protocol>(protocol: &P, node: NodeId, input: &NodeInput<P::Node>) -> String {
    let conn = |id: &ConnId| conn_name(protocol, *id);
    one_line(&match input {
        Input::Boot => "boot".to_owned(),
        Input::Disk(op, result) => format!("disk operation {}: {}", op.0, answer(result)),
        Input::Message(from, message) => {
            format!("{} from {}", protocol.message_label(message), protocol.node_name(*from))
        }
        Input::Opened(id) => format!("{} is open", conn(id)),
        Input::Accepted(id) => format!("{} is accepted", conn(id)),
        Input::Received(id, message) => format!("{} on {}", protocol.message_label(message), conn(id)),
        Input::Closed(id, why) => format!("{} is over: {why:?}", conn(id)),
        Input::Timer(timer) => format!("timer {}", protocol.timer_label(timer)),
        Input::Call(call, request) => {
            format!("call {}: {}", call_name(*call), protocol.call_label(node, *call, request))
        }
    })
}

/// What a node answered.
pub fn describe_action<P: Protocol>(protocol: &P, action: &NodeAction<P::Node>) -> String {
    let conn = |id: &ConnId| conn_name(protocol, *id);
    one_line(&match action {
        Action::Disk(op, what) => format!("disk operation {}: {}", op.0, OpLabel(what)),
        Action::Send(to, message) => {
            format!("send {} to {}", protocol.message_label(message), protocol.node_name(*to))
        }
        Action::Connect(to, number) => format!("open connection {number} to {}", protocol.node_name(*to)),
        Action::Write(id, message) => format!("write {} on {}", protocol.message_label(message), conn(id)),
        Action::Close(id) => format!("close {}", conn(id)),
        Action::Arm(timer, Window { from, to }) => {
            let (from, to) = (crate::scenario::print_span(*from), crate::scenario::print_span(*to));
            format!("arm {} for {from}..{to}", protocol.timer_label(timer))
        }
        Action::Disarm(timer) => format!("disarm {}", protocol.timer_label(timer)),
        Action::Reply(call, response) => {
            format!("answer call {}: {}", call_name(*call), protocol.response_label(response))
        }
        Action::Mark(mark) => format!("mark {}", mark.0),
    })
}

fn call_name(call: CallId) -> String {
    format!("{} of client {}", call.number, call.client.0)
}

fn conn_name<P: Protocol>(protocol: &P, id: ConnId) -> String {
    format!("connection {} of {}", id.number, protocol.node_name(id.initiator))
}

fn answer(result: &DiskResult) -> String {
    match result {
        Ok(DiskOk::Done) => "done".to_owned(),
        Ok(DiskOk::Wrote(bytes)) => format!("wrote {bytes}"),
        Ok(DiskOk::Read(bytes)) => format!("read {}: {bytes:?}", bytes.len()),
        Ok(DiskOk::Listing(entries)) => {
            let mut text = "listing".to_owned();
            for entry in entries {
                // Writing to a string cannot fail.
                let _ = write!(text, " {:?}+{}", entry.path, entry.len);
            }
            text
        }
        Err(error) => format!("failed: {error}"),
    }
}

/// A text on one line, cut if it is long.
pub(super) fn one_line(text: &str) -> String {
    let mut chars = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        line.truncate(line.trim_end().len());
        line.push('…');
    }
    line.trim().to_owned()
}
