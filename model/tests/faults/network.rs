//! What networks do.

use super::rig::{Rig, Step, power_loss};
use onceward_core::{Closed, ConnId, Input, NodeId};
use onceward_model::{
    toy::{Msg, Request, Response, SERVER, Timer},
    world::{Applied, Choice, End, Side, disk::Landed},
};

const CLIENT: NodeId = NodeId(1);
const CONN: ConnId = ConnId { initiator: CLIENT, number: 0 };

fn add(seq: u32) -> (NodeId, NodeId, Msg) {
    (CLIENT, SERVER, Msg::Add(seq))
}

fn deliver((from, to, message): (NodeId, NodeId, Msg)) -> Step {
    Choice::Deliver(from, to, message)
}

/// One add is under way.
fn sent() -> Rig {
    let mut rig = Rig::new(1);
    rig.calls(1, Request::Add);
    rig
}

/// A read is under way; its connection is asked for.
fn opening() -> Rig {
    let mut rig = Rig::new(1);
    rig.calls(1, Request::Read);
    rig
}

#[test]
fn a_datagram_is_lost() {
    let mut rig = sent();
    let (from, to, message) = add(1);
    rig.does(&Choice::Drop(from, to, message));
    rig.calm();
    assert_eq!((rig.received(SERVER, &Msg::Add(1)), rig.heard.replies.len()), (0, 0));
    rig.retries(1);
    assert_eq!(rig.sum(), Ok(1));
}

#[test]
fn a_datagram_is_doubled() {
    let mut rig = sent();
    let (from, to, message) = add(1);
    rig.does(&Choice::Duplicate(from, to, message));
    rig.does(&deliver(add(1)));
    rig.calm();
    assert_eq!(rig.received(SERVER, &Msg::Add(1)), 2);
    assert_eq!(rig.sum(), Ok(1));
}

#[test]
fn an_old_datagram_arrives_again() {
    let mut rig = Rig::new(1);
    let first = rig.calls(1, Request::Add);
    rig.calm();
    assert_eq!(rig.asks(1, Request::Add), Some(Response::Added));
    assert_eq!(rig.answer(first), Some(Response::Added));
    let (from, to, message) = add(1);
    rig.does(&Choice::Replay(from, to, message));
    rig.calm();
    assert_eq!(rig.received(SERVER, &Msg::Add(1)), 2);
    assert!(rig.heard.marks.contains(&"duplicate recognised"));
    assert_eq!(rig.sum(), Ok(2));
}

#[test]
fn datagrams_overtake_each_other() {
    let mut rig = sent();
    // The caller's machine dies and starts again, and a second add is sent after the first.
    rig.does(&Choice::Kill(CLIENT, Landed::Nothing));
    rig.does(&Choice::Boot(CLIENT, 0));
    rig.calls(1, Request::Add);
    rig.does(&deliver(add(2)));
    rig.calm();
    let arrived: Vec<&Msg> = rig
        .heard
        .inputs
        .iter()
        .filter_map(|(to, input)| match input {
            Input::Message(_, message) if *to == SERVER => Some(message),
            _ => None,
        })
        .collect();
    assert_eq!(arrived, [&Msg::Add(2), &Msg::Add(1)]);
    assert_eq!(rig.sum(), Ok(1), "the first one comes too late to count");
}

#[test]
fn a_datagram_is_damaged_and_its_checksum_says_so() {
    let mut rig = sent();
    let (from, to, message) = add(1);
    rig.does(&Choice::Corrupt(from, to, message));
    assert!(!rig.is_possible(&deliver(add(1))), "it is gone");
    rig.calm();
    assert_eq!(rig.received(SERVER, &Msg::Add(1)), 0);
    rig.retries(1);
    assert_eq!(rig.sum(), Ok(1));
}

#[test]
fn a_link_is_cut_in_one_direction_with_what_is_under_way() {
    let mut rig = sent();
    rig.does(&Choice::Cut(CLIENT, SERVER));
    assert!(!rig.is_possible(&deliver(add(1))), "what was under way is lost");
    rig.does(&Choice::Fire(CLIENT, Timer::Retry));
    assert!(rig.world.net().bag().next().is_none(), "what is sent is lost");
    rig.does(&Choice::Heal(CLIENT, SERVER));
    rig.does(&Choice::Fire(CLIENT, Timer::Retry));
    rig.until(|_, choice| matches!(choice, Choice::Deliver(SERVER, ..)));
    // The other direction alone: the add counts, and nobody hears of it.
    rig.does(&Choice::Cut(SERVER, CLIENT));
    rig.calm();
    assert_eq!(rig.heard.replies.len(), 0);
    rig.does(&Choice::Heal(SERVER, CLIENT));
    rig.retries(1);
    assert_eq!(rig.sum(), Ok(1));
}

