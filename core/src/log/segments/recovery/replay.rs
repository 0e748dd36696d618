//! What the segments of the chain hold: footers where they are sound, records where they are not, and how far the
//! last segment is proven.

use super::super::books::{Kept, Tip, Unit, Unsealed};
use super::super::format::{GroupKind, Seal, TRAILER_LEN, align, parse_seal, parse_trailer, seal_fits};
use super::super::read::{Bad, Cursor, Found, Group, Mile, Probe, Pull, path_of};
use super::super::{Action, Config};
use super::{Damage, Link, Recovery, Step, damage};
use crate::Mark;
use crate::log::api::Cut;
use crate::log::mutants::mutant;
use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString},
    vec::Vec,
};

impl Recovery {
    /// Starts on a segment of the chain.
    pub(super) fn begin(&mut self, index: usize) -> Step {
        match self.chain.get(index) {
            Some(link) if link.len >= link.header.len() + TRAILER_LEN => {
                Step::Trailer(index, Pull::new(link.header.number, link.len - TRAILER_LEN, TRAILER_LEN))
            }
            Some(link) => Step::Replay(index, self.cursor(index, link)),
            None => Step::Finished,
        }
    }

    /// How many bytes of a segment count.
    fn limit(&self, index: usize, link: &Link) -> u64 {
        let next = self.chain.get(index + 1);
        let stated = match next {
            Some(next) => next.header.prev.map(|prev| prev.len),
            None => self.seal.map(|seal| seal.len),
        };
        if mutant!(ProvenLengthIgnored) { link.len } else { stated.unwrap_or(link.len) }
    }

    fn cursor(&self, index: usize, link: &Link) -> Cursor {
        Cursor::new(&link.header, link.digest, self.limit(index, link))
    }

    pub(super) fn replay(&mut self, index: usize, link: Link) -> Step {
        Step::Replay(index, self.cursor(index, &link))
    }

    pub(super) fn trailer(&mut self, index: usize, mut pull: Pull, config: &Config) -> Result<Step, Damage> {
        let Some(link) = self.chain.get(index).copied() else { return Ok(Step::Finished) };
        let at = parse_trailer(&pull.bytes(), link.header.number)
            .filter(|at| *at >= link.header.len() && seal_fits(*at, link.len))
            .filter(|at| *at == align(*at, link.header.sector));
        match at {
            Some(at) => Ok(Step::Seal(index, at, Pull::new(link.header.number, at, link.len - at))),
            None => {
                // The last segment has none while it is in use; for others it is a loss of speed to be told.
                if index + 1 < self.chain.len() {
                    self.rebuilt(config, &link);
                }
                Ok(self.replay(index, link))
            }
        }
    }

    pub(super) fn seal(
        &mut self,
        config: &Config,
        index: usize,
        at: u64,
        mut pull: Pull,
        out: &mut Vec<Action>,
    ) -> Result<Step, Damage> {
        let Some(link) = self.chain.get(index).copied() else { return Ok(Step::Finished) };
        let header = link.header;
        let found = parse_seal(&pull.bytes(), header.number, header.first, at, header.tag());
        let fits = |seal: &Seal| match self.chain.get(index + 1) {
            Some(Link { header: next, .. }) => {
                let prev = next.prev.map(|prev| (prev.len, prev.digest));
                seal.end == next.first && seal.group == next.group && prev == Some((seal.len, seal.digest))
            }
            // It was written when all records were durable: whatever stands between is void.
            None => {
                (header.len()..=at).contains(&seal.len)
                    && seal.end >= header.first
                    && seal.group >= header.group
            }
        };
        let Some((seal, body)) = found.filter(|(seal, _)| fits(seal)) else {
            self.rebuilt(config, &link);
            out.push(Action::Mark(Mark("footer unusable")));
            return Ok(self.replay(index, link));
        };
        if index + 1 == self.chain.len() {
            self.report.clean = seal.closed;
            self.seal = Some(seal);
            self.in_use = true;
        }
        if config.full_scan || body.is_empty() {
            return Ok(self.replay(index, link));
        }
        let segment = header.number;
        out.push(Action::FooterFound { segment, first: header.first, end: seal.end, body });
        Ok(Step::Verdict(index, seal))
    }

