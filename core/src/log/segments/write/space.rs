//! The full disk. Space is held back in a file of its own; when the disk is full it is given free, so that what was
//! accepted can still be written, and nothing more is accepted until it could be held back again: but for what is urgent,
//! for which half of the room is there that is left then. The other half is for what surrounds records in a file, and for
//! the file system.

use super::super::format::GROUP_LEN;
use super::super::{Action, Config, OP_RESERVE, Timer};
use super::Writer;
use crate::log::mutants::mutant;
use crate::{DiskError, DiskOp, DiskResult, Mark, Path};
use alloc::{format, vec::Vec};

/// The file that holds space back.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Reserve {
    /// Not configured.
    None,
    /// To be made; one that an earlier incarnation made may still be there.
    Inherited,
    /// To be made.
    Wanted,
    Creating,
    Allocating,
    Held,
    Freeing,
}

/// What a unit takes at most on disk, in a group of its own.
pub(super) fn alone(config: &Config, cost: u64) -> u64 {
    cost.saturating_add(GROUP_LEN as u64 + u64::from(config.sector))
}

fn path(config: &Config) -> Path {
    match config.folder.as_str() {
        "" => Path::from("reserve"),
        folder => Path::from(&*format!("{folder}/reserve")),
    }
}

impl Writer {
    /// Starts to hold space back, if that is wanted.
    pub(super) fn want_reserve(&mut self, config: &Config, out: &mut Vec<Action>) {
        if matches!(self.reserve, Reserve::Wanted | Reserve::Inherited) {
            self.reserve = Reserve::Creating;
            out.push(Action::Disk(OP_RESERVE, DiskOp::Create(path(config))));
        }
    }

    /// Takes the answer to one of its operations.
    pub(in super::super) fn reserve_step(
        &mut self,
        config: &Config,
        result: DiskResult,
        out: &mut Vec<Action>,
    ) {
        match (self.reserve, result) {
            (Reserve::Creating, Ok(_) | Err(DiskError::Exists)) => {
                self.reserve = Reserve::Allocating;
                let op = DiskOp::Allocate { path: path(config), len: config.reserve_bytes };
                out.push(Action::Disk(OP_RESERVE, op));
            }
            (Reserve::Allocating, Ok(_)) => {
                self.reserve = Reserve::Held;
                self.recover_space(config, out);
            }
            (Reserve::Creating | Reserve::Allocating, Err(cause)) => {
                self.reserve = Reserve::Wanted;
                if cause == DiskError::NoSpace {
                    self.fill(out);
                }
                // A failing beginning has armed the timer already, and its retry comes first.
                if self.full && !self.waiting {
                    out.push(Action::Arm(Timer::Retry, config.retry));
                }
            }
            (Reserve::Freeing, freed) => {
                self.reserve = Reserve::Wanted;
                self.waiting = false;
                self.spare = freed.map_or(0, |_| config.reserve_bytes.saturating_sub(self.cost) / 2);
            }
            (Reserve::None | Reserve::Inherited | Reserve::Wanted | Reserve::Held, _) => {}
        }
    }

    fn fill(&mut self, out: &mut Vec<Action>) {
        if !self.full {
            self.full = true;
            out.push(Action::Mark(Mark("disk full")));
            out.push(Action::Full);
        }
    }

    /// The disk is full. Says whether space is being given free; then the writer waits for it.
    pub(super) fn filled(&mut self, config: &Config, out: &mut Vec<Action>) -> bool {
        self.fill(out);
        self.spare = 0;
        let held = matches!(self.reserve, Reserve::Held | Reserve::Inherited);
        if held {
            self.reserve = Reserve::Freeing;
            self.waiting = true;
            out.push(Action::Disk(OP_RESERVE, DiskOp::Remove(path(config))));
        }
        held
    }

    /// Accepts work again if the disk has space, or finds out later whether it has.
    pub(super) fn recover_space(&mut self, config: &Config, out: &mut Vec<Action>) {
        if !self.full {
            return;
        }
        if matches!(self.reserve, Reserve::None | Reserve::Held) {
            self.full = mutant!(FullForGood);
            if self.failing.is_none() {
                out.push(Action::Mark(Mark("space again")));
                out.push(Action::Space);
            }
        } else {
            out.push(Action::Arm(Timer::Retry, config.retry));
        }
    }
}
