//! What can be done to links and connections.

use super::{Deed, Form, Help, Line, Said, name};
use crate::{
    system::Problem,
    world::{Choice, Side},
};
use onceward_core::{ConnId, NodeId};

/// Stands for every other node.
const EVERYONE: &str = "everyone";

pub(super) const FORMS: [Form; 5] = [
    Form {
        begins: &["cut"],
        help: Help {
            usage: "cut NODE ->|<-> NODE|everyone",
            help: "Makes a link dead, in one direction or both: what is under way is lost, and what is sent from now on.",
            example: "at 5ms cut store <-> everyone",
        },
        read: |line| links(line, Choice::Cut),
    },
    Form {
        begins: &["heal"],
        help: Help {
            usage: "heal NODE ->|<-> NODE|everyone",
            help: "Makes a link that was cut work again.",
            example: "at 50ms heal store <-> everyone",
        },
        read: |line| links(line, Choice::Heal),
    },
    Form {
        begins: &["hold"],
        help: Help {
            usage: "hold NODE ->|<-> NODE|everyone",
            help: "Keeps everything back on a link, to be let go later.",
            example: "at 5ms hold store -> backup",
        },
        read: |line| links(line, Choice::Hold),
    },
    Form {
        begins: &["release"],
        help: Help {
            usage: "release NODE ->|<-> NODE|everyone",
            help: "Lets everything go that was kept back on a link.",
            example: "at 50ms release store -> backup",
        },
        read: |line| links(line, Choice::Release),
    },
    Form {
        begins: &["break"],
        help: Help {
            usage: "break connection N of NODE [at its peer]",
            help: "Lets one side of a connection learn that it is broken: the node that opened it under that number, \
                   or its peer; the other side knows nothing of it.",
            example: "at 5ms break connection 1 of store at its peer",
        },
        read: read_break,
    },
];

fn links(line: &mut Line<'_>, make: impl Fn(NodeId, NodeId) -> Deed) -> Result<Said, Problem> {
    line.skip(1);
    let from = line.node()?;
    let both = line.one_of(&["->", "<->"])? == "<->";
    let everyone = !line.names().iter().any(|name| name == EVERYONE) && line.take(EVERYONE);
    let others: Vec<NodeId> = if everyone {
        (0..line.names().len())
            .filter_map(|n| u16::try_from(n).ok())
            .map(NodeId)
            .filter(|to| *to != from)
            .collect()
    } else {
        vec![line.node()?]
    };
    if others.is_empty() {
        return Err(line.here("there is no other node"));
    }
    let mut deeds = Vec::new();
    for to in others {
        deeds.push(make(from, to));
        if both && from != to {
            deeds.push(make(to, from));
        }
    }
    Ok(Said::Deeds(deeds))
}

fn read_break(line: &mut Line<'_>) -> Result<Said, Problem> {
    line.skip(1);
    line.one_of(&["connection"])?;
    let number = line.number("the number of a connection")?;
    line.one_of(&["of"])?;
    let conn = ConnId { initiator: line.node()?, number };
    let side = if line.take("at") {
        line.one_of(&["its"])?;
        line.one_of(&["peer"])?;
        Side::Acceptor
    } else {
        Side::Initiator
    };
    Ok(Choice::Break(conn, side).into())
}

fn parts<M, T, Q>(choice: &Choice<M, T, Q>) -> Option<(&'static str, NodeId, NodeId)> {
    Some(match choice {
        Choice::Cut(from, to) => ("cut", *from, *to),
        Choice::Heal(from, to) => ("heal", *from, *to),
        Choice::Hold(from, to) => ("hold", *from, *to),
        Choice::Release(from, to) => ("release", *from, *to),
        _ => return None,
    })
}

/// One line for the same thing in both directions; none if it is not.
pub(in crate::scenario) fn print_both<M, T, Q>(
    names: &[String],
    there: &Choice<M, T, Q>,
    back: &Choice<M, T, Q>,
) -> Option<String> {
    let (verb, from, to) = parts(there)?;
    let same = parts(back)? == (verb, to, from) && from != to;
    same.then(|| format!("{verb} {} <-> {}", name(names, from), name(names, to)))
}

pub(super) fn print<M, T, Q>(names: &[String], choice: &Choice<M, T, Q>) -> Option<String> {
    if let Some((verb, from, to)) = parts(choice) {
        return Some(format!("{verb} {} -> {}", name(names, from), name(names, to)));
    }
    let Choice::Break(conn, side) = choice else { return None };
    let peer = if *side == Side::Acceptor { " at its peer" } else { "" };
    Some(format!("break connection {} of {}{peer}", conn.number, name(names, conn.initiator)))
}