    /// The store took the records from the footer.
    pub(super) fn take_seal(
        &mut self,
        config: &Config,
        index: usize,
        link: Link,
        seal: Seal,
        out: &mut Vec<Action>,
    ) -> Step {
        let mile = Mile { offset: seal.len, group: seal.group, sequence: seal.end, digest: seal.digest };
        self.keep(&link, mile);
        if index + 1 < self.chain.len() {
            return self.begin(index + 1);
        }
        self.held.clear();
        self.end = Some((Tip { segment: Some(link.header.number), mile }, None));
        self.clean(config, out)
    }

    fn keep(&mut self, link: &Link, mile: Mile) {
        let header = link.header;
        let kept = Kept { first: header.first, end: mile.sequence, len: mile.offset, file: link.len };
        self.kept.insert(header.number, kept);
    }

    /// Takes the groups that have been read.
    pub(super) fn groups(
        &mut self,
        config: &Config,
        index: usize,
        mut cursor: Cursor,
        out: &mut Vec<Action>,
    ) -> Result<Step, Damage> {
        let Some(link) = self.chain.get(index).copied() else { return Ok(Step::Finished) };
        let number = link.header.number;
        let next = self.chain.get(index + 1).copied();
        loop {
            let found = cursor.next();
            let here = cursor.here;
            match (found, next) {
                (Found::More, _) => return Ok(Step::Replay(index, cursor)),
                (Found::Bad(Bad::Checksum), _) if self.doubt.about(number, here.offset) => {
                    cursor.look_again();
                    return Ok(Step::Replay(index, cursor));
                }
                (Found::Group(group), next) => {
                    for item in &group.items {
                        let (sequence, at) = (item.sequence, item.at);
                        let body = item.body.clone();
                        out.push(Action::Replayed { sequence, at, body, last: item.last });
                    }
                    if next.is_none() {
                        self.hold(group);
                    }
                }
                (Found::End, Some(next)) => {
                    let header = next.header;
                    let same = here.group == header.group
                        && here.sequence == header.first
                        && header.prev.is_some_and(|prev| prev.digest == here.digest);
                    if !same {
                        let what = "the contents are not those that the successor names";
                        return Err(damage(config, number, here.offset, what));
                    }
                    self.keep(&link, here);
                    return Ok(self.begin(index + 1));
                }
                (Found::Bad(_) | Found::Seal(_), Some(_)) => {
                    let what = "damaged, though its successor proves that it was durable";
                    return Err(damage(config, number, here.offset, what));
                }
                (Found::Bad(Bad::Order), None) => {
                    let what = "a group is intact but does not belong here";
                    return Err(damage(config, number, here.offset, what));
                }
                (Found::Bad(bad), None) => {
                    if mutant!(TornTailRefused) {
                        return Err(damage(config, number, here.offset, "torn"));
                    }
                    let probe = Probe::new(number, here.offset, link.len);
                    return Ok(Step::Tail(cursor, probe, bad));
                }
                (Found::Seal(header), None) => {
                    self.prove(header.durable);
                    self.in_use = true;
                    return Ok(self.ended(config, &link, here, link.len, out));
                }
                (Found::End, None) if let Some(seal) = self.seal => {
                    let same =
                        here.group == seal.group && here.sequence == seal.end && here.digest == seal.digest;
                    if !same {
                        return Err(damage(
                            config,
                            number,
                            here.offset,
                            "the contents are not those of the seal",
                        ));
                    }
                    return Ok(self.take_seal(config, index, link, seal, out));
                }
                (Found::End, None) => return Ok(self.ended(config, &link, here, here.offset, out)),
            }
        }
    }

