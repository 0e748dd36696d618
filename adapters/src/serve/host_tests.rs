//! The thread around the machine, with a machine that does as it is told.

use super::*;
use crate::driver::metrics::NoMetrics;
use crate::serve::connections::Word;
use onceward_core::writer::wire as write;
use onceward_core::{Action, Clock, Machine};
use tokio::sync::mpsc;

/// Answers each token; some tokens make it do something else.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Obedient {
    open: Vec<ConnId>,
}

impl Node for Obedient {
    type Message = Message;
    type Timer = ();
    type Request = Request;
    type Response = Response;
}

impl Machine for Obedient {
    type Input = Input<Message, (), Request>;
    type Action = Action<Message, (), Response>;

    fn step(&mut self, _: Clock, input: Self::Input, actions: &mut Vec<Self::Action>) {
        match input {
            Input::Accepted(conn) => self.open.push(conn),
            Input::Closed(conn, _) => self.open.retain(|open| *open != conn),
            Input::Received(conn, Message::Write(write::FromClient::UpdateToken(token))) => {
                assert!(self.open.contains(&conn), "a word on a connection that it does not know");
                match &*token {
                    b"panic" => panic!("as it was told"),
                    b"close" => actions.push(Action::Close(conn)),
                    _ => {
                        let said = Message::WriteReply(write::FromServer::TokenUpdated);
                        actions.push(Action::Write(conn, said));
                    }
                }
            }
            Input::Call(call, _) => {
                let names = vec![self.open.len().to_string().into()];
                actions.push(Action::Reply(call, Response::Topics(names)));
            }
            _ => {}
        }
    }
}

struct Rig {
    host: Host<Obedient>,
    _folder: tempfile::TempDir,
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::open(folder.path()).unwrap();
    Rig {
        host: Host::start(files, Arc::new(NoMetrics), None, Obedient::default, None).unwrap(),
        _folder: folder,
    }
}

impl Rig {
    fn open(&self) -> (ConnId, mpsc::UnboundedReceiver<Word>) {
        let (sink, words, _) = Sink::new();
        (self.host.open(sink), words)
    }

    fn say(&self, conn: ConnId, token: &'static str) {
        self.host.received(conn, Message::Write(write::FromClient::UpdateToken(token.into())), None);
    }

    /// How many connections the machine knows.
    fn known(&self) -> String {
        match self.host.call(Request::Status).wait().unwrap() {
            Response::Topics(names) => names[0].to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn is_answer(word: Option<Word>) -> bool {
    matches!(word, Some(Word::Said(Message::WriteReply(write::FromServer::TokenUpdated))))
}

#[test]
fn a_connection_carries_words_until_one_side_ends_it() {
    let rig = rig();
    let (first, mut heard) = rig.open();
    let (second, mut other) = rig.open();
    rig.say(first, "a");
    assert!(is_answer(heard.blocking_recv()));
    assert_eq!(rig.known(), "2");

    rig.say(first, "close");
    assert!(heard.blocking_recv().is_none(), "the machine has ended it");
    // What comes after that is not for the machine.
    rig.say(first, "b");
    rig.host.closed(first, Closed::Finished);
    rig.host.closed(second, Closed::Reset);
    assert!(other.blocking_recv().is_none());
    assert_eq!(rig.known(), "1", "it closed the first itself, and was told of the second only");
}

#[test]
fn a_panic_ends_connections_and_a_new_incarnation_serves() {
    let rig = rig();
    let dead = rig.host.dead();
    for _ in 0..3 {
        let (conn, mut heard) = rig.open();
        rig.say(conn, "panic");
        assert!(matches!(heard.blocking_recv(), Some(Word::Broken(_))));
        // The machine that is there now has never heard of it.
        rig.say(conn, "a");
        assert_eq!(rig.known(), "0");
    }
    let (conn, mut heard) = rig.open();
    rig.say(conn, "a");
    assert!(is_answer(heard.blocking_recv()));

    assert!(!*dead.borrow());
    rig.say(conn, "panic");
    assert!(matches!(heard.blocking_recv(), Some(Word::Broken(_))), "once too often");
    assert!(matches!(rig.host.call(Request::Status).wait(), Err(Lost::Closed)));
    assert!(*dead.borrow());
}

#[test]
fn a_stopped_host_answers_everybody() {
    let rig = rig();
    let (_conn, mut heard) = rig.open();
    rig.host.stop();
    assert!(matches!(heard.blocking_recv(), Some(Word::Broken(_))));
    assert!(matches!(rig.host.call(Request::Status).wait(), Err(Lost::Closed)));
}

#[test]
fn room_is_given_back_when_the_machine_has_heard() {
    let rig = rig();
    let (conn, mut heard) = rig.open();
    let room = rig.host.room();
    for _ in 0..3 * INBOX {
        let permit = loop {
            match room.clone().try_acquire_owned() {
                Ok(permit) => break permit,
                Err(_) => assert!(is_answer(heard.blocking_recv())),
            }
        };
        let word = Message::Write(write::FromClient::UpdateToken("a".into()));
        rig.host.received(conn, word, Some(permit));
    }
    assert_eq!(rig.known(), "1");
    assert_eq!(room.available_permits(), INBOX);
}
