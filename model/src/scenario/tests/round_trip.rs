//! Nothing is lost between a scenario and its text.

use super::super::{
    Entry, Expect, Header, OpKind, Planned, Scenario, line, parse, print,
    profile::tests::any_profile,
    toy::{Ask, Boxes, Post, conn},
};
use crate::{
    system::{Numbering, System},
    world::{
        Choice, ChoiceOf, ClockChange, Landed, Side, Time,
        disk::{Damage, Fate, Fates, Label, Outcome, Reach, Rule, Target},
    },
};
use onceward_core::{ClientId, DiskError, NodeId};
use proptest::prelude::*;

const NODES: u16 = 3;

fn node() -> impl Strategy<Value = NodeId> {
    (0..NODES).prop_map(NodeId)
}

fn file() -> impl Strategy<Value = Label> {
    (prop_oneof!["[a-z]{1,8}\\.[a-z]{1,3}", "[ -~]{1,6}"], 0..3u8)
        .prop_map(|(name, former)| Label { path: name.as_str().into(), former })
}

fn fates() -> impl Strategy<Value = Fates> {
    let target = prop_oneof![
        file().prop_map(Target::File),
        file().prop_map(Target::Name),
        file().prop_map(Target::Length),
        (file(), 0..100u32, 0..10u32).prop_map(|(file, from, more)| Target::Sectors(file, from, from + more)),
    ];
    let fate = prop_oneof![
        Just(Fate::Keep),
        Just(Fate::Drop),
        Just(Fate::Garble),
        (1..9u64).prop_map(Fate::KeepUpTo)
    ];
    let rule = (fate, target).prop_map(|(fate, target)| Rule { fate, target });
    (prop::collection::vec(rule, 0..4), any::<bool>(), any::<Option<u64>>())
        .prop_map(|(rules, lazy, seed)| Fates { rules, lazy, seed })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let error = prop::sample::select(vec![DiskError::Io, DiskError::NoSpace, DiskError::NotFound]);
    let reach = prop_oneof![Just(Reach::Nothing), Just(Reach::All), (1..99u32).prop_map(Reach::Bytes)];
    prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::Lie),
        any::<u32>().prop_map(Outcome::Short),
        (error, reach).prop_map(|(error, reach)| Outcome::Fail { error, reach }),
        (file(), any::<u32>()).prop_map(|(file, sector)| Outcome::Misdirected { file, sector }),
        prop::collection::vec(any::<(u32, u32)>(), 0..3).prop_map(Outcome::Decide),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (file(), any::<u64>(), any::<u8>()).prop_map(|(file, at, mask)| Damage::Rot { file, at, mask }),
        (file(), any::<u32>()).prop_map(|(file, sector)| Damage::Lose { file, sector }),
        any::<Option<u64>>().prop_map(Damage::Capacity),
    ]
}

fn clock() -> impl Strategy<Value = ClockChange> {
    prop_oneof![
        any::<i32>().prop_map(ClockChange::Drift),
        any::<i64>().prop_map(ClockChange::Step),
        (-100..100i64).prop_map(|hours| ClockChange::Step(hours * 3_600_000_000_000)),
        Just(ClockChange::Freeze),
        Just(ClockChange::Steady),
    ]
}

/// A call without its number, or anything else that a plan can do.
fn deed() -> impl Strategy<Value = ChoiceOf<Boxes>> {
    let id = |client| Numbering::default().next(ClientId(client));
    let side = prop_oneof![Just(Side::Initiator), Just(Side::Acceptor)];
    let landed = prop_oneof![Just(Landed::Nothing), Just(Landed::Everything)];
    let links: Vec<fn(NodeId, NodeId) -> ChoiceOf<Boxes>> =
        vec![Choice::Cut, Choice::Heal, Choice::Hold, Choice::Release];
    prop_oneof![
        3 => (node(), 0..4u16, ".*").prop_map(move |(node, client, text)| Choice::Call(node, id(client), Ask::Post(text))),
        1 => (node(), 0..4u16, node()).prop_map(move |(node, client, to)| Choice::Call(node, id(client), Ask::Dial(to))),
        3 => (node(), node(), prop::sample::select(links)).prop_map(|(from, to, link)| link(from, to)),
        1 => (node(), any::<u8>()).prop_map(|(node, config)| Choice::Boot(node, config)),
        1 => (node(), landed).prop_map(|(node, landed)| Choice::Kill(node, landed)),
        1 => (node(), any::<u16>()).prop_map(|(node, actions)| Choice::KillWithin(node, actions)),
        2 => (node(), fates()).prop_map(|(node, fates)| Choice::PowerLoss(node, fates)),
        1 => node().prop_map(Choice::Wipe),
        1 => node().prop_map(Choice::Pause),
        1 => node().prop_map(Choice::Resume),
        2 => (node(), damage()).prop_map(|(node, damage)| Choice::Damage(node, damage)),
        2 => (node(), clock()).prop_map(|(node, change)| Choice::Clock(node, change)),
        1 => (node(), any::<u32>(), side).prop_map(|(node, n, side)| Choice::Break(conn(node, n), side)),
    ]
}

fn planned() -> impl Strategy<Value = Planned<Boxes>> {
    let kinds = [OpKind::Write, OpKind::Read, OpKind::Sync, OpKind::SyncDir, OpKind::Create, OpKind::Any];
    prop_oneof![
        6 => deed().prop_map(Planned::Do),
        1 => (node(), prop::sample::select(kinds.to_vec()), outcome()).prop_map(|(n, k, o)| Planned::Next(n, k, o)),
        2 => "[!-~]([ -~]{0,30}[!-~])?".prop_map(Planned::Step),
    ]
}

