use super::{Brought, Owed};
use crate::trace::{Contents, Whose, tap::Note};
use bytes::Bytes;
use onceward_core::{
    Action, ConnId, NodeAction,
    broker::{Broker, api::Message},
    recorded::{Held, Place, Shelf},
    writer::wire::{Ack, AckStatus, FromServer},
};

const CONN: ConnId = ConnId { initiator: onceward_core::NodeId(1), number: 4 };
const SHELF: Shelf = Shelf { topic: 7, partition: 2 };

fn contents(of: &[&'static str]) -> Vec<Bytes> {
    of.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
}

/// A word on the connection, and what is to be noted of it at once.
fn said(owed: &mut Owed, of: &[&'static str], recorded: bool) -> Vec<(Whose, Contents)> {
    let mut notes = Vec::new();
    owed.step::<Broker>(Some((Brought::Word(Some((CONN, SHELF))), contents(of))), recorded, &mut notes);
    told(notes)
}

/// Acknowledgements: offsets, or none for a message that was known.
fn acknowledged(owed: &mut Owed, offsets: &[Option<u64>]) -> Vec<(Whose, Contents)> {
    let ack = |offset: &Option<u64>| Ack {
        seq_no: 1,
        status: offset.map_or(AckStatus::Skipped, |offset| AckStatus::Written { offset }),
    };
    let acks = FromServer::Acks(offsets.iter().map(ack).collect());
    answered(owed, Action::Write(CONN, Message::WriteReply(acks)))
}

fn answered(owed: &mut Owed, action: NodeAction<Broker>) -> Vec<(Whose, Contents)> {
    let mut notes = Vec::new();
    owed.answered::<Broker>(&[action], &mut notes);
    told(notes)
}

fn told(notes: Vec<Note<Broker>>) -> Vec<(Whose, Contents)> {
    let one = |note| match note {
        Note::Contents(whose, contents) => (whose, contents),
        _ => panic!("only contents are noted here"),
    };
    notes.into_iter().map(one).collect()
}

fn place(first: u64, count: u32) -> Place {
    Place { shelf: SHELF, first, count }
}

#[test]
fn a_word_is_placed_once_the_last_of_its_contents_is_acknowledged() {
    let mut owed = Owed::default();
    assert_eq!(said(&mut owed, &["a", "b", "c"], true), []);
    assert_eq!(said(&mut owed, &["d"], true), []);
    assert_eq!(acknowledged(&mut owed, &[Some(5), Some(6)]), []);
    let places = acknowledged(&mut owed, &[Some(9), Some(10)]);
    let first = (Whose::Step(0), Contents::InLog(vec![place(5, 2), place(9, 1)]));
    assert_eq!(places, [first, (Whose::Step(1), Contents::InLog(vec![place(10, 1)]))]);
}

#[test]
fn what_was_known_before_is_in_no_place_of_its_own() {
    let mut owed = Owed::default();
    said(&mut owed, &["a", "b"], true);
    let here = (Whose::Step(0), Contents::Here(contents(&["a", "b"])));
    assert_eq!(acknowledged(&mut owed, &[Some(5), None]), [here]);
}

#[test]
fn a_word_that_is_not_recorded_has_its_share_of_the_acknowledgements() {
    let mut owed = Owed::default();
    said(&mut owed, &["a", "b"], false);
    said(&mut owed, &["c"], true);
    let third = (Whose::Step(0), Contents::InLog(vec![place(7, 1)]));
    assert_eq!(acknowledged(&mut owed, &[Some(5), Some(6), Some(7)]), [third]);
}

#[test]
fn what_is_never_acknowledged_is_here() {
    let mut owed = Owed::default();
    said(&mut owed, &["a"], true);
    let here = |number, text| (Whose::Step(number), Contents::Here(contents(&[text])));
    assert_eq!(answered(&mut owed, Action::Close(CONN)), [here(0, "a")]);

    said(&mut owed, &["b"], true);
    let mut notes = Vec::new();
    owed.closed::<Broker>(CONN, &mut notes);
    assert_eq!(told(notes), [here(1, "b")]);

    let mut notes = Vec::new();
    owed.step::<Broker>(Some((Brought::Word(None), contents(&["c"]))), true, &mut notes);
    assert_eq!(told(notes), [here(2, "c")]);
}

#[test]
fn a_chunk_ends_with_what_it_owes_and_the_next_one_counts_anew() {
    let mut owed = Owed::default();
    said(&mut owed, &["a", "b"], true);
    acknowledged(&mut owed, &[Some(5)]);
    let mut notes = Vec::new();
    owed.end::<Broker>(&mut notes);
    assert_eq!(told(notes), [(Whose::Step(0), Contents::Here(contents(&["a", "b"])))]);
    said(&mut owed, &["c"], true);
    let third = (Whose::Step(0), Contents::InLog(vec![place(7, 1)]));
    assert_eq!(acknowledged(&mut owed, &[Some(6), Some(7)]), [third]);
}

#[test]
fn steps_are_counted_whatever_they_bring() {
    let mut owed = Owed::default();
    let mut notes = Vec::new();
    owed.step::<Broker>(None, true, &mut notes);
    owed.step::<Broker>(None, false, &mut notes);
    let held = vec![Held { at: 9, len: 4, shelf: SHELF, position: 3 }];
    owed.step::<Broker>(Some((Brought::Read(held.clone()), Vec::new())), true, &mut notes);
    owed.step::<Broker>(Some((Brought::Read(held.clone()), Vec::new())), false, &mut notes);
    assert_eq!(told(notes), [(Whose::Step(1), Contents::Around(held))]);
    assert_eq!(said(&mut owed, &["a"], true), []);
    assert_eq!(acknowledged(&mut owed, &[None]), [(Whose::Step(2), Contents::Here(contents(&["a"])))]);
}