    /// A group of the last segment: unproven until a later one says more.
    fn hold(&mut self, group: Group) {
        self.in_use |= group.header.kind != GroupKind::Carried;
        self.prove(group.header.durable);
        self.held.push_back(group);
        if mutant!(RecoveredTailTakenAsDurable) {
            self.prove(u64::MAX);
            self.in_use = true;
        }
    }

    fn prove(&mut self, durable: u64) {
        self.durable = self.durable.max(durable);
        while self.held.front().is_some_and(|group| group.header.number < self.durable) {
            self.held.pop_front();
        }
    }

    /// Decides on what follows the last intact group.
    pub(super) fn tail(
        &mut self,
        config: &Config,
        cursor: Cursor,
        probe: &Probe,
        bad: Bad,
        out: &mut Vec<Action>,
    ) -> Result<Step, Damage> {
        let Some(link) = self.chain.last().copied() else { return Ok(Step::Finished) };
        let (number, here) = (link.header.number, cursor.here);
        if let Some((durable, at)) = probe.durable
            && durable > here.group
            && !mutant!(CutBelowFrontier)
        {
            let what = format!("damaged, though the group at byte {at} proves that it was durable");
            return Err(damage(config, number, here.offset, &what));
        }
        self.in_use |= probe.in_use.is_some();
        if probe.content > here.offset {
            let (file, offset) = (path_of(&config.folder, number).as_str().to_string(), here.offset);
            self.report.cut.push(Cut { file, offset, bytes: probe.content - offset });
            out.push(Action::Mark(Mark("torn tail cut")));
            // A file that ends within the group was never synced with it. Otherwise nothing tells.
            if bad != Bad::Short {
                let what = "the last group is damaged, and nothing tells whether it was ever durable";
                self.report.possibly_acknowledged.push(damage(config, number, offset, what));
            }
        }
        let free = probe.content.max(here.offset);
        Ok(self.ended(config, &link, here, free, out))
    }

    /// The last segment's records end here; nothing was ever written from `free` on.
    fn ended(&mut self, config: &Config, link: &Link, here: Mile, free: u64, out: &mut Vec<Action>) -> Step {
        let header = link.header;
        self.keep(link, here);
        let number = header.number;
        let mut tip =
            Tip { segment: Some(number), mile: self.held.front().map_or(here, |group| group.before) };
        let mut unsealed = None;
        if self.in_use {
            let free = align(free, header.sector);
            let first = header.first;
            let (mile, file, sector) = (tip.mile, link.len, header.sector);
            // A footer of nothing is no help.
            unsealed =
                (mile.sequence > first).then_some(Unsealed { number, first, mile, free, file, sector });
        } else {
            // Its header is not proven: whatever it holds starts anew behind the predecessor.
            let prev = header.prev;
            tip.segment = prev.map(|prev| prev.number);
            tip.mile = Mile {
                offset: prev.map_or(0, |prev| prev.len),
                group: header.group,
                sequence: header.first,
                digest: prev.map_or(0, |prev| prev.digest),
            };
        }
        self.end = Some((tip, unsealed));
        self.clean(config, out)
    }

    fn rebuilt(&mut self, config: &Config, link: &Link) {
        let file: String = path_of(&config.folder, link.header.number).as_str().to_string();
        self.report.rebuilt.push(file);
    }
}

/// The units of some groups.
pub(super) fn units(held: VecDeque<Group>) -> VecDeque<Unit> {
    let mut units = VecDeque::new();
    let mut unit: Option<Unit> = None;
    for item in held.into_iter().flat_map(|group| group.items) {
        let open = unit.get_or_insert_with(|| Unit { first: item.sequence, records: Vec::new() });
        open.records.push(item.body);
        if item.last {
            units.extend(unit.take());
        }
    }
    units
}