fn expect() -> impl Strategy<Value = Expect> {
    let promise = || prop::sample::select(vec!["never-fails", "answered-once"]).prop_map(str::to_owned);
    prop_oneof![
        promise().prop_map(Expect::Holds),
        promise().prop_map(Expect::Violates),
        prop::sample::select(vec!["box full", "letter kept twice"])
            .prop_map(|mark| Expect::Reaches(mark.into())),
    ]
}

fn scenario() -> impl Strategy<Value = Scenario<Boxes>> {
    let about = prop::collection::vec("[^\\x00-\\x1f\\x7f-\\x9f]{0,20}", 0..3);
    let entries = prop::collection::vec((any::<(u64, u8)>(), planned()), 0..20);
    let expect = prop::collection::vec(expect(), 0..4);
    (about, ".*", any_profile(), any::<u64>(), entries, expect).prop_map(
        |(about, note, profile, seed, mut entries, expect)| {
            if !profile.is_certain() {
                entries.retain(|(_, what)| !matches!(what, Planned::Step(_)));
            }
            let time = |(at, shift): (u64, u8)| Time(at >> (shift % 64));
            let mut entries: Vec<Entry<Boxes>> =
                entries.into_iter().map(|(at, what)| Entry { at: time(at), what }).collect();
            entries.sort_by_key(|entry| entry.at);
            let mut numbering = Numbering::default();
            for entry in &mut entries {
                if let Planned::Do(Choice::Call(_, call, _)) = &mut entry.what {
                    *call = numbering.next(call.client);
                }
            }
            let config = [("beat".to_owned(), "7ms".to_owned()), ("note".to_owned(), note)].into();
            let header = Header { system: "post".into(), cluster: vec![("box".into(), NODES)], config };
            Scenario { about: about.join("\n"), header, profile, seed, entries, expect }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_scenario(scenario in scenario()) {
        let protocol = Post::build(&scenario.header).unwrap();
        let text = print(&*protocol, &scenario);
        let read = parse::<Post>(&text).unwrap_or_else(|error| panic!("{error}\n\n{text}"));
        prop_assert_eq!(&read, &scenario, "{}", text);
        prop_assert_eq!(print(&*protocol, &read), text);
    }
}

proptest! {
    /// Programs and fuzzers write what people would not: whatever is read is written in a form that lasts.
    #[test]
    fn what_was_read_once_is_written_the_same_for_ever(about in "\\PC{0,9}[ \0\t]{0,3}", odd in "[ \0\u{1}a]{1,6}") {
        for what in ["step fire beat", "at 1ms box-1 is killed, landing write x", "at 1ms client-1 posts"] {
            let text = format!("# {about}\nsystem post\ncluster box  client*2\n{what}{odd}\n");
            let Ok(read) = parse::<Post>(&text) else { continue };
            let written = print(&*Post::build(&read.header).unwrap(), &read);
            let again = parse::<Post>(&written).unwrap_or_else(|error| panic!("{error}\n\n{written}"));
            prop_assert_eq!(print(&*Post::build(&again.header).unwrap(), &again), written);
        }
    }
}

#[test]
fn a_plan_out_of_order_is_written_in_order() {
    let entry = |at, node| Entry::<Boxes> { at: Time(at), what: Planned::Do(Choice::Boot(NodeId(node), 0)) };
    let header = Header { system: "post".into(), cluster: vec![("box".into(), 2)], ..Header::default() };
    let entries = vec![entry(5, 0), entry(3, 1)];
    let mut scenario = Scenario {
        about: String::new(),
        header,
        profile: Default::default(),
        seed: 0,
        entries,
        expect: vec![],
    };
    let text = print(&*Post::build(&scenario.header).unwrap(), &scenario);
    scenario.entries.reverse();
    assert_eq!(parse::<Post>(&text).unwrap(), scenario);
}

#[test]
fn only_what_happens_at_once_in_both_directions_is_one_line() {
    let text = "system    post\ncluster   box*2\nprofile   none\n\n\
                at 5ms    cut box-1 -> box-2\n\
                at 6ms    cut box-2 -> box-1\n\
                at 6ms    heal box-1 -> box-2\n\
                at 6ms    heal box-2 <-> box-1\n\
                at 7ms    hold box-1 <-> box-2\n";
    let scenario = parse::<Post>(text).unwrap();
    assert_eq!(scenario.entries.len(), 7);
    let written = print(&*Post::build(&scenario.header).unwrap(), &scenario);
    assert_eq!(parse::<Post>(&written).unwrap(), scenario, "{written}");
    // Two ways to fold the same three entries; the first pair wins.
    let folded = text.replace(
        "heal box-1 -> box-2\nat 6ms    heal box-2 <-> box-1",
        "heal box-1 <-> box-2\nat 6ms    heal box-1 -> box-2",
    );
    assert_eq!(written, folded);
}

#[test]
fn line_ends_of_other_systems_make_no_difference() {
    let text = "# a\nsystem post\ncluster box\nat 0ms step fire beat on box-1\n";
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(parse::<Post>(&windows).unwrap(), parse::<Post>(text).unwrap());
    assert!(line::words("x", 1).unwrap().is_empty());
}
