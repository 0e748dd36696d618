//! What each disk had not made durable, and in which time what was wrong.

use super::{Camera, Open};
use crate::picture::{
    recording::{Recording, Span, Trouble},
    stays::Deed,
};
use onceward_model::world::{Choice, Protocol, World};

impl<P: Protocol> Camera<P> {
    pub(super) fn tell_disks(&mut self, open: &Open<P>, world: &World<P>) {
        for (node, host) in world.hosts() {
            let touched = open.node == Some(node) || open.actions.iter().any(|(by, _)| *by == node);
            if !touched {
                continue;
            }
            let shelf = &mut self.shelves[usize::from(node.0)];
            let killed = open.cut_short.is_some() && host.node.is_none();
            let deed = match (&open.choice, &open.op) {
                (Choice::Disk(_, _, outcome), Some((id, op))) => Deed::Ended(*id, op, outcome),
                (Choice::PowerLoss(_, fates), _) => Deed::PowerLost(fates),
                (Choice::Kill(..), _) => Deed::Killed,
                (Choice::Wipe(_), _) => Deed::Wiped,
                _ if killed => Deed::Killed,
                _ => Deed::Nothing,
            };
            let Recording { stays, syncs, .. } = &mut self.recording;
            shelf.step(open.step, &deed, &open.pending, &host.disk, stays, syncs);
        }
    }

    pub(super) fn tell_spans(&mut self, open: &Open<P>, world: &World<P>) {
        let step = open.step;
        if let Some(node) = open.node
            && let Some(host) = world.get(node)
        {
            let is = [
                (Trouble::Dark, host.node.is_none() && !host.powered),
                (Trouble::Down, host.node.is_none() && host.powered),
                (Trouble::Paused, host.paused),
            ];
            for (trouble, wrong) in is {
                self.span(trouble, usize::from(node.0), None, step, wrong);
            }
        }
        if let Choice::Cut(from, to)
        | Choice::Heal(from, to)
        | Choice::Hold(from, to)
        | Choice::Release(from, to) = &open.choice
        {
            let (link, lanes) =
                (world.net().link(*from, *to), (usize::from(from.0), Some(usize::from(to.0))));
            self.span(Trouble::Cut, lanes.0, lanes.1, step, link.cut);
            self.span(Trouble::Held, lanes.0, lanes.1, step, link.held);
        }
    }

    fn span(&mut self, trouble: Trouble, lane: usize, to: Option<usize>, step: u64, wrong: bool) {
        let spans = &mut self.recording.spans;
        let same = |span: &&mut Span| {
            span.until.is_none() && (span.trouble, span.lane, span.to) == (trouble, lane, to)
        };
        match (spans.iter_mut().rev().find(same), wrong) {
            (Some(span), false) => span.until = Some(step),
            (None, true) => spans.push(Span { trouble, lane, to, from: step, until: None }),
            _ => {}
        }
    }
}
