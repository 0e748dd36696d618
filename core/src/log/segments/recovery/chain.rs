//! Which segments make the log: the highest that has begun, and the predecessors that headers name.

use super::super::Config;
use super::super::format::{BadHeader, GroupKind, HEADER_LEN, SegmentHeader};
use super::super::read::{Cursor, Found, Probe, Pull, number_of};
use super::{Action, Damage, Link, Recovery, Step, damage};
use crate::Mark;
use crate::disk::Entry;
use crate::log::mutants::mutant;
use alloc::{format, vec::Vec};

impl Recovery {
    pub(super) fn listed(&mut self, config: &Config, entries: Vec<Entry>, out: &mut Vec<Action>) -> Step {
        let files = entries.iter().filter(|entry| !entry.dir);
        self.files = files.filter_map(|entry| Some((number_of(&entry.path)?, entry.len))).collect();
        self.candidate(config, out)
    }

    /// Turns to the highest file that is not ruled out; without any, this is a new store.
    fn candidate(&mut self, config: &Config, out: &mut Vec<Action>) -> Step {
        match self.files.iter().rev().find(|(number, _)| !self.torn.contains(number)) {
            Some((number, len)) => Step::Head(Pull::new(*number, 0, (*len).min(HEADER_LEN as u64))),
            None => self.clean(config, out),
        }
    }

    pub(super) fn head(
        &mut self,
        config: &Config,
        mut pull: Pull,
        out: &mut Vec<Action>,
    ) -> Result<Step, Damage> {
        let number = pull.segment;
        let len = self.files.get(&number).copied().unwrap_or(0);
        let found = SegmentHeader::decode(&pull.bytes());
        if !matches!(&found, Ok((header, _)) if header.number == number) && self.doubt.about(number, 0) {
            return Ok(Step::Head(Pull::new(number, 0, len.min(HEADER_LEN as u64))));
        }
        let (header, digest) = match found {
            Ok(found) => found,
            Err(BadHeader::Version(version)) => return Err(unknown_version(config, number, version)),
            Err(BadHeader::Broken) => return Ok(Step::Judge(Probe::new(number, 0, len), 0)),
        };
        if header.number != number {
            let what = format!("the header is that of segment {}", header.number);
            return Err(damage(config, number, 24, &what));
        }
        let link = Link { header, digest, len };
        if header.carried == 0 || mutant!(CarriedNotChecked) {
            return Ok(self.last(config, link, out));
        }
        self.carried(config, link, Cursor::new(&header, digest, len), out)
    }

    /// Whether the carried groups are all there.
    pub(super) fn carried(
        &mut self,
        config: &Config,
        link: Link,
        mut cursor: Cursor,
        out: &mut Vec<Action>,
    ) -> Result<Step, Damage> {
        let end = link.header.first.saturating_add(link.header.carried);
        loop {
            match cursor.next() {
                Found::More => return Ok(Step::Carried(link, cursor)),
                Found::Group(group)
                    if group.header.kind == GroupKind::Carried && cursor.here.sequence < end => {}
                Found::Group(group)
                    if group.header.kind == GroupKind::Carried && cursor.here.sequence == end =>
                {
                    return Ok(self.last(config, link, out));
                }
                _ => {
                    let from = cursor.here.offset;
                    if self.doubt.about(link.header.number, from) {
                        cursor.look_again();
                        return Ok(Step::Carried(link, cursor));
                    }
                    return Ok(Step::Judge(Probe::new(link.header.number, from, link.len), from));
                }
            }
        }
    }

    /// Decides on a segment that has no whole beginning.
    pub(super) fn judged(
        &mut self,
        config: &Config,
        probe: &Probe,
        from: u64,
        out: &mut Vec<Action>,
    ) -> Result<Step, Damage> {
        if let Some(at) = probe.in_use {
            let what = format!(
                "the beginning of the segment is damaged, yet it was in use: a group at byte {at} is intact"
            );
            return Err(damage(config, probe.segment, from, &what));
        }
        self.torn.push(probe.segment);
        Ok(self.candidate(config, out))
    }

    fn last(&mut self, config: &Config, link: Link, out: &mut Vec<Action>) -> Step {
        self.chain.push(link);
        self.durable = link.header.group;
        self.back(config, link, out)
    }

    /// The predecessor's header is next, or the chain is complete.
    fn back(&mut self, config: &Config, link: Link, out: &mut Vec<Action>) -> Step {
        match link.header.prev {
            Some(prev) if config.releases && !self.files.contains_key(&prev.number) => {
                out.push(Action::Mark(Mark("log begins late")));
                out.push(Action::Starts { first: link.header.first });
                self.chain.reverse();
                self.begin(0)
            }
            Some(prev) => {
                let len = self.files.get(&prev.number).copied().unwrap_or(0);
                Step::Walk(Pull::new(prev.number, 0, len.min(HEADER_LEN as u64)))
            }
            None => {
                self.chain.reverse();
                self.begin(0)
            }
        }
    }

    pub(super) fn walked(
        &mut self,
        config: &Config,
        pull: Pull,
        out: &mut Vec<Action>,
    ) -> Result<Step, Damage> {
        let number = pull.segment;
        match self.walk(config, pull, out) {
            Err(_) if self.doubt.about(number, 0) => {
                let len = self.files.get(&number).copied().unwrap_or(0);
                Ok(Step::Walk(Pull::new(number, 0, len.min(HEADER_LEN as u64))))
            }
            walked => walked,
        }
    }

    fn walk(&mut self, config: &Config, mut pull: Pull, out: &mut Vec<Action>) -> Result<Step, Damage> {
        let number = pull.segment;
        let Some(len) = self.files.get(&number).copied() else {
            return Err(damage(config, number, 0, "the segment is missing, its successor names it"));
        };
        let (header, digest) = match SegmentHeader::decode(&pull.bytes()) {
            Ok(found) => found,
            Err(BadHeader::Version(version)) => return Err(unknown_version(config, number, version)),
            Err(BadHeader::Broken) => {
                return Err(damage(config, number, 0, "the segment's header is damaged"));
            }
        };
        let Some(next) = self.chain.last().copied() else { return Ok(Step::Finished) };
        if header.store_id != next.header.store_id {
            return Err(damage(config, number, 8, "the segment belongs to another store than its successor"));
        }
        if header.number != number {
            let what = format!("the header is that of segment {}", header.number);
            return Err(damage(config, number, 24, &what));
        }
        let ordered = header.first <= next.header.first
            && header.group <= next.header.group
            && header.epoch <= next.header.epoch;
        if !ordered {
            return Err(damage(config, number, 32, "the header contradicts that of the successor"));
        }
        let proven = next.header.prev.map_or(0, |prev| prev.len);
        if proven > len || proven < header.len() {
            let what = format!("the file has {len} bytes, its successor counts on {proven}");
            return Err(damage(config, number, len, &what));
        }
        let link = Link { header, digest, len };
        self.chain.push(link);
        Ok(self.back(config, link, out))
    }
}

fn unknown_version(config: &Config, number: u64, version: u16) -> Damage {
    damage(config, number, 4, &format!("format version {version} is not known"))
}
