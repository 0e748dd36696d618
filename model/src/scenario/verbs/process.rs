//! What can be done to a process: start it, kill it, stop scheduling it.

use super::{Form, Help, Line, Said, name};
use crate::{
    system::Problem,
    world::{Choice, Landed},
};

pub(super) const FORMS: [Form; 4] = [
    Form {
        begins: &["NODE", "boots"],
        help: Help {
            usage: "NODE boots [as CONFIG]",
            help: "Starts a node that is down, under a configuration of that number (0, if none is given).",
            example: "at 40ms store boots",
        },
        read: |line| {
            let node = line.node()?;
            line.skip(1);
            let config = if line.take("as") { line.number("the number of a configuration")? } else { 0 };
            Ok(Choice::Boot(node, config).into())
        },
    },
    Form {
        begins: &["NODE", "is", "killed"],
        help: Help {
            usage: "NODE is killed [within N actions] [landing nothing|everything|OPERATION, ...]",
            help: "Kills the process: its page cache survives, and of its unanswered disk operations those that are \
                   named took effect; `within` kills it in its next step, after so many actions.",
            example: "at 12ms store is killed, landing everything",
        },
        read: read_kill,
    },
    Form {
        begins: &["NODE", "pauses"],
        help: Help {
            usage: "NODE pauses",
            help: "Stops scheduling the process, which knows nothing of it.",
            example: "at 5ms store pauses",
        },
        read: |line| {
            let node = line.node()?;
            line.skip(1);
            Ok(Choice::Pause(node).into())
        },
    },
    Form {
        begins: &["NODE", "resumes"],
        help: Help {
            usage: "NODE resumes",
            help: "Schedules a paused process again.",
            example: "at 900ms store resumes",
        },
        read: |line| {
            let node = line.node()?;
            line.skip(1);
            Ok(Choice::Resume(node).into())
        },
    },
];

fn read_kill(line: &mut Line<'_>) -> Result<Said, Problem> {
    let node = line.node()?;
    line.skip(2);
    if line.take("within") {
        let actions = line.number("a number of actions")?;
        line.one_of(&["actions", "action"])?;
        return Ok(Choice::KillWithin(node, actions).into());
    }
    let landed = if line.is_over() { Landed::Nothing } else { line.rest("")? };
    Ok(Choice::Kill(node, landed).into())
}

pub(super) fn print<M, T, Q>(names: &[String], choice: &Choice<M, T, Q>) -> Option<String> {
    Some(match choice {
        Choice::Boot(node, 0) => format!("{} boots", name(names, *node)),
        Choice::Boot(node, config) => format!("{} boots as {config}", name(names, *node)),
        Choice::Kill(node, Landed::Nothing) => format!("{} is killed", name(names, *node)),
        Choice::Kill(node, landed) => format!("{} is killed, {landed}", name(names, *node)),
        Choice::KillWithin(node, actions) => {
            let plural = if *actions == 1 { "" } else { "s" };
            format!("{} is killed within {actions} action{plural}", name(names, *node))
        }
        Choice::Pause(node) => format!("{} pauses", name(names, *node)),
        Choice::Resume(node) => format!("{} resumes", name(names, *node)),
        _ => return None,
    })
}
