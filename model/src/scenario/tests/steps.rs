//! Exact steps: each pending thing has a name of its own, and names replay.

use super::super::{
    Entry, Mode, Planned, Replayed, exact, find, label, locate, parse, pending, replay_exact,
    toy::{Boxes, Post, boxes, dial, possible, post},
};
use crate::world::{Applied, Choice, ChoiceOf, Key, Nobody, Protocol, Time, World, disk::Outcome};
use onceward_core::NodeId;
use proptest::prelude::*;

fn apply(world: &mut World<Boxes>, choice: &ChoiceOf<Boxes>) -> Applied {
    world.apply(Time(0), choice, Key::ANY, &mut Nobody).unwrap()
}

proptest! {
    #[test]
    fn every_choice_has_a_label_that_means_it(picks in prop::collection::vec(any::<prop::sample::Index>(), 1..80)) {
        let mut world = boxes(3);
        (0..3).for_each(|n| { apply(&mut world, &Choice::Boot(NodeId(n), 0)); });
        for (n, pick) in picks.iter().enumerate() {
            let call = match n % 5 {
                0 => Some(post(0, n as u64, "same")),
                1 => Some(post((n % 3) as u16, n as u64, ["same", "else"][n / 5 % 2])),
                2 => Some(dial((n % 3) as u16, n as u64, (n / 3 % 3) as u16)),
                _ => None,
            };
            let all = possible(&world);
            for choice in &all {
                let label = label(&world, choice);
                prop_assert_eq!(locate(&world, &label), Some(choice.clone()), "{}", label);
                match exact(&world, Time(0), choice).what {
                    Planned::Do(same) => prop_assert_eq!(&same, choice),
                    Planned::Step(same) => prop_assert_eq!(same, label),
                    Planned::Next(..) => prop_assert!(false),
                }
            }
            // A failed sync is a violation of this protocol, and the end of a walk.
            let step = call.unwrap_or_else(|| all[pick.index(all.len())].clone());
            if world.apply(Time(0), &step, Key::ANY, &mut Nobody).is_err() {
                return Ok(());
            }
        }
    }
}

#[test]
fn labels_read_like_this() {
    let mut world = boxes(2);
    let mut labels = Vec::new();
    let steps = [
        Choice::Boot(NodeId(0), 0),
        Choice::Boot(NodeId(1), 0),
        post(0, 0, "one"),
        post(0, 1, "two"),
        dial(0, 0, 1),
        Choice::Fire(NodeId(0), ()),
    ];
    for step in &steps {
        labels.push(label(&world, step));
        assert_eq!(apply(&mut world, step), Applied::Done);
    }
    while let Some(step) = pending(&world).into_iter().find(|c| !matches!(c, Choice::Fire(..))) {
        labels.extend(pending(&world).iter().map(|choice| format!("  {}", label(&world, choice))));
        labels.push(label(&world, &step));
        if apply(&mut world, &step) != Applied::Done {
            break;
        }
    }
    insta::assert_snapshot!(labels.join("\n"));
}

#[test]
fn several_things_of_one_name_are_counted() {
    let mut world = boxes(2);
    apply(&mut world, &Choice::Boot(NodeId(0), 0));
    for (number, text) in [(0, "one"), (1, "two")] {
        apply(&mut world, &post(0, number, text));
    }
    for op in [0, 1, 2] {
        apply(&mut world, &Choice::Disk(NodeId(0), onceward_core::OpId(op), Outcome::Ok));
    }
    let syncs = "box-1 syncs box.log";
    let (first, second) = (find(&world, syncs, 1).unwrap(), find(&world, syncs, 2).unwrap());
    assert_ne!(first, second);
    assert_eq!(find(&world, syncs, 3), None);
    assert_eq!(find(&world, syncs, 0), None);
    assert_eq!(label(&world, &second), "box-1 syncs box.log #2");
    assert_eq!(locate(&world, "box-1 syncs box.log: lies #2"), {
        let Choice::Disk(node, op, _) = second else { unreachable!() };
        Some(Choice::Disk(node, op, Outcome::Lie))
    });
}

const EXACT: &str = "system post
cluster box*2
at 0ms box-1 boots
step box-1 creates box.log
at 1ms client-1 posts hello to box-1
step box-1 writes box.log 0+5
at 2ms step box-1 syncs box.log
step deliver copy of 5 bytes from box-1 to box-2
";

fn entries(text: &str) -> Vec<Entry<Boxes>> {
    parse::<Post>(text).unwrap_or_else(|error| panic!("{error}")).entries
}

#[test]
fn exact_steps_are_performed_in_order() {
    let mut world = boxes(2);
    let replayed = replay_exact(&mut world, &entries(EXACT), Mode::Replay, &mut Nobody);
    assert_eq!(replayed, Ok(Replayed::default()));
    assert_eq!(world.steps(), 6);
    assert!(world.calls().is_empty());
}

#[test]
fn a_step_that_is_not_possible_is_an_error_that_names_what_is() {
    let misspelt = EXACT.replace("box-1 syncs", "box-1 snycs");
    let error = replay_exact(&mut boxes(2), &entries(&misspelt), Mode::Replay, &mut Nobody).unwrap_err();
    let blocked = EXACT.replace("at 1ms", "at 1ms box-1 pauses\nat 1ms");
    let blocked = replay_exact(&mut boxes(2), &entries(&blocked), Mode::Replay, &mut Nobody).unwrap_err();
    let stale = EXACT.replace("at 1ms", "at 1ms box-1 boots\nat 1ms");
    let stale = replay_exact(&mut boxes(2), &entries(&stale), Mode::Replay, &mut Nobody).unwrap_err();
    let timed = EXACT.replace("at 1ms", "at 1ms next sync of box-1 lies\nat 1ms");
    let timed = replay_exact(&mut boxes(2), &entries(&timed), Mode::Replay, &mut Nobody).unwrap_err();
    insta::assert_snapshot!(format!("{error}\n\n{blocked}\n\n{stale}\n\n{timed}"));
}

#[test]
fn a_reduction_skips_what_is_not_possible() {
    let mut steps = entries(EXACT);
    steps.remove(2);
    let replayed = replay_exact(&mut boxes(2), &steps, Mode::Skip, &mut Nobody).unwrap();
    assert_eq!(replayed, Replayed { skipped: vec![2, 3, 4], violation: None });
}

#[test]
fn a_broken_promise_ends_a_replay_and_is_its_result() {
    let steps = entries(&EXACT.replace("0+5", "0+5: fails with EIO"));
    let mut world = boxes(2);
    let replayed = replay_exact(&mut world, &steps, Mode::Replay, &mut Nobody).unwrap();
    assert_eq!(replayed.violation.map(|(entry, v)| (entry, v.promise)), Some((3, "never-fails")));
}

#[test]
fn a_step_without_a_world_still_has_a_name() {
    let mut world = boxes(2);
    let names = world.protocol().node_name(NodeId(0));
    apply(&mut world, &Choice::Boot(NodeId(0), 0));
    apply(&mut world, &dial(0, 0, 1));
    let raw = [
        format!("{names} ends operation 0"),
        format!("{names} ends operation 0: fails with EIO"),
        "deliver what is next on connection 0 of box-1 to its peer".to_owned(),
    ];
    for text in raw {
        assert!(locate(&world, &text).is_some(), "{text}");
    }
}
