//! What a batch has shown, for machines that build and test: JUnit XML, annotations of GitHub and its job summary.
//! Where these go is for the command to say; here they are texts.

use super::{FindingReport, LaneReport, Report, failure, text::table};
use crate::picture::escaped;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// The batch as JUnit XML: a suite for each scenario and for each system's random plans, and a case for each way in
/// which runs failed.
pub fn junit(report: &Report) -> String {
    let suites: Vec<Suite> = suites(report);
    let count = |of: fn(&Suite) -> usize| suites.iter().map(of).sum::<usize>();
    let (tests, failures) = (count(|suite| suite.cases.len()), count(Suite::failures));
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"cargo sim\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"{:.3}\">",
        report.seconds
    );
    for suite in &suites {
        let (name, tests, failures) = (escaped(&suite.name), suite.cases.len(), suite.failures());
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">"
        );
        for Case { case, failed } in &suite.cases {
            let case = escaped(case);
            let _ = match failed {
                None => writeln!(xml, "    <testcase classname=\"{name}\" name=\"{case}\"/>"),
                Some((kind, message, text)) => writeln!(
                    xml,
                    "    <testcase classname=\"{name}\" name=\"{case}\">\n      <failure type=\"{}\" \
                     message=\"{}\">{}</failure>\n    </testcase>",
                    escaped(kind),
                    escaped(message),
                    escaped(text)
                ),
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

struct Case {
    case: String,
    /// The kind of failure, what is wrong in a few words, and all of it.
    failed: Option<(String, String, String)>,
}

impl Suite {
    fn failures(&self) -> usize {
        self.cases.iter().filter(|case| case.failed.is_some()).count()
    }
}

fn suites(report: &Report) -> Vec<Suite> {
    let mut suites = Vec::new();
    let mut told = vec![false; report.reasons.len()];
    for lane in &report.lanes {
        let mut cases = Vec::new();
        for finding in &lane.findings {
            let message = finding.what.lines().next().unwrap_or_default().to_owned();
            let failed = Some((finding.promise.to_owned(), message, failure(lane, finding)));
            cases.push(Case { case: finding.promise.to_owned(), failed });
        }
        if cases.is_empty() {
            let case = format!("every promise is kept ({} runs)", lane.runs);
            cases.push(Case { case, failed: None });
        }
        let start = format!("{}: ", lane.name);
        for (reason, told) in report.reasons.iter().zip(&mut told) {
            let Some(what) = reason.strip_prefix(&start) else { continue };
            *told = true;
            // The findings have said that already.
            if !what.ends_with("broke a promise") || lane.findings.is_empty() {
                let text =
                    if lane.differences.is_empty() { reason.clone() } else { lane.differences.join("\n") };
                let failed = Some(("batch".to_owned(), what.to_owned(), text));
                cases.push(Case { case: what.to_owned(), failed });
            }
        }
        suites.push(Suite { name: lane.name.clone(), cases });
    }
    let rest = report.reasons.iter().zip(told).filter(|(_, told)| !told);
    let rest: Vec<Case> = rest
        .map(|(reason, _)| Case {
            case: reason.clone(),
            failed: Some(("batch".to_owned(), reason.clone(), reason.clone())),
        })
        .collect();
    if !rest.is_empty() {
        suites.push(Suite { name: "batch".to_owned(), cases: rest });
    }
    suites
}

/// An annotation of GitHub for each way in which runs failed, and for whatever else makes the batch fail.
pub fn annotations(report: &Report) -> String {
    let mut text = String::new();
    let mut found = false;
    for lane in &report.lanes {
        for finding in &lane.findings {
            found = true;
            let title = format!("{}, seed {}", finding.promise, finding.seed);
            let file = file_of(lane, finding);
            let file = file.map(|file| format!("file={},line=1,", property(&file.to_string_lossy())));
            let message = command(&failure(lane, finding));
            let _ =
                writeln!(text, "::error {}title={}::{message}", file.unwrap_or_default(), property(&title));
        }
    }
    for reason in report.reasons.iter().filter(|reason| !found || !reason.ends_with("broke a promise")) {
        let _ = writeln!(text, "::error title=cargo sim::{}", command(reason));
    }
    text
}

/// The text that a failure is about: the scenario, or the plan of the seed that failed.
fn file_of(lane: &LaneReport, finding: &FindingReport) -> Option<PathBuf> {
    let shipped = PathBuf::from(format!("scenarios/{}.scenario", lane.name));
    let own = [PathBuf::from(&lane.name), shipped].into_iter().find(|file| !lane.swarm && file.is_file());
    let written = || finding.replay.strip_prefix("cargo sim replay ").map(PathBuf::from);
    own.or_else(|| written().filter(|file| file.is_file()))
}

/// The same text, with a sign in the place of what is none.
fn printable(text: &str) -> String {
    let control = |c: char| c.is_control() && c != '\n' && c != '\r';
    text.chars().map(|c| if control(c) { '\u{fffd}' } else { c }).collect()
}

/// Text after the two colons of a workflow command.
fn command(text: &str) -> String {
    printable(text.trim_end()).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    command(text).replace(':', "%3A").replace(',', "%2C")
}

/// The job summary, as Markdown.
pub fn job_summary(report: &Report) -> String {
    let mut text = String::from(if report.passed() { "### ✓ cargo sim\n" } else { "### ✗ cargo sim\n" });
    let mut figures = String::new();
    table(&mut figures, report);
    let _ = write!(text, "\n{}", fenced(&figures));
    for lane in &report.lanes {
        for finding in &lane.findings {
            let _ = write!(text, "\n{}", fenced(&failure(lane, finding)));
            if let Some(picture) = &finding.picture {
                let folder = Path::new(picture).parent().unwrap_or(Path::new("."));
                let _ = writeln!(
                    text,
                    "\nThe folder {} has the picture of it, the plan and the trace.",
                    code(&folder.display().to_string())
                );
            }
        }
    }
    for reason in &report.reasons {
        let _ = writeln!(text, "\n- {}", code(reason));
    }
    text
}

/// A block that shows a text as it is, whatever backquotes are in it.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", printable(text.trim_end()))
}

fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let line = printable(text).replace(['\n', '\r'], " ");
    if fence.len() == 1 { format!("`{line}`") } else { format!("{fence} {line} {fence}") }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
