//! Tests of the language as a whole: what it looks like, what its mistakes look like, that it loses nothing.

mod mistakes;
mod round_trip;
mod steps;

use super::{parse, print, toy::Post, verbs};
use crate::system::System;

const PRETTY: &str = r#"# A letter is being synced while the power fails.
#
# What was posted before must be there.
system post
cluster box*3
config note="two words"   beat=20ms
profile none network=2ms
seed 42

# This comment is for people who read the file; programs do not keep it.
at 0ms box-1 boots
at 0ms box-2 boots as 1
at 2ms client-1 posts hello to box-1
at 2.5ms client-2 posts "with \"quotes\"" to box-1
at 2500us   client-2 dials box-2 from box-1
step box-1 writes box.log 0+5
step box-1 syncs box.log: fails with EIO
at 5ms cut box-1 <-> everyone
at 5ms hold box-2 -> box-3
at 6ms next write of box-2 is short 12
at 6ms box-2's clock steps -1h
at 6ms box-3's clock drifts -50ppm
at 7ms break connection 0 of box-1 at its peer
at 1s box-1 loses power, keeping box.log:0-3, garbling box.log:4
at 1s box-2 is killed, landing everything
at 1s box-3 is killed within 1 action
at 1s box-2's disk rots box.log byte 100 mask 64
at 1.5s heal box-1 <-> everyone
expect never-fails, violates answered-once, reaches "letter kept twice"
"#;

#[test]
fn a_scenario_is_written_in_one_form() {
    let scenario = parse::<Post>(PRETTY).unwrap_or_else(|error| panic!("{error}"));
    let written = print(&*Post::build(&scenario.header).unwrap(), &scenario);
    insta::assert_snapshot!(written);
    assert_eq!(parse::<Post>(&written).unwrap(), scenario);
}

#[test]
fn the_example_of_every_verb_is_right_and_is_its_usage() {
    for help in verbs() {
        let text = help.example.replace("store", "box-1").replace("backup", "box-2");
        let text = format!("system post\ncluster box*2\n{text}\n");
        let scenario = parse::<Post>(&text).unwrap_or_else(|error| panic!("{}\n{error}", help.usage));
        assert!(!scenario.entries.is_empty());
        let verb =
            help.usage.split(' ').find(|word| !word.contains(|c: char| c.is_ascii_uppercase())).unwrap();
        assert!(help.example.contains(verb.trim_end_matches('s')), "{help:?}");
    }
}
