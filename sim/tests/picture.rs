//! The page in a browser: it comes up without an error, draws the run, and follows the keys. Where there is no Chromium
//! this is skipped, and says so; with `NEEDS_CHROMIUM=1` in the environment its absence is a failure.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::systems::log::LogSystem;
use onceward_sim::{
    picture::{self, page},
    run::{Job, ScenarioJob},
};
use std::{env, ffi::OsString, fs, path::PathBuf, process::Command};

const SCENARIO: &str = "\
# An acknowledged event on a disk that loses it: what lies beyond the fault budget shows a violation.
system    log
cluster   store client*2
config    durability=per-append
profile   none

at 5ms    client-1 appends order-17 \"<b>created</b>\" expecting no-stream
at 9ms    next sync of store lies
at 10ms   client-2 appends order-17 \"paid\" expecting 0
at 20ms   client-1 reads all
at 40ms   store loses power
at 50ms   store boots
at 60ms   client-1 reads all
expect    violates acked-is-durable
";

/// Presses keys and writes down, in the page itself, what was selected after each.
const FINGERS: &str = r##"<script>
addEventListener("error", (event) => document.body.dataset.error = event.message);
const seen = [];
const now = () => seen.push((document.querySelector("#rows [aria-selected=true]") || {}).id);
now();
for (const key of ["Home", "j", "ArrowDown", "k", "End", "n", "N", "f"]) {
  document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  now();
}
const key = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const faint = () => [...document.querySelectorAll("#rows li .words")].filter((one) => getComputedStyle(one).opacity < 0.5).length;
const before = faint();
key("s");
const without = faint();
key("s");
document.body.dataset.faded = [before, without, faint()].join(" ");
document.body.dataset.parts = [...document.querySelectorAll("#rows li.parts")].map((one) => one.id).join(" ");
key("?");
document.body.dataset.help = document.getElementById("help").open;
document.body.dataset.seen = seen.join(" ");
document.body.dataset.side = document.getElementById("side").textContent.length;
document.body.dataset.drawn = document.querySelectorAll("#draw > *").length;
document.body.dataset.bold = document.querySelectorAll("main b").length;
</script>"##;

fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"];
    env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

fn attribute<'a>(dom: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = dom.split_once(&format!("data-{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[test]
fn a_browser_draws_the_page_and_follows_the_keys() {
    let Some(chromium) = chromium() else {
        assert!(
            env::var_os("NEEDS_CHROMIUM").is_none(),
            "NEEDS_CHROMIUM is set, and there is no Chromium on the PATH"
        );
        eprintln!("SKIPPED: there is no Chromium on the PATH, so the page was not looked at in a browser");
        return;
    };
    let job = ScenarioJob::<LogSystem>::read("a-disk-that-loses", SCENARIO).unwrap();
    let outcome = job.worker().run(1);
    let mut run = picture::take(&job, &mut *job.worker(), &outcome, None, "cargo sim replay x").unwrap();
    run.nearest = Some(job.worker().nearest(1).unwrap());
    let contradiction = run.contradiction();
    assert!(contradiction.len() >= 2, "{run:?}");

    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("picture");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("page.html");
    let page = page(&run).unwrap();
    fs::write(&file, page.replace("</body>", &format!("{FINGERS}</body>"))).unwrap();

    let mut address = OsString::from("file://");
    address.push(&file);
    let mut profile = OsString::from("--user-data-dir=");
    profile.push(folder.join("profile"));
    let seen = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--window-size=1400,900", "--virtual-time-budget=4000", "--dump-dom"])
        .args([profile, address])
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&seen.stdout);
    assert_eq!(attribute(&dom, "error"), None, "a script failed");
    let Some(selected) = attribute(&dom, "seen") else {
        panic!("the page did not come up: {}\n{dom}", String::from_utf8_lossy(&seen.stderr))
    };
    let (first, last) = (contradiction[0], *contradiction.last().unwrap());
    let total = run.total;
    // After `End` no contradicting step is left below: the keys begin again at the top.
    let fault =
        run.steps.iter().find(|step| step.fault && step.n > last).or(run.steps.iter().find(|s| s.fault));
    let expected = [last, 1, 2, 3, 2, total, first, last, fault.unwrap().n];
    let expected: Vec<String> = expected.iter().map(|step| format!("step-{step}")).collect();
    assert_eq!(selected, expected.join(" "));
    assert_eq!(attribute(&dom, "help"), Some("true"));
    let idle = run.steps.iter().filter(|step| !step.leads).count();
    assert!(idle > 0, "everything leads to the contradiction: nothing to see");
    assert_eq!(attribute(&dom, "faded"), Some(&*format!("{idle} 0 {idle}")));
    let parts = run
        .nearest
        .as_ref()
        .and_then(|nearest| nearest.passing.as_ref())
        .map(|nearest| format!("step-{}", nearest.step));
    assert_eq!(attribute(&dom, "parts"), parts.as_deref());
    assert_eq!(attribute(&dom, "bold"), Some("0"), "a payload has become markup");
    let many = |name| attribute(&dom, name).unwrap().parse::<usize>().unwrap();
    assert!(many("drawn") > run.messages.len() + run.stays.len() && many("side") > 50);
    let rows = dom.matches("role=\"option\"").count();
    assert_eq!(rows, run.steps.len(), "a row for each step");
}