#[test]
fn a_link_holds_things_back_and_lets_them_go() {
    let mut rig = sent();
    rig.does(&Choice::Hold(CLIENT, SERVER));
    assert_eq!(rig.tries(&deliver(add(1))), Ok(Applied::Blocked));
    rig.calm();
    assert_eq!(rig.received(SERVER, &Msg::Add(1)), 0);
    rig.does(&Choice::Release(CLIENT, SERVER));
    rig.calm();
    assert_eq!(rig.sum(), Ok(1));
}

/// What arrives of a read, in order: the opening, its acceptance, the question, the answer.
const ARRIVALS: [Side; 4] = [Side::Acceptor, Side::Initiator, Side::Acceptor, Side::Initiator];

#[test]
fn a_connection_breaks_with_any_beginning_of_what_was_sent_delivered() {
    for (delivered, asked) in [(1, 0), (2, 0), (3, 1)] {
        let mut rig = opening();
        ARRIVALS.iter().take(delivered).for_each(|side| rig.does(&Choice::Advance(CONN, *side)));
        // The server's side breaks: what is under way to it is lost, and the client knows nothing of it.
        rig.does(&Choice::Break(CONN, Side::Acceptor));
        assert_eq!(rig.heard.inputs.last().unwrap(), &(SERVER, Input::Closed(CONN, Closed::Reset)));
        rig.calm();
        assert_eq!(rig.received(SERVER, &Msg::Fetch), asked, "{delivered}");
        // The answer to the question that arrived was under way to the other side.
        assert_eq!(rig.heard.replies.len(), asked, "{delivered}");
        if asked == 0 {
            rig.retries(1);
        }
        assert_eq!(rig.heard.replies.last().unwrap().1, Response::Sum(0), "{delivered}");
    }
}

#[test]
fn a_connection_breaks_for_who_opened_it_and_the_answer_is_lost() {
    for (delivered, asked) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        let mut rig = opening();
        ARRIVALS.iter().take(delivered).for_each(|side| rig.does(&Choice::Advance(CONN, *side)));
        rig.does(&Choice::Break(CONN, Side::Initiator));
        assert_eq!(rig.heard.inputs.last().unwrap(), &(CLIENT, Input::Closed(CONN, Closed::Reset)));
        rig.calm();
        assert_eq!(rig.received(SERVER, &Msg::Fetch), asked, "{delivered}: what is under way arrives");
        assert_eq!(rig.heard.replies.len(), 0, "{delivered}");
        rig.retries(1);
        assert_eq!(rig.heard.replies.last().unwrap().1, Response::Sum(0), "{delivered}");
    }
}

#[test]
fn a_connection_is_half_open_while_its_other_end_is_dead() {
    let mut rig = opening();
    rig.does(&Choice::Advance(CONN, Side::Acceptor));
    rig.does(&Choice::Advance(CONN, Side::Initiator));
    rig.does(&power_loss("dropping everything"));
    let conn = rig.world.net().conn(CONN).unwrap();
    assert_eq!((conn.end(Side::Initiator), conn.end(Side::Acceptor)), (End::Open, End::Gone));
    rig.calm();
    // The operating system finds out some day: that is no fault any more.
    let told = rig.heard.inputs.last().unwrap();
    assert_eq!(told, &(CLIENT, Input::Closed(CONN, Closed::Reset)));
    assert!(rig.world.net().conn(CONN).is_none());
}

#[test]
fn a_killed_process_resets_its_connections() {
    let mut rig = opening();
    rig.does(&Choice::Advance(CONN, Side::Acceptor));
    rig.does(&Choice::Advance(CONN, Side::Initiator));
    rig.does(&Choice::Kill(SERVER, Landed::Nothing));
    assert!(rig.is_possible(&Choice::Advance(CONN, Side::Initiator)), "the reset is under way");
    rig.does(&Choice::Advance(CONN, Side::Initiator));
    assert_eq!(rig.heard.inputs.last().unwrap(), &(CLIENT, Input::Closed(CONN, Closed::Reset)));
    // Nobody listens now.
    rig.does(&Choice::Fire(CLIENT, Timer::Retry));
    rig.calm();
    assert_eq!(rig.heard.inputs.last().unwrap(), &(CLIENT, Input::Closed(CONN, Closed::Refused)));
}
