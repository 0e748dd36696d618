//! Reads of an open store: single records, footers, and the scan of everything.
//!
//! It decides whether what was read is what was written, and tells damage from a record that has moved. It holds no
//! cache and never looks beyond the bytes that count.

use super::books::Kept;
use super::format::{
    FrameKind, HEADER_LEN, SegmentHeader, TRAILER_LEN, parse_frame, parse_seal, parse_trailer, seal_fits,
};
use super::read::{Cursor, Doubt, Found, Pull, path_of};
use super::write::Writer;
use super::{Action, Config, FetchError, Location, OP_FETCH, OP_SCAN, Record, Refused};
use crate::log::api::Damage;
use crate::{DiskError, DiskOk, DiskOp, DiskResult, OpId};
use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use bytes::Bytes;

/// How many fetches may be on their way.
const FETCHES: u32 = 256;
/// The fewest bytes that a frame has.
const FRAME_MIN: u32 = 7;

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Want {
    /// A record, and whether it is the second try.
    Record(Location, bool),
    /// The end of a sealed file, where the seal's place is written.
    Trailer,
    /// The seal at this offset.
    Seal(u64),
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Fetch {
    token: u64,
    want: Want,
    pull: Pull,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Walk {
    Head(Pull),
    Groups(Cursor),
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Scan {
    token: u64,
    /// Records from here on are none of its business.
    upto: u64,
    /// The next record's sequence.
    next: u64,
    segment: u64,
    segments: u32,
    walk: Walk,
    doubt: Doubt,
}

/// Reads on their way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Reader {
    fetches: BTreeMap<u32, Fetch>,
    scan: Option<Scan>,
    /// A scan's read is to be answered though the scan is over.
    stale: bool,
}

fn damaged(config: &Config, segment: u64, offset: u64, what: &str) -> FetchError {
    let file: String = path_of(&config.folder, segment).as_str().to_string();
    FetchError::Damaged(Damage { file, offset, what: what.to_string() })
}

/// What a read gave: bytes, or nothing where there must be something.
fn data_of(result: DiskResult) -> Result<Bytes, DiskError> {
    match result {
        Ok(DiskOk::Read(data)) => Ok(data),
        Ok(_) => Err(DiskError::Io),
        Err(cause) => Err(cause),
    }
}

/// Whether a frame may stand there.
fn stands(writer: &Writer, at: &Location) -> bool {
    let end = at.offset.checked_add(u64::from(at.len));
    let kept = writer.segments.get(&at.segment);
    at.len >= FRAME_MIN && kept.is_some_and(|kept| end.is_some_and(|end| end <= kept.len))
}

/// Why a record does not stand where it stood.
fn elsewhere(writer: &Writer, at: &Location) -> FetchError {
    let first = writer.segments.first_key_value();
    match first.is_some_and(|(first, _)| at.segment < *first) {
        true => FetchError::Released,
        false => FetchError::Moved,
    }
}

impl Reader {
    /// Starts a fetch.
    fn start(&mut self, config: &Config, fetch: Fetch, out: &mut Vec<Action>) -> Result<(), FetchError> {
        let slot = (0..FETCHES).find(|slot| !self.fetches.contains_key(slot));
        let slot = slot.ok_or(FetchError::Refused(Refused::Overloaded))?;
        out.extend(fetch.pull.want(config).map(|op| Action::Disk(OpId(OP_FETCH.0 + slot), op)));
        self.fetches.insert(slot, fetch);
        Ok(())
    }

    pub(super) fn fetch(
        &mut self,
        config: &Config,
        writer: &Writer,
        token: u64,
        at: Location,
        out: &mut Vec<Action>,
    ) {
        let started = if stands(writer, &at) {
            let pull = Pull::new(at.segment, at.offset, at.len.into());
            self.start(config, Fetch { token, want: Want::Record(at, false), pull }, out)
        } else {
            Err(elsewhere(writer, &at))
        };
        if let Err(error) = started {
            out.push(Action::Fetched { token, result: Err(error) });
        }
    }

    pub(super) fn fetch_footer(
        &mut self,
        config: &Config,
        writer: &Writer,
        token: u64,
        segment: u64,
        out: &mut Vec<Action>,
    ) {
        let file = writer.segments.get(&segment).map_or(0, |kept| kept.file);
        if file < TRAILER_LEN {
            return out.push(Action::FetchedFooter { token, result: Ok(None) });
        }
        let pull = Pull::new(segment, file - TRAILER_LEN, TRAILER_LEN);
        if let Err(error) = self.start(config, Fetch { token, want: Want::Trailer, pull }, out) {
            out.push(Action::FetchedFooter { token, result: Err(error) });
        }
    }

    /// The record that a fetch's read has brought, if it is whole and all of that.
    #[cfg(feature = "serde")]
    pub(super) fn record_in(&self, writer: &Writer, id: OpId, read: &Bytes) -> Option<Record> {
        let fetch = self.fetches.get(&id.0.checked_sub(OP_FETCH.0)?)?;
        let Want::Record(at, _) = fetch.want else { return None };
        let first = writer.segments.get(&at.segment)?.first;
        let frame = parse_frame(read, at.segment, first)?;
        let whole =
            frame.kind == FrameKind::Record && frame.len == at.len as usize && frame.len == read.len();
        whole.then(|| Record { sequence: frame.sequence, body: read.slice(frame.body..) })
    }

    /// Takes the answer to a fetch's read.
    pub(super) fn fetched(
        &mut self,
        config: &Config,
        writer: &Writer,
        id: OpId,
        result: DiskResult,
        out: &mut Vec<Action>,
    ) {
        let slot = id.0.saturating_sub(OP_FETCH.0);
        let Some(mut fetch) = self.fetches.remove(&slot) else { return };
        let ended = match data_of(result) {
            Ok(data) => {
                let ended = data.is_empty();
                fetch.pull.feed(data);
                ended
            }
            Err(cause) => {
                let error = match fetch.want {
                    Want::Record(at, _) if !stands(writer, &at) => elsewhere(writer, &at),
                    _ => FetchError::Disk(cause),
                };
                return out.push(fetch.answer(Err(error)));
            }
        };
        if let Some(op) = fetch.pull.want(config).filter(|_| !ended) {
            out.push(Action::Disk(id, op));
            self.fetches.insert(slot, fetch);
            return;
        }
        let bytes = fetch.pull.bytes();
        let segment = fetch.pull.segment;
        let kept = writer.segments.get(&segment);
        let first = kept.map_or(0, |kept| kept.first);
        match fetch.want {
            Want::Record(at, again) => {
                let frame = parse_frame(&bytes, segment, first)
                    .filter(|frame| frame.kind == FrameKind::Record && frame.len == at.len as usize);
                let result = match frame {
                    Some(frame) => {
                        Ok(Record { sequence: frame.sequence, body: bytes.slice(frame.body..frame.len) })
                    }
                    None if !stands(writer, &at) => Err(elsewhere(writer, &at)),
                    // A read may have gone astray; what is on the disk is decided by the second.
                    None if !again => {
                        fetch.want = Want::Record(at, true);
                        fetch.pull = Pull::new(segment, at.offset, at.len.into());
                        out.extend(fetch.pull.want(config).map(|op| Action::Disk(id, op)));
                        self.fetches.insert(slot, fetch);
                        return;
                    }
                    None => Err(damaged(config, segment, at.offset, "the record fails its checksum")),
                };
                out.push(Action::Fetched { token: fetch.token, result });
            }
            Want::Trailer => {
                let end = fetch.pull.offset + TRAILER_LEN;
                let Some(at) = parse_trailer(&bytes, segment).filter(|at| seal_fits(*at, end)) else {
                    return out.push(Action::FetchedFooter { token: fetch.token, result: Ok(None) });
                };
                fetch.want = Want::Seal(at);
                fetch.pull = Pull::new(segment, at, end - at);
                out.extend(fetch.pull.want(config).map(|op| Action::Disk(id, op)));
                self.fetches.insert(slot, fetch);
            }
            Want::Seal(at) => {
                let seal = parse_seal(&bytes, segment, first, at, writer.tag());
                let result = Ok(seal.filter(|(_, body)| !body.is_empty()).map(|(_, body)| body));
                out.push(Action::FetchedFooter { token: fetch.token, result });
            }
        }
    }

    /// Starts a scan of everything that is durable now.
    pub(super) fn scan(&mut self, config: &Config, writer: &Writer, token: u64, out: &mut Vec<Action>) {
        if self.scan.is_some() || self.stale {
            let result = Err(FetchError::Refused(Refused::Overloaded));
            return out.push(Action::ScanDone { token, result });
        }
        let walk = Walk::Head(Pull::new(0, 0, 0));
        let upto = writer.durable();
        self.scan = Some(Scan {
            token,
            upto,
            next: writer.first(),
            segment: 0,
            segments: 0,
            walk,
            doubt: Doubt::default(),
        });
        self.turn(config, writer, None, out);
    }

    /// Turns to the first segment after another.
    fn turn(&mut self, config: &Config, writer: &Writer, after: Option<u64>, out: &mut Vec<Action>) {
        let Some(scan) = &mut self.scan else { return };
        let from = after.map_or(0, |after| after.saturating_add(1));
        let next = writer.segments.range(from..).find(|(number, kept)| {
            after.is_none_or(|after| **number > after) && kept.first < scan.upto && kept.end > scan.next
        });
        let Some((number, _)) = next else {
            let (token, segments) = (scan.token, scan.segments);
            let result = match scan.next >= scan.upto {
                true => Ok(segments),
                false => Err(damaged(config, scan.segment, 0, "records are missing behind this segment")),
            };
            self.scan = None;
            return out.push(Action::ScanDone { token, result });
        };
        let pull = Pull::new(*number, 0, HEADER_LEN as u64);
        out.extend(pull.want(config).map(|op| Action::Disk(OP_SCAN, op)));
        scan.segment = *number;
        scan.segments += 1;
        scan.walk = Walk::Head(pull);
    }

    /// Takes the answer to the scan's read.
    pub(super) fn scanned(
        &mut self,
        config: &Config,
        writer: &Writer,
        result: DiskResult,
        out: &mut Vec<Action>,
    ) {
        if core::mem::take(&mut self.stale) {
            return;
        }
        let Some(scan) = &mut self.scan else { return };
        match scan.take(config, writer, result, out) {
            Ok(Some(op)) => out.push(Action::Disk(OP_SCAN, op)),
            Ok(None) => {
                let after = scan.segment;
                self.turn(config, writer, Some(after), out);
            }
            Err(error) => {
                out.push(Action::ScanDone { token: scan.token, result: Err(error) });
                self.scan = None;
            }
        }
    }

    /// Answers everything, as nothing more will be read.
    pub(super) fn end(&mut self, refused: Refused, out: &mut Vec<Action>) {
        let fetches = core::mem::take(&mut self.fetches).into_values();
        out.extend(fetches.map(|fetch| fetch.answer(Err(FetchError::Refused(refused)))));
        if let Some(scan) = self.scan.take() {
            self.stale = true;
            out.push(Action::ScanDone { token: scan.token, result: Err(FetchError::Refused(refused)) });
        }
    }
}

impl Fetch {
    fn answer(&self, result: Result<core::convert::Infallible, FetchError>) -> Action {
        let token = self.token;
        let Err(error) = result;
        match self.want {
            Want::Record(..) => Action::Fetched { token, result: Err(error) },
            Want::Trailer | Want::Seal(_) => Action::FetchedFooter { token, result: Err(error) },
        }
    }
}

impl Scan {
    /// Takes what was read: the next read, or `None` at the end of the segment.
    fn take(
        &mut self,
        config: &Config,
        writer: &Writer,
        result: DiskResult,
        out: &mut Vec<Action>,
    ) -> Result<Option<DiskOp>, FetchError> {
        let number = self.segment;
        let data = data_of(result).map_err(FetchError::Disk)?;
        if data.is_empty() {
            return Err(damaged(config, number, 0, "the file is shorter than it was"));
        }
        let Some(kept) = writer.segments.get(&number) else { return Err(FetchError::Moved) };
        if let Walk::Head(pull) = &mut self.walk {
            pull.feed(data);
            if let Some(op) = pull.want(config) {
                return Ok(Some(op));
            }
            let found = SegmentHeader::decode(&pull.bytes()).ok();
            let fits = found.filter(|(header, _)| {
                header.number == number && header.first == kept.first && header.first == self.next
            });
            let Some((header, digest)) = fits else {
                if self.doubt.about(number, 0) {
                    let pull = Pull::new(number, 0, HEADER_LEN as u64);
                    let op = pull.want(config);
                    self.walk = Walk::Head(pull);
                    return Ok(op);
                }
                return Err(damaged(config, number, 0, "the segment's header is damaged"));
            };
            self.walk = Walk::Groups(Cursor::new(&header, digest, limit(writer, number, kept)));
        } else if let Walk::Groups(cursor) = &mut self.walk {
            cursor.feed(data);
        }
        self.groups(config, out)
    }

    fn groups(&mut self, config: &Config, out: &mut Vec<Action>) -> Result<Option<DiskOp>, FetchError> {
        let Walk::Groups(cursor) = &mut self.walk else { return Ok(None) };
        loop {
            if self.next >= self.upto {
                return Ok(None);
            }
            match cursor.next() {
                Found::More => return Ok(Some(cursor.want(config))),
                Found::End => return Ok(None),
                Found::Group(group) => {
                    for item in group.items {
                        let (token, sequence, at) = (self.token, item.sequence, item.at);
                        out.push(Action::Scanned { token, sequence, at, body: item.body, last: item.last });
                    }
                    self.next = cursor.here.sequence;
                }
                Found::Seal(_) | Found::Bad(_) => {
                    let offset = cursor.here.offset;
                    if self.doubt.about(self.segment, offset) {
                        cursor.look_again();
                        return Ok(Some(cursor.want(config)));
                    }
                    return Err(damaged(config, self.segment, offset, "the group fails its checksum"));
                }
            }
        }
    }
}

/// How many bytes of a segment are proven.
fn limit(writer: &Writer, number: u64, kept: &Kept) -> u64 {
    if writer.tip.segment == Some(number) { writer.tip.mile.offset } else { kept.len }
}
