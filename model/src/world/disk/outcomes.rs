//! Which outcomes a pending operation can have under given faults: for a checker that tries all, and for a
//! simulator that picks. Of the many places where a short read, a short write or an error may stop, the list has
//! those at the ends of sectors; [`Disk::complete`] takes any.

use super::damage::span;
use super::enumerate::Counter;
use super::text::{Cursor, Malformed};
use super::{Bound, Disk, Faults, Label, Outcome, Reach};
use onceward_core::{DiskError, DiskOp, OpId, Path};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// More combinations of undecided sectors than this are not listed for one read.
const DECISIONS: usize = 4096;

impl Disk {
    /// Appends the outcomes that a pending operation can have now under these faults, the one without a fault first;
    /// none if it must wait for an earlier operation on the same name or is not pending.
    pub fn outcomes(&self, op: OpId, faults: &Faults, out: &mut Vec<Outcome>) -> Bound {
        let Some(at) = self.startable(op) else { return Bound::Complete };
        out.push(Outcome::Ok);
        let fails = |reach| Outcome::Fail { error: DiskError::Io, reach };
        match &self.pending[at].1 {
            DiskOp::Write { path, offset, data } => {
                if let Ok((_, room)) = self.room(path, *offset, data.len()) {
                    self.write_outcomes(path, *offset, room, room as usize == data.len(), faults, out);
                }
            }
            DiskOp::Read { path, offset, len } => {
                if let Ok((_, range)) = self.readable(path, *offset, *len) {
                    return self.read_outcomes(path, range, faults, out);
                }
            }
            DiskOp::Sync { path, .. } if self.file(path).is_ok() => {
                sync_outcomes(faults, out);
            }
            DiskOp::SyncDir(path) if self.folder(path).is_ok() => {
                sync_outcomes(faults, out);
            }
            DiskOp::List(path) if self.folder(path).is_ok() && faults.read_errors => {
                out.push(fails(Reach::Nothing));
            }
            DiskOp::Sync { .. } | DiskOp::SyncDir(_) | DiskOp::List(_) => {}
            change => {
                if faults.name_errors && self.permits(change).is_ok() {
                    out.extend([fails(Reach::Nothing), fails(Reach::All)]);
                }
            }
        }
        Bound::Complete
    }

    fn write_outcomes(
        &self,
        path: &Path,
        offset: u64,
        room: u32,
        fits: bool,
        faults: &Faults,
        out: &mut Vec<Outcome>,
    ) {
        let stops = self.stops(offset..offset + u64::from(room));
        if faults.short_writes {
            out.extend(stops.iter().map(|stop| Outcome::Short(*stop)));
        }
        if faults.write_errors {
            let fails = |reach| Outcome::Fail { error: DiskError::Io, reach };
            out.push(fails(Reach::Nothing));
            out.extend(stops.iter().map(|stop| fails(Reach::Bytes(*stop))));
            if fits {
                out.push(fails(Reach::All));
            }
        }
        if !fits {
            out.push(Outcome::Fail { error: DiskError::NoSpace, reach: Reach::Nothing });
        }
        if faults.misdirected_writes && room > 0 {
            let durable = self.file(path).map_or(0, |file| self.files[file as usize].durable_len);
            self.neighbours(path, offset, durable, out);
        }
    }

    fn read_outcomes(
        &self,
        path: &Path,
        range: Range<u64>,
        faults: &Faults,
        out: &mut Vec<Outcome>,
    ) -> Bound {
        let Ok(file) = self.file(path).map(|file| &self.files[file as usize]) else { return Bound::Complete };
        let size = self.geometry.sector;
        if faults.read_errors {
            out.push(Outcome::Fail { error: DiskError::Io, reach: Reach::Nothing });
        }
        let questions = file.questions(range.clone(), size);
        if questions.is_empty() {
            if faults.short_reads {
                out.extend(self.stops(range.clone()).into_iter().map(Outcome::Short));
            }
            if faults.misdirected_reads && !range.is_empty() {
                let before = out.len();
                self.neighbours(path, range.start, file.len, out);
                let shift = range.start % u64::from(size);
                let wide = range.end - range.start;
                // A read that would have to decide sectors elsewhere is not listed: it cannot be completed.
                let mut at = 0;
                out.retain(|outcome| {
                    at += 1;
                    let Outcome::Misdirected { sector, .. } = outcome else { return true };
                    let from = u64::from(*sector) * u64::from(size) + shift;
                    at <= before || (from < file.len && file.questions(from..from + wide, size).is_empty())
                });
            }
            return Bound::Complete;
        }
        let mut counter = Counter::new(questions.iter().map(|question| question.answers.len()).collect());
        // The first combination, every sector in its oldest state, is `Ok`.
        while counter.advance() {
            if counter.count() >= DECISIONS {
                return Bound::Cut;
            }
            let choices = questions.iter().zip(counter.digits());
            out.push(Outcome::Decide(choices.map(|(q, digit)| (q.sector, q.answers[*digit])).collect()));
        }
        Bound::Complete
    }

