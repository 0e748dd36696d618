//! What the reader says to typical mistakes, and that it says something to any text at all.

use super::super::{parse, peek, text_of, toy::Post};
use proptest::prelude::*;

fn mistakes(text: &str) -> String {
    let error = parse::<Post>(text).expect_err(text);
    format!("{}\n", error.in_file("some.scenario"))
}

/// The mistakes of a plan in an otherwise good scenario.
fn plan(lines: &str) -> String {
    mistakes(&format!("system post\ncluster box*2\n{lines}"))
}

#[test]
fn words_that_are_nearly_right() {
    insta::assert_snapshot!(plan(
        "at 0ms box-1 boost\n\
         at 0ms bocks-1 boots\n\
         at 0ms client-1 psts hello to box-1\n\
         at 0ms ct box-1 -> box-2\n\
         at 0ms box-1 loses powr\n\
         at 0ms next snc of box-1 lies\n\
         at 0ms box-1's clock stps +1h\n\
         profle none\n"
    ));
}

#[test]
fn words_that_are_quite_wrong() {
    insta::assert_snapshot!(plan(
        "at 0ms box-1 explodes\n\
         explode box-1\n\
         at 0ms cut box-1 to box-2\n\
         at 0ms box-1 boots  # again\n\
         at 0ms client-1 posts hello\n\
         at 0ms x posts hello to box-1\n"
    ));
}

#[test]
fn times() {
    insta::assert_snapshot!(plan(
        "at 5 box-1 boots\n\
         at 5mss box-1 boots\n\
         at soon box-1 boots\n\
         at 5ms\n\
         at 2ms box-1 boots\n\
         at 1ms box-2 boots\n\
         at\n\
         3ms box-1 pauses\n"
    ));
}

#[test]
fn nothing_and_next_to_nothing() {
    insta::assert_snapshot!(
        ["", "# only a comment\n", "cluster box\n", "system post\n"].map(mistakes).join("\n")
    );
}

#[test]
fn the_header() {
    let texts = [
        "system log\ncluster box\n",
        "system post\ncluster bocks*2\n",
        "system post\ncluster box*two\n",
        "system post\ncluster box\nconfig beet=5ms\n",
        "system post\ncluster box\nconfig beat\n",
        "system post\ncluster box\nconfig beat=5parsecs\n",
        "system post\ncluster box*0\n",
        "system post\nsystem post\ncluster box box\nseed -1\n",
    ];
    insta::assert_snapshot!(texts.map(mistakes).join("\n"));
}

#[test]
fn the_profile() {
    insta::assert_snapshot!(
        [
            "profile ruff",
            "profile calm los=2%",
            "profile calm loss=2",
            "profile calm disk=5ms..1ms",
            "profile"
        ]
        .map(plan)
        .join("\n")
    );
}

#[test]
fn steps_and_chance_do_not_go_together() {
    insta::assert_snapshot!(plan("profile rough\nat 0ms box-1 boots\nstep fire beat on box-1\n"));
}

#[test]
fn what_the_disk_cannot_read() {
    insta::assert_snapshot!(plan(
        "at 0ms box-1 loses power, keping box.log\n\
         at 0ms box-1 loses power, keeping box.log:x, dropping\n\
         at 0ms box-1's disk rots box.log bite 5\n\
         at 0ms next write of box-1 fails with EIEIO\n\
         at 0ms box-1 is killed landing\n\
         at 0ms box-1 is killed within many actions\n"
    ));
}

#[test]
fn quotes_that_are_not_closed() {
    insta::assert_snapshot!(plan(
        "at 0ms\tclient-1 posts \"hello to box-1\n\
         at 1ms client-1 posts \"\\q\" to box-1\n"
    ));
}

#[test]
fn expectations() {
    insta::assert_snapshot!(plan(
        "expect never-fail\n\
         expect violats never-fails, reaches box-full\n\
         expect never-fails,, reaches\n"
    ));
}

#[test]
fn many_mistakes_are_counted_and_long_lines_are_cut() {
    let long = format!("at 0ms {} box-1 explodes {}\n", "\"", "x".repeat(500));
    let many = "at 0ms box-1 explodes\n".repeat(20);
    let said = plan(&format!("{long}{many}"));
    assert!(said.ends_with("… and 11 more\n"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() < 200), "{said}");
}

#[test]
fn bytes_that_are_no_text() {
    let error = text_of(b"system post\nclus\xffter box\n").unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn the_system_is_found_before_anything_else_is_understood() {
    assert_eq!(peek("# x\nnonsense\nsystem post\nat 5 x").unwrap(), "post");
    assert!(peek("cluster box\nnonsense").unwrap_err().to_string().contains("`system`"));
}

/// A text that is nearly a scenario.
fn nearly() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "system",
        "post",
        "cluster",
        "box*2",
        "config",
        "beat=5ms",
        "profile",
        "rough",
        "loss=2%",
        "seed",
        "7",
        "at",
        "0ms",
        "5s",
        "box-1",
        "box-2",
        "boots",
        "is",
        "killed",
        "wiped",
        "landing",
        "loses",
        "power,",
        "keeping",
        "box.log:0-3,",
        "garbling",
        "lazily",
        "next",
        "sync",
        "of",
        "fails",
        "with",
        "EIO",
        "cut",
        "->",
        "<->",
        "everyone",
        "break",
        "connection",
        "box-1's",
        "clock",
        "disk",
        "steps",
        "-1h",
        "rots",
        "step",
        "client-1",
        "posts",
        "to",
        "\"a b\"",
        "\"",
        "expect",
        "violates",
        "never-fails,",
        "reaches",
        "#",
        "\n",
        "\n",
        "\n",
        "\r",
        "\u{a0}",
        "ß",
        "'s",
        "within",
        "4294967296",
        "as",
        "256",
    ]);
    prop::collection::vec(words, 0..80).prop_map(|words| words.join(" ").replace(" \n ", "\n"))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,300}", nearly in nearly()) {
        for text in [text, format!("system post\ncluster box*2\n{nearly}"), nearly] {
            let _ = peek(&text);
            match parse::<Post>(&text) {
                Ok(_) => {}
                Err(error) => {
                    prop_assert!(!error.mistakes.is_empty());
                    prop_assert!(error.to_string().contains("error: "));
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_text_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Err(error) = text_of(&bytes) {
            prop_assert_eq!(error.mistakes.len(), 1);
        }
    }
}
