//! What can be done to a node's disk: power loss, damage, a whole new one, and how a coming operation ends. The texts of
//! fates, damage and outcomes are the disk's own; see [`Fates`].

use super::{Form, Help, Line, OpKind, Said, name};
use crate::{
    system::Problem,
    world::{
        Choice,
        disk::{Damage, Fates, Outcome},
    },
};
use onceward_core::NodeId;

pub(super) const FORMS: [Form; 4] = [
    Form {
        begins: &["NODE", "loses", "power"],
        help: Help {
            usage: "NODE loses power[, keeping PART, ...][, garbling PART, ...][, dropping PART, ...][, lazily][, seed N]",
            help: "Cuts the power: of what was not durable, each part (a file, `FILE:SECTORS`, `FILE:name`, \
                   `FILE:len`) is kept, garbage or dropped; what is not mentioned is dropped.",
            example: "at 5ms store loses power, keeping 1.seg:0-3, garbling 1.seg:4",
        },
        read: |line| {
            let node = line.node()?;
            line.skip(2);
            let fates = if line.is_over() { Fates::DROP } else { line.rest("")? };
            Ok(Choice::PowerLoss(node, fates).into())
        },
    },
    Form {
        begins: &["NODE", "is", "wiped"],
        help: Help {
            usage: "NODE is wiped",
            help: "Gives a node that is down an empty disk.",
            example: "at 30ms store is wiped",
        },
        read: |line| {
            let node = line.node()?;
            line.skip(2);
            Ok(Choice::Wipe(node).into())
        },
    },
    Form {
        begins: &["NODE's", "disk"],
        help: Help {
            usage: "NODE's disk rots FILE byte N mask BITS | loses FILE:SECTOR | has capacity BYTES|unlimited",
            help: "Damages the medium: flips bits of one byte, makes a sector unreadable, or limits the space.",
            example: "at 30ms store's disk rots 1.seg byte 100 mask 64",
        },
        read: |line| {
            let node = line.owner()?;
            line.skip(1);
            let instead = match line.one_of(&["rots", "loses", "has"])? {
                "rots" => "rot ",
                "loses" => "lose ",
                _ => "",
            };
            let damage: Damage = line.rest(instead)?;
            Ok(Choice::Damage(node, damage).into())
        },
    },
    Form {
        begins: &["next"],
        help: Help {
            usage: "next write|read|sync|sync-dir|create|operation of NODE OUTCOME",
            help: "Decides how the next disk operation of a kind ends: `fails with EIO [after BYTES|all]`, `is short \
                   BYTES`, `lies` (a sync only), `is misdirected FILE:SECTOR`, `is ok`.",
            example: "at 2ms next sync of store fails with EIO",
        },
        read: read_next,
    },
];

const KINDS: [(&str, OpKind); 6] = [
    ("write", OpKind::Write),
    ("read", OpKind::Read),
    ("sync", OpKind::Sync),
    ("sync-dir", OpKind::SyncDir),
    ("create", OpKind::Create),
    ("operation", OpKind::Any),
];

fn read_next(line: &mut Line<'_>) -> Result<Said, Problem> {
    line.skip(1);
    let word = line.one_of(&KINDS.map(|(word, _)| word))?;
    let kind = KINDS.iter().find(|(known, _)| *known == word).map_or(OpKind::Any, |(_, kind)| *kind);
    line.one_of(&["of"])?;
    let node = line.node()?;
    line.take("is");
    Ok(Said::Next(node, kind, line.rest("")?))
}

pub(in crate::scenario) fn print_next(
    names: &[String],
    node: NodeId,
    kind: OpKind,
    outcome: &Outcome,
) -> String {
    let word = KINDS.iter().find(|(_, known)| *known == kind).map_or("operation", |(word, _)| word);
    let is = match outcome {
        Outcome::Ok | Outcome::Short(_) | Outcome::Misdirected { .. } => "is ",
        _ => "",
    };
    format!("next {word} of {} {is}{outcome}", name(names, node))
}

pub(super) fn print<M, T, Q>(names: &[String], choice: &Choice<M, T, Q>) -> Option<String> {
    Some(match choice {
        Choice::PowerLoss(node, fates) if *fates == Fates::DROP => {
            format!("{} loses power", name(names, *node))
        }
        Choice::PowerLoss(node, fates) => format!("{} loses power, {fates}", name(names, *node)),
        Choice::Wipe(node) => format!("{} is wiped", name(names, *node)),
        Choice::Damage(node, damage) => {
            let verb = match damage {
                Damage::Rot { .. } => "rots",
                Damage::Lose { .. } => "loses",
                Damage::Capacity(_) => "has capacity",
            };
            let text = damage.to_string();
            let what = text.split_once(' ').map_or("", |(_, what)| what);
            format!("{}'s disk {verb} {what}", name(names, *node))
        }
        _ => return None,
    })
}