    /// Where a transfer of these bytes may stop: at the ends of sectors inside, or half-way if there are none.
    fn stops(&self, range: Range<u64>) -> Vec<u32> {
        let size = u64::from(self.geometry.sector);
        let wide = range.end - range.start;
        let first = range.start / size * size + size;
        let ends = (first..range.end).step_by(size as usize).map(|end| (end - range.start) as u32);
        let stops: Vec<u32> = ends.collect();
        if stops.is_empty() && wide > 1 { vec![(wide / 2) as u32] } else { stops }
    }

    /// The sectors on both sides of a transfer.
    fn neighbours(&self, path: &Path, offset: u64, len: u64, out: &mut Vec<Outcome>) {
        let size = u64::from(self.geometry.sector);
        let sector = *span(offset, 1, self.geometry.sector).start();
        let inside = |sector: &u32| u64::from(*sector) * size + offset % size < len;
        let neighbours = [sector.checked_sub(1), sector.checked_add(1)].into_iter().flatten().filter(inside);
        out.extend(neighbours.map(|sector| Outcome::Misdirected { file: Label::new(path.clone()), sector }));
    }
}

fn sync_outcomes(faults: &Faults, out: &mut Vec<Outcome>) {
    if faults.sync_errors {
        out.push(Outcome::Fail { error: DiskError::Io, reach: Reach::Nothing });
    }
    if faults.lies {
        out.push(Outcome::Lie);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ok => f.write_str("ok"),
            Outcome::Short(bytes) => write!(f, "short {bytes}"),
            Outcome::Fail { error, reach } => {
                write!(f, "fails with {}", error_name(*error))?;
                match reach {
                    Reach::Nothing => Ok(()),
                    Reach::Bytes(bytes) => write!(f, " after {bytes}"),
                    Reach::All => f.write_str(" after all"),
                }
            }
            Outcome::Lie => f.write_str("lies"),
            Outcome::Misdirected { file, sector } => write!(f, "misdirected {file}:{sector}"),
            Outcome::Decide(choices) => {
                f.write_str("sees")?;
                choices.iter().try_for_each(|(sector, choice)| write!(f, " {sector}@{choice}"))
            }
        }
    }
}

const ERRORS: [(&str, DiskError); 5] = [
    ("EIO", DiskError::Io),
    ("ENOSPC", DiskError::NoSpace),
    ("ENOENT", DiskError::NotFound),
    ("EEXIST", DiskError::Exists),
    ("EINVAL", DiskError::Invalid),
];

fn error_name(error: DiskError) -> &'static str {
    ERRORS.iter().find(|(_, known)| *known == error).map_or("EIO", |(name, _)| name)
}

impl FromStr for Outcome {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Outcome, Malformed> {
        Cursor::whole(text, |cursor| {
            if cursor.take_word("ok") {
                Ok(Outcome::Ok)
            } else if cursor.take_word("short") {
                Ok(Outcome::Short(cursor.number()?))
            } else if cursor.take_word("lies") {
                Ok(Outcome::Lie)
            } else if cursor.take_word("misdirected") {
                let file = Label::read(cursor)?;
                let colon = cursor.take(":");
                let wanted = cursor.wants("`:` and the number of a sector");
                if colon { Ok(Outcome::Misdirected { file, sector: cursor.number()? }) } else { Err(wanted) }
            } else if cursor.take_word("sees") {
                read_choices(cursor)
            } else if cursor.take_word("fails") {
                read_failure(cursor)
            } else {
                Err(cursor.wants("`ok`, `short`, `fails`, `lies`, `misdirected` or `sees`"))
            }
        })
    }
}

fn read_choices(cursor: &mut Cursor<'_>) -> Result<Outcome, Malformed> {
    let mut choices = Vec::new();
    while !cursor.rest().is_empty() {
        let sector = cursor.number()?;
        if !cursor.take("@") {
            return Err(cursor.wants("`@` and the number of a state"));
        }
        choices.push((sector, cursor.number()?));
        cursor.space();
    }
    Ok(Outcome::Decide(choices))
}

fn read_failure(cursor: &mut Cursor<'_>) -> Result<Outcome, Malformed> {
    let named = cursor.take_word("with").then(|| ERRORS.iter().find(|(name, _)| cursor.take_word(name)));
    let Some((_, error)) = named.flatten() else {
        return Err(cursor.wants("`with` and EIO, ENOSPC, ENOENT, EEXIST or EINVAL"));
    };
    let reach = if !cursor.take_word("after") {
        Reach::Nothing
    } else if cursor.take_word("all") {
        Reach::All
    } else {
        Reach::Bytes(cursor.number()?)
    };
    Ok(Outcome::Fail { error: *error, reach })
}
