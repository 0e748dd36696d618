//! What a disk is not sure to keep if power is lost now, for pictures of a run. It looks and changes nothing, and it
//! names files as their cached names do: a file that has no name any more can lose nothing that a reader could miss.

use super::{
    Disk,
    file::{Patch, State},
    names::Node,
};
use onceward_core::Path;
use std::ops::Range;

/// Something that a power loss may take.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Risk {
    /// The file or folder.
    pub path: Path,
    /// What of it.
    pub what: Part,
    /// Why it is still at risk.
    pub why: Why,
}

/// What of a file is at risk.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// These bytes: whole sectors where a sector was cut off.
    Bytes(Range<u64>),
    /// That it is this long.
    Length(u64),
    /// The name itself: it was given, taken away or moved.
    Name,
}

/// Why something is at risk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Why {
    /// No sync has covered it yet.
    Unsynced,
    /// A sync of it failed: reads show it, and no later sync will write it.
    SyncFailed,
    /// The device put it elsewhere.
    Astray,
    /// Power was lost before it was answered: it may have been done.
    Unanswered,
}

impl From<State> for Why {
    fn from(state: State) -> Why {
        match state {
            State::Dirty(_) => Why::Unsynced,
            State::Lost => Why::SyncFailed,
            State::Astray => Why::Astray,
            State::Maybe => Why::Unanswered,
        }
    }
}

impl Disk {
    /// Everything that is not sure to survive a power loss, by name. Sectors that a power loss has left undecided are
    /// not listed: nothing that happens now changes what they are.
    pub fn at_risk(&self) -> Vec<Risk> {
        let size = u64::from(self.geometry.sector);
        let mut risks = Vec::new();
        for (path, node) in &self.names.cache {
            let Node::File(file) = node else { continue };
            let file = &self.files[*file as usize];
            for piece in &file.pieces {
                let start = u64::from(piece.sector) * size;
                let bytes = match &piece.patch {
                    Patch::Bytes(at, bytes) => {
                        start + u64::from(*at)..start + u64::from(*at) + bytes.len() as u64
                    }
                    Patch::Cut => start..start + size,
                };
                risks.push(Risk { path: path.clone(), what: Part::Bytes(bytes), why: piece.state.into() });
            }
            for change in &file.lengths {
                let what = Part::Length(change.len);
                risks.push(Risk { path: path.clone(), what, why: change.state.into() });
            }
        }
        for (path, why) in self.names.at_risk() {
            risks.push(Risk { path: path.clone(), what: Part::Name, why });
        }
        risks
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fates, Geometry, Outcome};
    use super::*;
    use bytes::Bytes;
    use onceward_core::{DiskOp, OpId, SyncKind};

    fn done(disk: &mut Disk, op: DiskOp) {
        disk.submit(OpId(1), op);
        assert!(disk.complete(OpId(1), &Outcome::Ok).is_some_and(|answer| answer.is_ok()));
    }

    #[test]
    fn what_is_at_risk_is_what_syncs_have_not_covered() {
        let mut disk = Disk::new(Geometry { sector: 4, ..Geometry::default() });
        let file = Path::from("f");
        done(&mut disk, DiskOp::Create(file.clone()));
        done(&mut disk, DiskOp::Write { path: file.clone(), offset: 2, data: Bytes::from_static(b"abcd") });
        let unsynced = |what| Risk { path: file.clone(), what, why: Why::Unsynced };
        assert_eq!(
            disk.at_risk(),
            [
                unsynced(Part::Bytes(2..4)),
                unsynced(Part::Bytes(4..6)),
                unsynced(Part::Length(6)),
                unsynced(Part::Name)
            ]
        );
        done(&mut disk, DiskOp::Sync { path: file.clone(), kind: SyncKind::Data });
        assert_eq!(disk.at_risk(), [unsynced(Part::Name)]);
        done(&mut disk, DiskOp::SyncDir(Path::root()));
        assert_eq!(disk.at_risk(), []);
        done(&mut disk, DiskOp::Write { path: file.clone(), offset: 0, data: Bytes::from_static(b"x") });
        disk.power_loss(&Fates::DROP);
        assert_eq!(disk.at_risk(), [], "whatever a power loss has taken is not at risk any more");
    }
}
