//! The toy's server: it decides when an add counts and whom it promises that the sum will stand still. It never
//! answers before what it answers for is durable, and never changes the sum while a lease may be valid. Invariants: one
//! disk operation at a time; `sum` and `last` are what the committed records say.

use super::{Action, Input, Msg, Timer, mutant};
use onceward_core::{
    Clock, DiskError, DiskOk, DiskOp, DiskResult, Dur, Machine, Mark, Mono, NodeId, OpId, Path, SyncKind,
    Window,
};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a record: who added, the number of that request, the sum with it, a checksum.
pub const RECORD: usize = 16;
const CHUNK: u32 = 4096;
const OP: OpId = OpId(0);

/// One add.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    client: NodeId,
    seq: u32,
    sum: u32,
}

/// What the server is about; up to `Naming` it is recovering.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Reading(Vec<u8>),
    Creating,
    Emptying,
    Writing,
    Syncing,
    Renaming,
    Naming,
    /// Recovery met an error and is tried again later.
    Failed,
    /// Leases of an earlier incarnation may be valid still.
    Waiting,
    Serving,
    Appending(Record),
    Securing(Record),
    /// Durable; leases may be valid still.
    Held(Record),
}

/// The machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Server {
    lease: Dur,
    retry: Dur,
    phase: Phase,
    /// The number of the last counted request of each node.
    last: Vec<u32>,
    sum: u32,
    /// Where the next record goes.
    end: u64,
    /// No lease that was granted is valid after this.
    pub(super) leased_until: Mono,
}

impl Server {
    /// A server of so many nodes, itself included.
    pub fn new(nodes: u16, lease: Dur, retry: Dur) -> Server {
        let last = vec![0; usize::from(nodes)];
        let phase = Phase::Reading(Vec::new());
        Server { lease, retry, phase, last, sum: 0, end: 0, leased_until: Mono(0) }
    }

    /// Whether it accepts adds.
    pub fn serves(&self) -> bool {
        self.phase == Phase::Serving
    }

    fn disk(&mut self, phase: Phase, op: DiskOp, out: &mut Vec<Action>) {
        self.phase = phase;
        out.push(Action::Disk(OP, op));
    }

    fn recover(&mut self, out: &mut Vec<Action>) {
        let read = DiskOp::Read { path: log(), offset: 0, len: CHUNK };
        self.disk(Phase::Reading(Vec::new()), read, out);
    }

    /// Takes over what the file says: everything up to the first record that is none. It may not be durable, so it is
    /// written anew, compacted, under another name first.
    fn adopt(&mut self, bytes: &[u8], out: &mut Vec<Action>) {
        (self.sum, self.last) = (0, vec![0; self.last.len()]);
        for record in bytes.as_chunks::<RECORD>().0.iter().map_while(decode) {
            let Some(last) = self.last.get_mut(usize::from(record.client.0)) else { break };
            (*last, self.sum) = (record.seq, record.sum);
        }
        if self.sum > 0 {
            out.push(Action::Mark(Mark("recovery found adds")));
        }
        self.disk(Phase::Creating, DiskOp::Create(draft()), out);
    }

    fn recovered(&mut self, clock: Clock, result: DiskResult, out: &mut Vec<Action>) {
        match (std::mem::replace(&mut self.phase, Phase::Failed), result) {
            (Phase::Reading(mut bytes), Ok(DiskOk::Read(more))) if !more.is_empty() => {
                bytes.extend_from_slice(&more);
                let read = DiskOp::Read { path: log(), offset: bytes.len() as u64, len: CHUNK };
                self.disk(Phase::Reading(bytes), read, out);
            }
            (Phase::Reading(bytes), Ok(_) | Err(DiskError::NotFound)) => self.adopt(&bytes, out),
            (Phase::Creating, Err(DiskError::Exists)) => {
                self.disk(Phase::Emptying, DiskOp::SetLen { path: draft(), len: 0 }, out);
            }
            (Phase::Creating | Phase::Emptying, Ok(_)) => {
                let adopted = self.last.iter().enumerate().filter(|(_, seq)| **seq > 0);
                let sum = self.sum;
                let records: Vec<u8> = adopted
                    .flat_map(|(n, &seq)| encode(Record { client: NodeId(n as u16), seq, sum }))
                    .collect();
                self.end = records.len() as u64;
                let write = DiskOp::Write { path: draft(), offset: 0, data: records.into() };
                self.disk(Phase::Writing, write, out);
            }
            (Phase::Writing, Ok(DiskOk::Wrote(n))) if u64::from(n) == self.end => {
                self.disk(Phase::Syncing, DiskOp::Sync { path: draft(), kind: SyncKind::Full }, out);
            }
            (Phase::Syncing, Ok(_)) => {
                self.disk(Phase::Renaming, DiskOp::Rename { from: draft(), to: log() }, out);
            }
            (Phase::Renaming, Ok(_)) => self.disk(Phase::Naming, DiskOp::SyncDir(Path::root()), out),
            (Phase::Naming, Ok(_)) => {
                self.phase = Phase::Waiting;
                self.lease_over(clock, out);
            }
            _ => out.push(Action::Arm(Timer::Retry, Window { from: self.retry, to: self.retry })),
        }
    }

