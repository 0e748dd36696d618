//! What the log says, and what follows: recovery, what becomes durable and who hears of it, reads of the log, the end.
//! This module decides when something counts; it never judges a request.

use super::catalogue::{PartitionId, Span, TopicId};
use super::journal::{Effect, Entry, Then};
use super::mutants::mutant;
use super::pool::TOKENS;
use super::readers::Fetched;
use super::record::{Part, Record};
use super::{Broker, Out, Stage, Timer, mark};
use crate::log::api::{Damage, Recovered};
use crate::log::segments::{self, FetchError, Location, Opened};
use crate::reader::wire::Range;
use crate::{Action, Clock, Window};
use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use bytes::Bytes;

impl Broker {
    /// Deals with what the log has said.
    pub(super) fn heard(&mut self, clock: Clock, said: segments::Action, out: &mut Out) {
        use segments::Action as Said;
        if matches!(self.stage, Stage::Damaged(_)) {
            return;
        }
        match said {
            Said::Starts { first } => {
                self.journal.begin(first);
                self.checkpoints.begins_late();
            }
            Said::Replayed { sequence, at, body, .. } => self.replayed(sequence, at, &body),
            // Segments are sealed without an index: recovery reads every record.
            Said::FooterFound { segment, .. } => {
                self.tell(clock, segments::Input::FooterVerdict { segment, used: false }, out);
            }
            Said::Ready(opened) => self.opened(*opened, out),
            Said::Damaged(damage) => self.stage = Stage::Damaged(damage),
            Said::Placed { first, at } => {
                (first..).zip(at).for_each(|(sequence, at)| self.journal.place(sequence, at));
            }
            // `Opened` says it again; nothing counts before.
            Said::Written { .. } | Said::Durable { .. } if self.stage == Stage::Recovering => {}
            Said::Written { upto } => {
                if mutant!(AcknowledgedWhenWritten) {
                    self.acknowledge(upto, out);
                }
                if mutant!(ShownWhenWritten) {
                    self.count(clock, upto, out);
                }
            }
            Said::Durable { upto } => {
                self.count(clock, upto, out);
                self.producers.limit(self.config.producers);
                self.acknowledge(upto, out);
            }
            Said::Unknown { from, upto, .. } => {
                self.pool.ending = false;
                // Sessions wait on: whoever waits for one has a clock of its own.
                for call in self.journal.give_up(from, upto) {
                    self.unsure(call, out);
                }
            }
            // `admits` was asked: the two layers disagree, and nothing that follows could be trusted.
            Said::Rejected(refused) => {
                self.damaged(Location::default(), format!("an admitted record was refused: {refused}"));
            }
            Said::Sealing { segment, .. } => {
                self.tell(clock, segments::Input::Footer { segment, body: Bytes::new() }, out);
            }
            Said::Full => {
                self.full = true;
                self.pool.ending = false;
                if self.stage == Stage::Ready {
                    self.retain(out);
                }
            }
            Said::Space => self.full = false,
            Said::Fetched { token, result } if token >= TOKENS => {
                // Slots are few.
                self.flush_fetched(clock, (token - TOKENS) as u32, result, out);
            }
            Said::Fetched { token, result } => self.fetched(clock, token, result),
            Said::Closed(result) => self.closed(result, out),
            Said::NamesDoubted => self.doubt_home(),
            Said::Sealed { .. }
            | Said::Barrier { .. }
            | Said::FetchedFooter { .. }
            | Said::Scanned { .. }
            | Said::ScanDone { .. } => {}
            // Passed on by `tell`.
            Said::Disk(..) | Said::Arm(..) | Said::Disarm(_) | Said::Mark(_) => {}
        }
    }

    fn replayed(&mut self, sequence: u64, at: Location, body: &Bytes) {
        if sequence != self.journal.end() {
            let what = format!("record {sequence} where {} should be", self.journal.end());
            return self.damaged(at, what);
        }
        match Record::decode(body) {
            Ok(record) => self.journal.push(at, Effect::of(record), Then::Nothing),
            Err(bad) => self.damaged(at, bad.to_string()),
        }
    }

