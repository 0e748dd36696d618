//! What pictures promise: they show the contradiction, they are small, they need nothing else, and what a run says never
//! becomes markup.

use super::*;
use crate::{
    catalog::Catalog,
    run::{Job, ScenarioJob},
};
use onceward_model::{systems::log::LogSystem, toy::ToySystem};
use serde_json::Value;

/// The device says that an add is durable, and it is not.
const LIE: &str = "\
# A device that lies about a sync breaks what it was asked to keep.
system    toy
cluster   server client*2
config    lease=0ms retry=20ms
profile   none

at 1ms    client-1 adds
at 3ms    cut client-2 -> server
at 4ms    client-2 adds
at 8ms    heal client-2 -> server
at 45ms   next sync of server lies
at 46ms   client-1 adds
at 50ms   server's clock steps -3s
at 52ms   client-2 asks-time
at 60ms   server loses power
at 70ms   server boots
at 80ms   client-1 reads
expect    violates reads-see-acked
";

fn shot(job: &dyn Job, seed: u64) -> Recording {
    let outcome = job.worker().run(seed);
    take(job, &mut *job.worker(), &outcome, None, "cargo sim replay some.scenario").unwrap()
}

fn toy(text: &str) -> ScenarioJob<ToySystem> {
    ScenarioJob::read("a-device-that-lies", text).unwrap_or_else(|error| panic!("{error}"))
}

fn lie() -> Recording {
    shot(&toy(LIE), 1)
}

/// Thousands of steps, and the contradiction at their end.
fn long() -> Recording {
    let mut text = LIE.lines().take(6).collect::<Vec<_>>().join("\n") + "\n";
    for n in 0..2_000 {
        text += &format!("at {}ms client-{} adds\n", 10 + n * 10, n % 2 + 1);
    }
    let tail = LIE.lines().skip_while(|line| !line.contains("server lies"));
    for line in tail.take_while(|line| line.starts_with("at")) {
        let (time, what) = line["at ".len()..].split_once("ms").unwrap();
        text += &format!("at {}ms {}\n", 30_000 + time.parse::<u32>().unwrap(), what.trim());
    }
    shot(&toy(&(text + "expect violates reads-see-acked\n")), 1)
}

fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// The page as a tree: it is well-formed XML but for what its scripts and styles say.
fn tree(page: &str, look: impl FnOnce(&roxmltree::Document<'_>)) {
    let mut plain = String::new();
    let mut rest = page.trim_start_matches("<!DOCTYPE html>\n");
    for (start, end) in [("<style>", "</style>"), ("id=\"data\">", "</script>"), ("<script>", "</script>")] {
        let (before, after) = rest.split_once(start).unwrap();
        let (_, after) = after.split_once(end).unwrap();
        plain = plain + before + start + end;
        rest = after;
    }
    plain += rest;
    look(&roxmltree::Document::parse(&plain).unwrap_or_else(|error| panic!("{error}\n{plain}")));
}

#[test]
fn a_run_is_seen_for_what_it_was() {
    let run = lie();
    let broken = run.broken.as_ref().unwrap();
    assert_eq!((&*broken.promise, broken.says.is_empty()), ("reads-see-acked", false), "{broken:?}");
    assert!(broken.evidence.len() >= 2, "{broken:?}");
    let names: Vec<&str> = run.lanes.iter().map(|lane| &*lane.name).collect();
    assert_eq!(names, ["server", "client-1", "client-2", "caller-1", "caller-2"]);
    let steps: Vec<u64> = run.steps.iter().map(|step| step.n).collect();
    assert_eq!(steps, (1..=run.total).collect::<Vec<_>>(), "every step, once, in order");
    // The disk: the first add was made durable, the second was not although the sync said so, and power took it.
    let ends: Vec<End> =
        run.stays.iter().filter(|stay| stay.what.starts_with("write")).map(|s| s.end).collect();
    assert!(ends.contains(&End::Synced) && ends.contains(&End::Lost), "{:?}", run.stays);
    assert!(run.syncs.iter().any(|sync| sync.end == SyncEnd::Lied), "{:?}", run.syncs);
    let lied = run.syncs.iter().find(|sync| sync.end == SyncEnd::Lied).unwrap();
    let lost = run.stays.iter().find(|stay| stay.end == End::Lost).unwrap();
    assert!(lost.from <= lied.from && lied.until < lost.until, "a lie ends nothing: {lied:?} {lost:?}");
    // Messages: what arrived, and what the cut link swallowed.
    assert!(
        run.messages.iter().any(|m| m.fate == Fate::Lost && m.from == 2 && m.to == 0),
        "{:?}",
        run.messages
    );
    let add = run.messages.iter().find(|m| m.label == "add-0" || m.label == "add-1").unwrap();
    assert!(add.fate == Fate::Arrived && add.until > Some(add.sent), "{add:?}");
    // Troubles and clocks.
    let had = |trouble| run.spans.iter().any(|span| span.trouble == trouble && span.until.is_some());
    assert!(had(Trouble::Cut) && had(Trouble::Dark) && had(Trouble::Down), "{:?}", run.spans);
    let behind = |taken: &Taken| taken.lane == 0 && taken.ahead < -2_000_000_000;
    assert!(run.steps.iter().flat_map(|step| &step.taken).any(behind), "the server's wall clock went back");
    // States.
    assert!(run.steps.iter().any(|step| step.before.is_some() && step.before != step.after));
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert_eq!(page(&lie()).unwrap(), page(&lie()).unwrap());
    let plain = Style { width: 100, colour: false };
    assert_eq!(diagram(&lie(), plain), diagram(&lie(), plain));
}

#[test]
fn a_picture_changes_nothing_about_the_run() {
    let job = toy(LIE);
    let before = job.worker().run(1);
    let taken = shot(&job, 1);
    // The step that breaks the promise is none of the events.
    assert_eq!(taken.total, before.events + 1);
    let violation = before.violation.unwrap();
    assert_eq!(
        taken.contradiction(),
        violation.evidence.iter().map(|(seen, _)| seen.step).collect::<Vec<_>>()
    );
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let run = lie();
    let page = page(&run).unwrap();
    tree(&page, |tree| {
        let ids: Vec<&str> = tree.descendants().filter_map(|node| node.attribute("id")).collect();
        for id in ["run", "rows", "draw", "side", "help", "data", "replay"] {
            assert_eq!(ids.iter().filter(|known| **known == id).count(), 1, "{id}");
        }
        for node in tree.descendants() {
            for name in ["src", "href", "action", "srcset"] {
                assert_eq!(node.attribute(name), None, "{node:?} fetches something");
            }
        }
        let text: String = tree.descendants().filter_map(|node| node.text()).collect();
        assert!(text.contains("cargo sim replay some.scenario") && text.contains("reads-see-acked"));
    });
    // The only address is the name of a namespace, which nothing fetches.
    let addresses: Vec<&str> = page.matches("http").collect();
    let harmless = page.matches("http://www.w3.org/2000/svg").count() + page.matches("http-equiv").count();
    assert_eq!(addresses.len(), harmless);
    assert!(!page.contains("@import") && !page.contains("url("));
}

#[test]
fn a_long_run_is_cut_to_what_matters_and_fits() {
    let run = long();
    assert!(run.total > 10_000, "{} steps are not long", run.total);
    let page = page(&run).unwrap();
    assert!(page.len() <= LARGEST, "{} bytes", page.len());
    let data = data(&page);
    let shown: Vec<u64> =
        data["steps"].as_array().unwrap().iter().map(|s| s["n"].as_u64().unwrap()).collect();
    assert!(!run.contradiction().is_empty(), "{}", diagram(&run, Style { width: 118, colour: false }));
    for step in run.contradiction() {
        assert!(shown.contains(&step), "step {step} contradicts the promise and is not shown");
        assert!(page.contains(&format!("data-step=\"{step}\"")));
    }
    assert_eq!(data["total"], run.total);
    assert!(shown.len() < 500 && page.contains("steps left out"));
}

#[test]
fn states_give_way_before_steps_do_and_a_page_is_never_too_large() {
    let mut run = lie();
    let noise =
        |n: usize| (0..400).map(|line| format!("{n} {line} {}\n", "x".repeat(200))).collect::<String>();
    for n in 0..run.steps.len() {
        run.steps[n].before = Some(run.states.add(&noise(n)));
    }
    let page = page(&run).unwrap();
    assert!(page.len() <= LARGEST, "{} bytes", page.len());
    let data = data(&page);
    for step in run.contradiction() {
        assert!(data["steps"].as_array().unwrap().iter().any(|shown| shown["n"] == step));
    }
    run.plan = "x".repeat(LARGEST);
    assert!(super::page(&run).is_err_and(|error| error.contains("too long")));
}

#[test]
fn what_a_run_says_never_becomes_markup() {
    const EVIL: &str = "</script><img src=x onerror=alert(1)>\"'&<!-- ]]> \u{2028}{{script}}\u{0}\u{1b}[31m";
    let mut run = lie();
    let evil = || EVIL.to_owned();
    (run.name, run.about, run.replay, run.plan) = (evil(), evil(), evil(), evil());
    run.lanes.iter_mut().for_each(|lane| lane.name = evil());
    run.messages.iter_mut().for_each(|message| message.label = evil());
    run.stays.iter_mut().for_each(|stay| stay.what = evil());
    run.syncs.iter_mut().for_each(|sync| sync.what = evil());
    for step in &mut run.steps {
        step.text = evil();
        for taken in &mut step.taken {
            taken.input = evil();
            taken.actions.iter_mut().for_each(|action| *action = evil());
        }
    }
    if let Some(broken) = &mut run.broken {
        (broken.promise, broken.says, broken.what) = (evil(), evil(), evil());
        broken.evidence.iter_mut().for_each(|(.., what)| *what = evil());
    }
    let at = run.states.add(EVIL);
    run.steps.iter_mut().for_each(|step| step.after = Some(at));
    let page = page(&run).unwrap();
    assert!(!page.contains("<img"), "markup from a payload");
    tree(&page, |tree| assert!(!tree.descendants().any(|node| node.has_tag_name("img"))));
    assert_eq!(page.matches("</script>").count(), 2);
    let data = data(&page);
    assert_eq!(data["name"], EVIL, "what is shown is what was said");
    assert_eq!(data["states"]["lines"][0].as_str().map(|line| line.contains("<img")), Some(false));
    assert!(
        !diagram(&run, Style { width: 100, colour: false }).contains('\u{1b}'),
        "no escape from a payload"
    );
}

#[test]
fn the_diagram_fits_the_terminal() {
    let run = lie();
    for width in [60, 80, 133] {
        let text = diagram(&run, Style { width, colour: false });
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "a line of {widest} in a terminal of {width}:\n{text}");
        assert!(!text.contains('\u{1b}'));
    }
    let coloured = diagram(&run, Style { width: 80, colour: true });
    assert!(coloured.contains("\u{1b}[31m"));
}

