//! Crashes, retries and takeovers at random, against a plain book of what writers were told.

use super::rig::*;
use crate::broker::api::Message;
use crate::writer::wire::{AckStatus, FromServer};
use crate::{ConnId, Dur};
use alloc::{collections::BTreeMap, format, vec::Vec};
use proptest::prelude::*;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A producer opens a session, whether it has one or not.
    Open(u8),
    /// Its session sends so many messages that were never sent before.
    Write(u8, u8),
    /// Everything that is not acknowledged is sent again.
    Resend(u8),
    HangUp(u8),
    /// The disk answers syncs, or does not.
    Hold(bool),
    FailSyncs(u8),
    Full(bool),
    Kill,
    LosePower,
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3u8;
    prop_oneof![
        4 => who.clone().prop_map(Step::Open),
        10 => (who.clone(), 1..6u8).prop_map(|(who, n)| Step::Write(who, n)),
        4 => who.clone().prop_map(Step::Resend),
        2 => who.prop_map(Step::HangUp),
        4 => any::<bool>().prop_map(Step::Hold),
        1 => (0..6u8).prop_map(Step::FailSyncs),
        1 => any::<bool>().prop_map(Step::Full),
        1 => Just(Step::Kill),
        1 => Just(Step::LosePower),
        3 => (0..4u8).prop_map(Step::Pass),
    ]
}

/// A producer, and what it knows.
#[derive(Default)]
struct Writer {
    conn: Option<ConnId>,
    open: bool,
    /// The highest number it has used.
    used: u64,
    /// The highest that it was told is stored.
    told: u64,
}

struct Run {
    rig: Rig,
    writers: Vec<Writer>,
    /// Where acknowledged messages stand, by producer and number.
    stored: BTreeMap<(usize, u64), u64>,
}

impl Run {
    fn listen(&mut self) {
        for (who, writer) in self.writers.iter_mut().enumerate() {
            let Some(conn) = writer.conn else { continue };
            while let Some(said) = self.rig.hear(conn) {
                match said {
                    Message::WriteReply(FromServer::Init(session)) => {
                        assert!(session.last_seq_no >= writer.told, "forgotten: {session:?}");
                        assert!(session.last_seq_no <= writer.used, "invented: {session:?}");
                        writer.told = session.last_seq_no;
                        writer.open = true;
                    }
                    Message::WriteReply(FromServer::Acks(acks)) => {
                        for ack in acks {
                            if let AckStatus::Written { offset } = ack.status {
                                let again = self.stored.insert((who, ack.seq_no), offset);
                                assert_eq!(again, None, "{ack:?} twice");
                            }
                            writer.told = writer.told.max(ack.seq_no);
                        }
                    }
                    Message::WriteReply(FromServer::Failed(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            if self.rig.closed.contains(&conn) {
                (writer.conn, writer.open) = (None, false);
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open(who) => {
                let conn = self.rig.open(init(&format!("p{who}")));
                self.listen();
                let writer = &mut self.writers[usize::from(who)];
                (writer.conn, writer.open) = (Some(conn), false);
            }
            Step::Write(who, n) => {
                let writer = &mut self.writers[usize::from(who)];
                if let Some(conn) = writer.conn.filter(|_| writer.open) {
                    let first = writer.used + 1;
                    writer.used += u64::from(n);
                    let numbers = first..=writer.used;
                    self.rig.send(conn, messages(numbers));
                }
            }
            Step::Resend(who) => {
                let writer = &self.writers[usize::from(who)];
                if let Some(conn) = writer.conn.filter(|_| writer.open && writer.told < writer.used) {
                    self.rig.send(conn, messages(writer.told + 1..=writer.used));
                }
            }
            Step::HangUp(who) => {
                let writer = &mut self.writers[usize::from(who)];
                if let Some(conn) = writer.conn.take() {
                    writer.open = false;
                    self.rig.hang_up(conn);
                }
            }
            Step::Hold(hold) => self.rig.hold_syncs = hold,
            Step::FailSyncs(n) => self.rig.fail_syncs = n.into(),
            Step::Full(full) => self.rig.full = full,
            Step::Kill | Step::LosePower => {
                self.listen();
                if matches!(step, Step::LosePower) {
                    self.rig.disk.lose_power();
                }
                self.rig.restart();
                self.writers.iter_mut().for_each(|writer| (writer.conn, writer.open) = (None, false));
            }
            Step::Pass(n) => self.rig.pass(Dur::secs(u64::from(n) * 10)),
        }
        self.rig.run();
        self.listen();
    }

    /// Everything that was acknowledged stands where it was said to, once; each producer's messages are in order.
    fn judge(&mut self) {
        self.rig.restart();
        self.rig.pass(Dur::secs(100));
        let all = self.rig.read_all(0, 0);
        assert_eq!(all.len() as u64, self.rig.topic().partitions[0].available.end, "{:?}", self.rig.marks);
        let mut seen = BTreeMap::new();
        let mut last = BTreeMap::new();
        for (at, (offset, producer, message)) in all.iter().enumerate() {
            assert_eq!(*offset, at as u64, "offsets have no gaps");
            let who: usize = producer[1..].parse().unwrap();
            let again = seen.insert((who, message.seq_no), *offset);
            assert_eq!(again, None, "{producer} {} is there twice", message.seq_no);
            assert!(
                last.insert(who, message.seq_no).is_none_or(|last| last < message.seq_no),
                "out of order"
            );
            assert_eq!(message, &messages([message.seq_no])[0]);
        }
        for (key, offset) in &self.stored {
            assert_eq!(seen.get(key), Some(offset), "{key:?} was acknowledged");
        }
        for (who, writer) in self.writers.iter().enumerate() {
            let highest = seen.range((who, 0)..(who + 1, 0)).next_back().map_or(0, |((_, n), _)| *n);
            assert!(highest >= writer.told, "{who} was told of {}, {highest} is there", writer.told);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_there_once(steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run {
            rig: Rig::new(draining(), 1),
            writers: (0..3).map(|_| Writer::default()).collect(),
            stored: BTreeMap::new(),
        };
        for step in steps {
            run.step(step);
        }
        run.judge();
    }
}
