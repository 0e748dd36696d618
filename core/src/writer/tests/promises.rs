//! The writer's promises under anything: random callers, random losses, a server that stores honestly and, in half of the
//! cases, one that lies. What is checked is what each of them saw, never the writer's own books.

use super::{
    super::{
        Action, Config, Event, Input, Message, StreamId, Ticket, Timer, Writer,
        api::{End, MESSAGE_COST, Outcome},
        failure::GrpcStatus,
        wire::{Ack, AckStatus, FromClient, FromServer, Numbered, Session, Status},
    },
    rig::config,
};
use crate::{Clock, Machine};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec,
    vec::Vec,
};
use proptest::prelude::*;

/// What happens next.
#[derive(Clone, Debug)]
enum Move {
    Write(u8),
    Flush,
    Close,
    Destroy,
    /// Something arrives at the server, and at the writer.
    Up,
    Down,
    /// Something arrives at the server on an old stream.
    Late,
    /// The stream breaks for the writer; what was under way may or may not arrive at the server.
    Break {
        arrives: usize,
        how: u8,
    },
    Fire(u8),
    /// Beyond the protocol.
    Lie(u8),
}

/// A server that stores each number once, and a caller, with all that they saw.
struct Worlds {
    writer: Writer,
    armed: BTreeSet<Timer>,
    stream: Option<StreamId>,
    opened: bool,
    up: VecDeque<FromClient>,
    down: VecDeque<FromServer>,
    /// Still under way to the server on streams that the writer has dropped.
    late: VecDeque<FromClient>,
    /// Stored by the server, in order: number and first byte.
    stored: Vec<(u64, Vec<u8>)>,
    /// What was ever sent under a number.
    used: BTreeMap<u64, Vec<u8>>,
    /// Accepted writes without an answer, in order.
    open: Vec<(Ticket, Vec<u8>)>,
    answered: BTreeSet<Ticket>,
    /// Flushes, each with the writes that were open before it.
    flushes: BTreeMap<Ticket, Vec<Ticket>>,
    closes: BTreeSet<Ticket>,
    lies: bool,
    /// The server has refused for good.
    fatal: bool,
    ended: bool,
    tickets: u64,
    manual: bool,
}

const BUDGET: u64 = 6 * (MESSAGE_COST + 3);