    fn opened(&mut self, opened: Opened, out: &mut Out) {
        if opened.next != self.journal.end() {
            let what =
                format!("recovery ends at record {}, the records at {}", opened.next, self.journal.end());
            return self.damaged(Location::default(), what);
        }
        let mut front = None;
        while let Some((sequence, entry)) = self.journal.settle(opened.next) {
            let at = entry.at;
            front.get_or_insert(at);
            match self.replay_part(sequence, at.len, &entry.effect, out) {
                Ok(false) => {}
                Ok(true) => continue,
                Err(what) => return self.damaged(at, what),
            }
            if !mutant!(NumbersNotRecovered) {
                entry.effect.known(self, sequence);
            }
            self.producers.limit(self.config.producers);
            if let Err(what) = self.apply(sequence, &entry) {
                return self.damaged(at, what);
            }
        }
        if let Err(what) = self.replay_over() {
            return self.damaged(front.unwrap_or_default(), what);
        }
        if let Err(what) = self.all_there() {
            let file = self.config.pool.folder.to_string();
            self.stage = Stage::Damaged(Damage { file, offset: 0, what });
            return;
        }
        self.recovery = Some(Arc::new(Recovered { events: opened.next, ..opened.report }));
        self.open_pool(opened.store_id, out);
    }

    /// Whether every message that is not given up is in the log or in the pool.
    fn all_there(&self) -> Result<(), String> {
        for (partition, of) in self.catalogue.partitions() {
            if let Some(Range { start, end }) = of.missing() {
                let PartitionId { topic, number } = partition;
                let path = self.catalogue.topic(topic).map_or("", |topic| &topic.path);
                return Err(format!("messages {start} to {end} of partition {number} of {path} are missing"));
            }
        }
        Ok(())
    }

    /// Recovery is over.
    pub(super) fn begin_service(&mut self, out: &mut Out) {
        self.stage = Stage::Ready;
        self.arm_flush(out);
        out.push(Action::Arm(Timer::Retention, Window::exactly(self.config.retention_interval)));
    }

    /// Records below are durable: they count now.
    fn count(&mut self, clock: Clock, upto: u64, out: &mut Out) {
        while let Some((sequence, entry)) = self.journal.settle(upto) {
            entry.effect.known(self, sequence);
            if let Err(what) = self.apply(sequence, &entry) {
                return self.damaged(entry.at, what);
            }
            self.applied(clock, &entry, out);
            match entry.then {
                Then::Answer(call) => self.changed(clock, call, out),
                Then::Told(call) => self.change_over(clock, call, out),
                Then::Open(conn) => self.greet(conn, out),
                Then::Drained(slot) => {
                    self.flushed(slot, out);
                    self.cut_log(clock, out);
                }
                Then::Nothing => {}
            }
        }
    }

    /// Changes the tables as a record says.
    fn apply(&mut self, sequence: u64, entry: &Entry) -> Result<(), String> {
        match &entry.effect {
            Effect::Messages(written) => {
                let partition = self.catalogue.partition_mut(written.partition);
                let Some(partition) = partition else { return Ok(()) };
                let end = partition.spans.back().map_or(partition.end, Span::end);
                if written.offset != end {
                    return Err(format!("offset {} where {end} should be", written.offset));
                }
                let (first, count, written_at) = (written.offset, written.count, written.written_at);
                partition.show(Span { first, count, sequence, at: entry.at, written_at });
            }
            Effect::Other(record) => self.apply_record(sequence, record)?,
        }
        Ok(())
    }

    fn apply_record(&mut self, sequence: u64, record: &Record) -> Result<(), String> {
        match record {
            Record::Create { path, created_at, settings } => {
                self.catalogue.create(TopicId(sequence), path.clone(), settings.clone(), *created_at);
            }
            Record::Alter { topic, settings } => self.catalogue.alter(*topic, settings.clone()),
            Record::Drop { topic } => {
                let gone = self.catalogue.files_of(*topic);
                self.catalogue.remove(*topic);
                gone.iter().for_each(|(partition, files)| self.discard_partition(*partition, files));
                self.producers.drop_topic(*topic);
                self.dropping.remove(topic);
            }
            Record::Commit { partition, offset, consumer } => {
                let known = self.catalogue.consumer(partition.topic, consumer).is_some();
                if let Some(partition) = self.catalogue.partition_mut(*partition).filter(|_| known) {
                    partition.committed.insert(consumer.clone(), *offset);
                }
            }
            Record::Trim { partition, offset } => {
                self.trimming.remove(partition);
                if let Some(of) = self.catalogue.partition_mut(*partition) {
                    let files = of.files.iter().take_while(|file| file.end <= *offset);
                    let gone: Vec<(u64, u64)> = files.map(|file| (file.number, file.first)).collect();
                    of.trim(*offset);
                    gone.into_iter().for_each(|(number, first)| self.discard(*partition, number, first));
                    self.recount(*partition);
                }
            }
            Record::Drained { partition, file } => {
                if let Some(of) = self.catalogue.partition_mut(*partition) {
                    of.drain(*file, |first| self.tail.get(*partition, first).is_some())?;
                    self.recount(*partition);
                }
            }
            Record::Session { .. } | Record::Messages { .. } | Record::Part(_) => {}
        }
        Ok(())
    }