    fn appended(&mut self, clock: Clock, record: Record, result: DiskResult, out: &mut Vec<Action>) {
        let secured = matches!(self.phase, Phase::Securing(_));
        match result {
            Ok(DiskOk::Wrote(n)) if n as usize == RECORD && !mutant!(AckBeforeDurable) => {
                let sync = DiskOp::Sync { path: log(), kind: SyncKind::Full };
                self.disk(Phase::Securing(record), sync, out);
            }
            Ok(DiskOk::Wrote(n)) if n as usize != RECORD => self.recover(out),
            Ok(_) => {
                debug_assert!(secured || mutant!(AckBeforeDurable));
                self.phase = Phase::Held(record);
                self.lease_over(clock, out);
            }
            // What the file holds now is anybody's guess: recovery decides.
            Err(_) => self.recover(out),
        }
    }

    /// Goes on with what waits for leases, if none can be valid any more.
    fn lease_over(&mut self, clock: Clock, out: &mut Vec<Action>) {
        let left = self.leased_until.since(clock.mono);
        match self.phase {
            Phase::Waiting | Phase::Held(_) if left > Dur::ZERO => {
                out.push(Action::Mark(Mark("waited for a lease")));
                out.push(Action::Arm(Timer::Lease, Window::exactly(left)));
            }
            Phase::Waiting => self.phase = Phase::Serving,
            Phase::Held(record) => {
                self.last[usize::from(record.client.0)] = record.seq;
                self.sum = record.sum;
                self.end += RECORD as u64;
                self.phase = Phase::Serving;
                out.push(Action::Send(record.client, Msg::Added(record.seq)));
            }
            _ => {}
        }
    }

    fn add(&mut self, client: NodeId, seq: u32, out: &mut Vec<Action>) {
        let Some(&last) = self.last.get(usize::from(client.0)) else { return };
        if self.is_recovering() {
        } else if seq <= last && !mutant!(DuplicateNotRecognised) {
            out.push(Action::Mark(Mark("duplicate recognised")));
            out.push(Action::Send(client, Msg::Added(seq)));
        } else if self.phase == Phase::Serving {
            let record = Record { client, seq, sum: self.sum + 1 };
            let data = encode(record).to_vec().into();
            let write = DiskOp::Write { path: log(), offset: self.end, data };
            self.disk(Phase::Appending(record), write, out);
        }
    }

    fn is_recovering(&self) -> bool {
        !matches!(self.phase, Phase::Serving | Phase::Appending(_) | Phase::Securing(_) | Phase::Held(_))
    }
}

impl Machine for Server {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        match (input, &self.phase) {
            (Input::Boot, _) => {
                // Who held a lease when the last incarnation ended?
                if !mutant!(LeaseForgotten) {
                    self.leased_until = clock.mono.after(self.lease);
                }
                self.recover(out);
            }
            (Input::Disk(_, result), &(Phase::Appending(record) | Phase::Securing(record))) => {
                self.appended(clock, record, result, out);
            }
            (Input::Disk(_, result), _) => self.recovered(clock, result, out),
            (Input::Message(from, Msg::Add(seq)), _) => self.add(from, seq, out),
            (Input::Received(conn, Msg::Fetch), _) if self.is_recovering() => out.push(Action::Close(conn)),
            (Input::Received(conn, Msg::Fetch), phase) => {
                let leased = *phase == Phase::Serving && self.lease > Dur::ZERO;
                if leased {
                    self.leased_until = self.leased_until.max(clock.mono.after(self.lease));
                }
                out.push(Action::Write(conn, Msg::Grant { sum: self.sum, leased }));
            }
            (Input::Timer(Timer::Lease), _) => self.lease_over(clock, out),
            (Input::Timer(Timer::Retry), Phase::Failed) => self.recover(out),
            _ => {}
        }
    }
}

fn log() -> Path {
    Path::from("log")
}

fn draft() -> Path {
    Path::from("draft")
}

fn encode(record: Record) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..2].copy_from_slice(&record.client.0.to_le_bytes());
    bytes[2..6].copy_from_slice(&record.seq.to_le_bytes());
    bytes[6..10].copy_from_slice(&record.sum.to_le_bytes());
    let sum = xxh3_64(&bytes[..10]);
    bytes[10..].copy_from_slice(&sum.to_le_bytes()[..6]);
    bytes
}

fn decode(bytes: &[u8; RECORD]) -> Option<Record> {
    let [c0, c1, q0, q1, q2, q3, s0, s1, s2, s3, ..] = *bytes;
    let record = Record {
        client: NodeId(u16::from_le_bytes([c0, c1])),
        seq: u32::from_le_bytes([q0, q1, q2, q3]),
        sum: u32::from_le_bytes([s0, s1, s2, s3]),
    };
    (encode(record) == *bytes).then_some(record)
}