impl Worlds {
    fn new(manual: bool) -> Worlds {
        let config = Config { buffer_bytes: BUDGET, message_bytes: 3, waiters: 4, ..config() };
        let mut worlds = Worlds {
            writer: Writer::new(config).unwrap(),
            armed: BTreeSet::new(),
            stream: None,
            opened: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            late: VecDeque::new(),
            stored: vec![],
            used: BTreeMap::new(),
            open: vec![],
            answered: BTreeSet::new(),
            flushes: BTreeMap::new(),
            closes: BTreeSet::new(),
            lies: false,
            fatal: false,
            ended: false,
            tickets: 0,
            manual,
        };
        worlds.give(Input::Start);
        worlds
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn give(&mut self, input: Input) {
        let written = match &input {
            Input::Write(ticket, message) => Some((*ticket, message.data.to_vec())),
            _ => None,
        };
        if let Input::Flush(ticket) = input {
            self.flushes.insert(ticket, self.open.iter().map(|(ticket, _)| *ticket).collect());
        }
        if let Input::Close(ticket) = input {
            self.closes.insert(ticket);
        }
        let mut actions = Vec::new();
        self.writer.step(Clock::default(), input, &mut actions);
        // A write that is not refused in its own step is accepted.
        if let Some((ticket, data)) = written {
            let refused =
                |action: &Action| matches!(action, Action::Tell(Event::Refused(t, _)) if *t == ticket);
            if !actions.iter().any(refused) {
                self.open.push((ticket, data));
            }
        }
        for action in actions {
            self.perform(action);
        }
        let open: u64 = self.open.iter().map(|(_, data)| data.len() as u64 + MESSAGE_COST).sum();
        assert!(open <= BUDGET, "the budget is exceeded");
        assert_eq!(open, self.writer.buffered());
    }

    fn perform(&mut self, action: Action) {
        let quiet = matches!(action, Action::Tell(_) | Action::Mark(_) | Action::Disarm(_) | Action::Drop(_));
        assert!(!self.ended || quiet, "{action:?} after the end");
        match action {
            Action::Open(stream) => {
                assert_eq!(self.stream.replace(stream), None);
                self.late.extend(core::mem::take(&mut self.up));
                (self.opened, self.down) = (false, VecDeque::new());
            }
            Action::Send(stream, said) => {
                assert_eq!(self.stream, Some(stream));
                if let FromClient::Write { messages, .. } = &said {
                    for message in messages {
                        let data = message.payload.data.to_vec();
                        let before = self.used.insert(message.seq_no, data.clone());
                        assert!(before.is_none_or(|before| before == data), "a number is used again");
                        let numbers = self.used.values().filter(|used| **used == data).count();
                        assert_eq!(numbers, 1, "a message is numbered again");
                    }
                }
                self.up.push_back(said);
            }
            Action::Drop(stream) => assert_eq!(self.stream.take(), Some(stream)),
            Action::Arm(timer, window) => {
                assert!(window.from <= window.to);
                self.armed.insert(timer);
            }
            Action::Disarm(timer) => {
                self.armed.remove(&timer);
            }
            Action::FetchToken | Action::Mark(_) => {}
            Action::Tell(event) => self.hear(event),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Acknowledged(acks) => {
                for ack in acks {
                    let (ticket, data) = self.open.remove(0);
                    assert_eq!(ticket, ack.ticket, "answers come in order");
                    assert!(self.answered.insert(ticket));
                    if !self.lies {
                        let ours = (ack.seq_no, data);
                        assert!(self.stored.contains(&ours), "{ours:?} is not stored");
                        assert_ne!(ack.outcome, Outcome::Duplicate);
                    }
                }
            }
            Event::Undelivered(messages) => {
                for message in messages.iter() {
                    let (ticket, data) = self.open.remove(0);
                    assert_eq!(ticket, message.ticket);
                    assert!(self.answered.insert(ticket));
                    let sent = self.used.values().any(|used| *used == data);
                    assert_eq!(message.sent.is_some(), sent, "what may be stored is said to be");
                }
            }
            Event::Refused(ticket, _) => {
                self.flushes.remove(&ticket);
                self.closes.remove(&ticket);
                assert!(self.answered.insert(ticket));
            }
            Event::Flushed(ticket, how) => {
                let before = self.flushes.remove(&ticket).expect("answered once");
                let open = |ticket: &Ticket| self.open.iter().any(|(other, _)| other == ticket);
                assert!(how.is_err() || !before.iter().any(open), "a flush has overtaken a write");
            }
            Event::Closed(ticket, report) => {
                assert!(self.closes.remove(&ticket), "answered once");
                assert!(self.open.is_empty());
                assert_eq!(
                    report.end == End::Closed,
                    report.undelivered.is_empty() && report.end == End::Closed
                );
            }
            Event::Ended(end) => {
                let failed = matches!(end, End::Failed(_));
                assert!(!failed || self.lies || self.fatal, "ended for no reason: {end}");
                self.ended = true;
            }
            Event::Lost(..) | Event::Session { .. } | Event::Writable => {}
        }
    }

    fn last(&self) -> u64 {
        self.stored.iter().map(|(number, _)| *number).max().unwrap_or(0)
    }

    /// The next thing under way arrives at the server.
    fn up(&mut self) {
        let Some(stream) = self.stream else { return };
        if !self.opened {
            self.opened = true;
            return self.give(Input::Opened(stream));
        }
        match self.up.pop_front() {
            Some(FromClient::Init(_)) => self.down.push_back(FromServer::Init(Session {
                session_id: "s".into(),
                partition: 0,
                last_seq_no: self.last(),
                codecs: vec![],
            })),
            Some(FromClient::Write { messages, .. }) => {
                let acks = self.store(messages);
                self.down.push_back(FromServer::Acks(acks));
            }
            Some(FromClient::UpdateToken(_)) => self.down.push_back(FromServer::TokenUpdated),
            None => {}
        }
    }

    fn store(&mut self, messages: Vec<Numbered>) -> Vec<Ack> {
        let mut acks = vec![];
        for Numbered { seq_no, payload } in messages {
            let offset = self.stored.len() as u64;
            let status = if seq_no <= self.last() {
                AckStatus::Skipped
            } else {
                self.stored.push((seq_no, payload.data.to_vec()));
                AckStatus::Written { offset }
            };
            acks.push(Ack { seq_no, status });
        }
        acks
    }

    /// Something arrives at the server that was sent on a stream which the writer has dropped.
    fn late(&mut self) {
        if let Some(FromClient::Write { messages, .. }) = self.late.pop_front() {
            self.store(messages);
        }
    }

    fn down(&mut self) {
        if let (Some(stream), Some(said)) = (self.stream, self.down.pop_front()) {
            self.give(Input::Received(stream, said));
        }
    }

    fn step(&mut self, what: Move) {
        match what {
            Move::Write(bytes) => {
                let ticket = self.ticket();
                let mut message = Message::raw(vec![ticket.0 as u8, (ticket.0 >> 8) as u8, bytes]);
                message.seq_no = self.manual.then_some(ticket.0 * 2);
                self.give(Input::Write(ticket, message));
            }
            Move::Flush => {
                let ticket = self.ticket();
                self.give(Input::Flush(ticket));
            }
            Move::Close => {
                let ticket = self.ticket();
                self.give(Input::Close(ticket));
            }
            Move::Destroy => self.give(Input::Destroy),
            Move::Up => self.up(),
            Move::Down => self.down(),
            Move::Late => self.late(),
            Move::Break { arrives, how } => {
                let Some(stream) = self.stream else { return };
                for _ in 0..arrives.min(self.up.len()) {
                    self.up();
                }
                self.fatal |= how > 3;
                let status = |code| FromServer::Failed(Status { code, issues: vec![] });
                let grpc = |code| Some(GrpcStatus { code, message: "".into() });
                self.give(match how {
                    0 => Input::Ended(stream, None),
                    1 => Input::Ended(stream, grpc(14)),
                    2 => Input::Received(stream, status(400_060)),
                    3 => Input::Received(stream, status(400_190)),
                    _ => Input::Received(stream, status(400_010)),
                });
            }
            Move::Fire(n) => {
                if let Some(timer) = self.armed.iter().nth(usize::from(n) % self.armed.len().max(1)).copied()
                {
                    self.armed.remove(&timer);
                    self.give(Input::Timer(timer));
                }
            }
            Move::Lie(n) => {
                let Some(stream) = self.stream else { return };
                self.lies = true;
                let (number, offset) = (u64::from(n / 4), 0);
                let status = if n % 2 == 0 { AckStatus::Skipped } else { AckStatus::Written { offset } };
                let lie = match n % 4 {
                    0 => FromServer::Acks(vec![]),
                    3 => FromServer::TokenUpdated,
                    _ => FromServer::Acks(vec![Ack { seq_no: number, status }]),
                };
                self.give(Input::Received(stream, lie));
            }
        }
    }

    /// The faults stop: everything that was accepted is answered, and whoever waits hears of it.
    fn heal(&mut self) {
        for _ in 0..200 {
            self.up();
            self.down();
            let idle = self.up.is_empty() && self.down.is_empty() && self.opened;
            for timer in [Timer::Retry, Timer::Batch] {
                if (idle || self.stream.is_none()) && self.armed.remove(&timer) {
                    self.give(Input::Timer(timer));
                }
            }
        }
        assert!(self.open.is_empty(), "{:?} never answered", self.open);
        assert!(self.flushes.is_empty() && self.closes.is_empty(), "somebody waits for ever");
        if self.ended {
            assert!(self.armed.is_empty() && self.stream.is_none());
        }
        let numbers: Vec<u64> = self.stored.iter().map(|(number, _)| *number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "stored once, in order");
        let contents: BTreeSet<_> = self.stored.iter().map(|(_, data)| data).collect();
        assert_eq!(contents.len(), self.stored.len(), "stored under one number");
        assert!(self.stored.is_sorted_by_key(|(_, data)| (data[1], data[0])), "in the order of writing");
    }
}

fn moves(lies: bool) -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        12 => (0..3u8).prop_map(Move::Write),
        2 => Just(Move::Flush),
        12 => Just(Move::Up),
        12 => Just(Move::Down),
        3 => Just(Move::Late),
        3 => (0..4usize, 0..4u8).prop_map(|(arrives, how)| Move::Break { arrives, how }),
        4 => any::<u8>().prop_map(Move::Fire),
        u32::from(lies) => any::<u8>().prop_map(Move::Lie),
    ];
    let end = prop_oneof![
        3 => Just(None),
        3 => Just(Some(Move::Close)),
        1 => Just(Some(Move::Destroy)),
        1 => Just(Some(Move::Break { arrives: 1, how: 9 })),
    ];
    let rest = prop::collection::vec(one.clone(), 0..30);
    (prop::collection::vec(one, 0..80), end, rest).prop_map(|(mut moves, end, rest)| {
        moves.extend(end);
        moves.extend(rest);
        moves
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_honest_server_gets_everything_once_and_everybody_is_answered(
        manual in any::<bool>(),
        moves in moves(false),
    ) {
        let mut worlds = Worlds::new(manual);
        moves.into_iter().for_each(|next| worlds.step(next));
        worlds.heal();
    }

    #[test]
    fn whatever_a_server_says_everybody_is_answered_once(manual in any::<bool>(), moves in moves(true)) {
        let mut worlds = Worlds::new(manual);
        moves.into_iter().for_each(|next| worlds.step(next));
        worlds.give(Input::Destroy);
        prop_assert!(worlds.open.is_empty() && worlds.flushes.is_empty() && worlds.closes.is_empty());
    }
}