#[test]
fn the_diagram_of_a_lying_device() {
    insta::assert_snapshot!(diagram(&lie(), Style { width: 118, colour: false }));
}

#[test]
fn the_diagram_of_power_loss_in_a_sync() {
    let text = include_str!("../../../scenarios/power-loss-in-sync.scenario");
    let job = ScenarioJob::<LogSystem>::read("power-loss-in-sync", text).unwrap();
    insta::assert_snapshot!(diagram(&shot(&job, 1), Style { width: 110, colour: false }));
}

#[test]
fn every_system_can_be_drawn() {
    for subject in Catalog::shipped().with::<ToySystem>().all() {
        for seed in 1..9 {
            let run = shot(&*subject.swarm(), seed);
            assert!(!run.steps.is_empty() && run.steps.windows(2).all(|two| two[0].n < two[1].n));
            assert!(page(&run).is_ok_and(|page| page.len() <= LARGEST), "{} {seed}", subject.name());
            for message in &run.messages {
                assert!(message.until.is_none_or(|until| until >= message.sent), "{message:?}");
            }
            for stay in &run.stays {
                assert!(stay.until.is_none_or(|until| until >= stay.from), "{stay:?}");
                assert_eq!(stay.until.is_none(), stay.end == End::Open, "{stay:?}");
            }
        }
    }
}
