//! Holds two traces against each other and finds the first step at which they part, with what happened on both sides.

use super::{Chain, Step, Taken, Trace};
use crate::scenario::print_span;
use onceward_core::Dur;
use std::fmt;

/// How two runs part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parting {
    /// Something else was chosen, or at another time.
    Choice,
    /// The same was chosen, and the machine did something else.
    Behaviour,
    /// One of them ends.
    End,
}

/// Where two runs part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The step, from 1.
    pub step: usize,
    /// How.
    pub how: Parting,
    /// The step on the left; none if that trace ends before it.
    pub left: Option<Step>,
    /// The step on the right; none if that trace ends before it.
    pub right: Option<Step>,
}

/// The first step at which two traces differ; none if they tell the same. Their headers may differ.
pub fn compare(left: &Trace, right: &Trace) -> Option<Divergence> {
    let longest = left.steps.len().max(right.steps.len());
    (0..longest).find_map(|n| {
        let (left, right) = (left.steps.get(n), right.steps.get(n));
        let how = parting(left, right)?;
        Some(Divergence { step: n + 1, how, left: left.cloned(), right: right.cloned() })
    })
}

pub(super) fn parting(left: Option<&Step>, right: Option<&Step>) -> Option<Parting> {
    match (left, right) {
        (None, None) => None,
        (Some(left), Some(right))
            if (left.at, &left.line, left.call) != (right.at, &right.line, right.call) =>
        {
            Some(Parting::Choice)
        }
        (Some(left), Some(right)) => (left.link != right.link).then_some(Parting::Behaviour),
        _ => Some(Parting::End),
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            Parting::Choice => "something else happens",
            Parting::Behaviour => "the same happens, and something else is done",
            Parting::End => "one of them ends",
        };
        write!(f, "the runs part at step {}: {how}", self.step)?;
        for (side, step) in [("left", &self.left), ("right", &self.right)] {
            write!(f, "\n  {side:<5} ")?;
            match step {
                None => f.write_str("has ended")?,
                Some(step) => show(f, step)?,
            }
        }
        Ok(())
    }
}

fn show(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    write!(f, "at {} {}", print_span(Dur(step.at.0)), step.line)?;
    for Taken { node, clock, input, actions } in &step.taken {
        write!(f, "\n        {node} at {} of its time is given: {input}", print_span(Dur(clock.mono.0)))?;
        for action in actions {
            write!(f, "\n          > {action}")?;
        }
        if actions.is_empty() {
            write!(f, "\n          and does nothing")?;
        }
    }
    if step.link != Chain::START { write!(f, "\n        = {}", step.link) } else { Ok(()) }
}