    /// Readers hear of what has changed.
    fn applied(&mut self, clock: Clock, entry: &Entry, out: &mut Out) {
        match &entry.effect {
            Effect::Messages(written) => {
                self.shown.push(written.partition);
                self.undrained(written.partition, entry.at.len.into(), out);
            }
            Effect::Other(Record::Part(Part::End)) => self.checkpoint_complete(clock, out),
            Effect::Other(record @ (Record::Alter { topic, .. } | Record::Drop { topic })) => {
                self.ask_readers(clock, |readers, ask, wishes| readers.topic_changed(ask, *topic, wishes));
                match record {
                    Record::Drop { .. } if self.full => self.cut_log(clock, out),
                    Record::Alter { .. } if self.full => self.retain(out),
                    _ => {}
                }
            }
            Effect::Other(Record::Commit { partition, consumer, .. }) => {
                let moved = matches!(entry.then, Then::Answer(_) | Then::Told(_));
                if moved {
                    mark(out, "commit position moved by a call");
                }
                self.ask_readers(clock, |readers, ask, wishes| match moved {
                    true => readers.commit_moved(ask, *partition, consumer, wishes),
                    false => readers.committed(ask, *partition, consumer, wishes),
                });
            }
            Effect::Other(Record::Trim { partition, .. }) => {
                mark(out, "messages given up");
                self.shown.push(*partition);
                if self.full {
                    self.cut_log(clock, out);
                }
            }
            Effect::Other(
                Record::Create { .. }
                | Record::Session { .. }
                | Record::Messages { .. }
                | Record::Drained { .. }
                | Record::Part(_),
            ) => {}
        }
    }

    /// A record was read for the readers.
    fn fetched(&mut self, clock: Clock, token: u64, result: Result<segments::Record, FetchError>) {
        let Some((partition, span)) = self.fetching.remove(&token) else { return };
        let fetched = match result {
            Ok(record) => match Record::decode(&record.body) {
                Ok(Record::Messages { partition: of, batch })
                    if of == partition && batch.offset == span.first =>
                {
                    Fetched::Batch(Arc::new(batch))
                }
                _ => Fetched::Failed,
            },
            // Asked again where it stands now: at the same place it would be asked for without end.
            Err(FetchError::Moved | FetchError::Released)
                if self.catalogue.partition(partition).and_then(|of| of.span(span.first)) != Some(span) =>
            {
                Fetched::Moved
            }
            Err(_) => Fetched::Failed,
        };
        self.ask_readers(clock, |readers, ask, wishes| readers.fetched(ask, token, fetched, wishes));
    }

    /// Reads messages for the readers: from memory, or from the log.
    pub(super) fn fetch(&mut self, clock: Clock, token: u64, at: PartitionId, span: Span, out: &mut Out) {
        let of = self.catalogue.partition(at);
        let memory = self.tail.get(at, span.first);
        let drained = of.is_some_and(|of| span.first < of.drained);
        let stored = of.and_then(|of| of.record(span.first)).filter(|(stored, _)| stored.first == span.first);
        let batch = memory.or(stored.map(|(_, batch)| batch)).cloned();
        if batch.is_some() || drained {
            let fetched = batch.map_or(Fetched::Moved, Fetched::Batch);
            return self
                .ask_readers(clock, |readers, ask, wishes| readers.fetched(ask, token, fetched, wishes));
        }
        mark(out, "messages read from the disk");
        self.fetching.insert(token, (at, span));
        self.tell(clock, segments::Input::Fetch { token, at: span.at }, out);
    }

    pub(super) fn damaged(&mut self, at: Location, what: String) {
        let file = self.segments.path(at.segment).to_string();
        self.stage = Stage::Damaged(Damage { file, offset: at.offset, what });
    }
}
