//! Fates, outcomes, landings and damage as people write them, and back.

use super::any_op;
use crate::world::disk::bench::{Bench, write};
use crate::world::disk::{Damage, Fate, Fates, Label, Landed, Landing, OpLabel, Outcome, Rule, Target};
use proptest::prelude::*;

#[test]
fn fates_read_as_they_are_said() {
    let text = "keeping 1.seg:0-3, garbling 1.seg:4, dropping 2.seg";
    let fates: Fates = text.parse().unwrap();
    let rule = |fate, target| Rule { fate, target };
    let expected = [
        rule(Fate::Keep, Target::Sectors(Label::new("1.seg"), 0, 3)),
        rule(Fate::Garble, Target::Sectors(Label::new("1.seg"), 4, 4)),
        rule(Fate::Drop, Target::File(Label::new("2.seg"))),
    ];
    assert_eq!(fates.rules, expected);
    assert_eq!(fates.to_string(), text);
    assert_eq!(Fates::DROP.to_string(), "dropping everything");
    assert_eq!("dropping everything".parse(), Ok(Fates::DROP));
    assert_eq!("".parse(), Ok(Fates::DROP));
    assert_eq!(" lazily ".parse(), Ok(Fates::LAZY));
}

#[test]
fn fates_are_total_under_editing() {
    let mut bench = Bench::holding(2, "1.seg", b"aabbccdd");
    bench.run(write("1.seg", 0, b"AABBCCDD")).unwrap();
    let see =
        |fates: &str| String::from_utf8(bench.after_loss(&fates.parse().unwrap()).see("1.seg").unwrap());
    let full = "keeping 1.seg:0-1, 1.seg:3";
    assert_eq!(see(full).unwrap(), "AABBccDD");
    assert_eq!(see("keeping 1.seg:3").unwrap(), "aabbccDD", "what is missing is as it was");
    assert_eq!(
        see(&format!("{full}, 1.seg:99, 2.seg, other:len=7")).unwrap(),
        "AABBccDD",
        "what is unknown is ignored"
    );
    assert_eq!(see("keeping everything, dropping 1.seg:1").unwrap(), "AAbbCCDD", "later rules win");
    assert_eq!(see("keeping 1.seg:0@1, 1.seg:1@2").unwrap(), "AAbbccdd", "there is no second version");
}

#[test]
fn errors_name_the_place() {
    let error = |text: &str| text.parse::<Fates>().unwrap_err().to_string();
    assert_eq!(error("1.seg:4"), "expected `keeping`, `garbling` or `dropping` at column 1");
    assert_eq!(error("keeping 1.seg:x"), "expected a number at column 15");
    assert_eq!(error("keeping 1.seg:0-3,"), "expected what becomes of something else at column 19");
    assert_eq!(error("keeping 1.seg 2.seg"), "expected the end of the line at column 15");
    assert_eq!(error("keeping \"1.seg"), "expected a closing quote at column 15");
    assert_eq!(
        error("dropping 1.seg:4@1"),
        "expected no version, as only `keeping` has versions at column 18"
    );
    let error = |text: &str| text.parse::<Outcome>().unwrap_err().to_string();
    assert_eq!(
        error("fails with EPERM"),
        "expected `with` and EIO, ENOSPC, ENOENT, EEXIST or EINVAL at column 12"
    );
    assert_eq!(error("short"), "expected a number at column 6");
    assert_eq!("landing write a 0+1,".parse::<Landed>().unwrap_err().column, 21);
    let unseen: Landed = "landing sync a,\u{17}sync\u{1}b\u{7f}".parse().unwrap();
    assert_eq!(unseen.to_string(), "landing sync a, sync b");
    assert!("landing sync a, \u{17}".parse::<Landed>().is_err());
    assert_eq!("rot a bite 3".parse::<Damage>().unwrap_err().column, 7);
}

#[test]
fn operations_have_labels() {
    let shown = |op| OpLabel(&op).to_string();
    assert_eq!(shown(write("1.seg", 512, &[0; 100])), "write 1.seg 512+100");
    assert_eq!(shown(super::sync("1.seg")), "sync 1.seg");
    assert_eq!(shown(super::sync_dir("")), "sync-dir /");
    assert_eq!(shown(super::read("1.seg", 0, 4096)), "read 1.seg 0+4096");
    assert_eq!(shown(super::rename("a b", "d/c")), r#"rename "a b" d/c"#);
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1.seg".to_owned()),
        Just("everything".to_owned()),
        Just(String::new()),
        ".{0,6}",
        "[\\x00-\\x1f\\x7f]{1,3}"
    ]
}

fn label() -> impl Strategy<Value = Label> {
    (name(), 0u8..3).prop_map(|(path, former)| Label { path: path.as_str().into(), former })
}

fn rule() -> impl Strategy<Value = Rule> {
    let target = prop_oneof![
        Just(Target::Everything),
        label().prop_map(Target::File),
        label().prop_map(Target::Name),
        label().prop_map(Target::Length),
        (label(), any::<u32>(), any::<u32>()).prop_map(|(label, from, to)| Target::Sectors(label, from, to)),
    ];
    let fate = prop_oneof![
        Just(Fate::Drop),
        Just(Fate::Keep),
        any::<u64>().prop_map(Fate::KeepUpTo),
        Just(Fate::Garble),
    ];
    (fate, target).prop_map(|(fate, target)| Rule { fate, target })
}

proptest! {
    #[test]
    fn fates_read_back(
        rules in prop::collection::vec(rule(), 0..5),
        lazy: bool,
        seed in prop::option::of(any::<u64>()),
    ) {
        let fates = Fates { rules, lazy, seed };
        let nothing = Rule { fate: Fate::Drop, target: Target::Everything };
        prop_assume!(fates.rules != [nothing]);
        prop_assert_eq!(fates.to_string().parse::<Fates>(), Ok(fates));
    }

    #[test]
    fn landings_read_back(
        ops in prop::collection::vec((any_op(), 1u32..4, prop::option::of(any::<u32>())), 1..4),
        odd in name(),
    ) {
        let mut landings: Vec<_> = ops
            .iter()
            .map(|(op, ordinal, bytes)| Landing { label: OpLabel(op).to_string(), ordinal: *ordinal, bytes: *bytes })
            .collect();
        landings.push(Landing { label: OpLabel(&super::create(&odd)).to_string(), ordinal: 1, bytes: None });
        let landed = Landed::These(landings);
        prop_assert_eq!(landed.to_string().parse::<Landed>(), Ok(landed));
    }

    #[test]
    fn damage_and_labels_read_back(file in label(), at: u64, mask: u8, sector: u32, capacity in prop::option::of(any::<u64>())) {
        prop_assert_eq!(file.to_string().parse::<Label>(), Ok(file.clone()));
        for damage in [
            Damage::Rot { file: file.clone(), at, mask },
            Damage::Lose { file: file.clone(), sector },
            Damage::Capacity(capacity),
        ] {
            prop_assert_eq!(damage.to_string().parse::<Damage>(), Ok(damage));
        }
    }

    #[test]
    fn no_text_is_too_strange(text in ".{0,30}") {
        let _read_or_refused = (text.parse::<Fates>(), text.parse::<Outcome>(), text.parse::<Landed>(), text.parse::<Damage>());
    }
}
