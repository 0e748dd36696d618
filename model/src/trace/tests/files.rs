//! Trace files: one form, and nothing that was cut or changed is believed.

use super::{letter, picks, run};
use crate::trace::{read, write};
use proptest::prelude::*;

#[test]
fn a_trace_file_reads_like_this() {
    insta::assert_snapshot!(write(&letter("hello")));
}

#[test]
fn a_file_that_was_cut_is_refused_wherever_the_cut_is() {
    let whole = write(&letter("hello"));
    let lines: Vec<&str> = whole.lines().collect();
    for kept in 0..lines.len() {
        let error = read(&lines[..kept].join("\n")).unwrap_err();
        assert_eq!(error.line, kept + 1, "{error}");
    }
    assert_eq!(read("").unwrap_err().to_string(), "line 1: the file is empty");
}

#[test]
fn a_file_that_was_edited_is_refused_at_the_step_that_was_edited() {
    let whole = write(&letter("hello"));
    let errors = [
        ("onceward trace 1", "onceward trace 2"),
        ("seed 7", "seed 8"),
        ("seed 7", "sead 7"),
        ("| cluster   box*3", "| cluster   box*4"),
        ("at 2ms", "at 1ms"),
        ("at 2ms", "on tuesday"),
        ("call 5 of 1", "call 5"),
        ("disk operation 1: write", "disk operation 2: write"),
        ("  = ", "  ~ "),
        ("end 5", "end 6"),
    ]
    .map(|(right, wrong)| read(&whole.replacen(right, wrong, 1)).unwrap_err().to_string());
    let doubled = read(&format!("{whole}{whole}")).unwrap_err().to_string();
    insta::assert_snapshot!(format!("{}\n{doubled}", errors.join("\n")));
}

#[test]
fn line_ends_of_other_systems_make_no_difference() {
    let trace = letter("hello");
    assert_eq!(read(&write(&trace).replace('\n', "\r\n")), Ok(trace));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_trace(picks in picks(60)) {
        let (trace, ..) = run(&picks);
        prop_assert_eq!(read(&write(&trace)), Ok(trace));
    }

    #[test]
    fn no_change_of_a_character_goes_unnoticed(
        place in any::<prop::sample::Index>(),
        other in prop::char::range(' ', '~'),
    ) {
        let whole = write(&letter("hello"));
        let place = place.index(whole.trim_end().len());
        let mut changed = whole.clone();
        changed.replace_range(place..=place, &other.to_string());
        prop_assume!(changed != whole);
        prop_assert!(read(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        let _ = read(&text);
        let _ = read(&format!("onceward trace 1\nbuild\nseed 1\nmemory 0\n{text}"));
    }
}
