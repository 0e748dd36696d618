//! Writes a scenario as text, in the one form that all scenarios written by programs have. Total: what needs a world to
//! be named is written as a step with as much of a name as there is without one.

use super::{
    Entry, Expect, Planned, Scenario,
    label::{Names, raw},
    line::{bare, quote},
    span::print_span,
    verbs,
};
use crate::world::{Choice, Protocol, Time};
use onceward_core::Dur;
use std::fmt::Write;

/// The column at which a line's contents begin, unless a time is too long for it.
const COLUMN: usize = 10;

/// A scenario as text. The protocol gives names to nodes and calls.
pub fn print<P: Protocol>(protocol: &P, scenario: &Scenario<P>) -> String {
    let mut text = String::new();
    if !scenario.about.is_empty() {
        for line in scenario.about.split('\n') {
            text.push_str(if line.is_empty() { "#" } else { "# " });
            text.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }).chain(['\n']));
        }
    }
    line(&mut text, "system", &bare(&scenario.header.system), COLUMN);
    let role = |(name, count): &(String, u16)| match count {
        1 => bare(name),
        n => format!("{}*{n}", bare(name)),
    };
    let roles: Vec<String> = scenario.header.cluster.iter().map(role).collect();
    line(&mut text, "cluster", &roles.join("  "), COLUMN);
    let setting = |(key, value): (&String, &String)| format!("{key}={}", bare(value));
    let settings: Vec<String> = scenario.header.config.iter().map(setting).collect();
    line(&mut text, "config", &settings.join("  "), COLUMN);
    line(&mut text, "profile", &scenario.profile.print(), COLUMN);
    if scenario.seed != 0 {
        line(&mut text, "seed", &scenario.seed.to_string(), COLUMN);
    }
    if !scenario.entries.is_empty() {
        text.push('\n');
        entries(&mut text, protocol, &scenario.entries);
    }
    let expect = |one: &Expect| match one {
        Expect::Holds(promise) => bare(promise),
        Expect::Violates(promise) => format!("violates {}", bare(promise)),
        Expect::Reaches(mark) => format!("reaches {}", quote(mark)),
    };
    let expected: Vec<String> = scenario.expect.iter().map(expect).collect();
    line(&mut text, "expect", &expected.join(", "), COLUMN);
    text
}

fn line(text: &mut String, keyword: &str, rest: &str, column: usize) {
    if !rest.is_empty() {
        let width = column.max(keyword.chars().count() + 1);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{keyword:width$}{rest}");
    }
}

fn entries<P: Protocol>(text: &mut String, protocol: &P, entries: &[Entry<P>]) {
    let names = Names::of(protocol);
    let mut sorted: Vec<&Entry<P>> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.at);
    let time = |at: Time| format!("at {}", print_span(Dur(at.0)));
    let column = sorted.iter().map(|entry| time(entry.at).len() + 1).max().unwrap_or(0).max(COLUMN);
    let mut before = Time(0);
    let mut rest = sorted.as_slice();
    while let [entry, others @ ..] = rest {
        rest = others;
        match &entry.what {
            Planned::Step(label) if entry.at == before => line(text, "step", &one_line(label), column),
            what => {
                let mut said = print_planned(protocol, &names, what);
                if let (Planned::Do(there), [next, after @ ..]) = (what, others)
                    && let Planned::Do(back) = &next.what
                    && next.at == entry.at
                    && let Some(both) = verbs::print_both(&names.0, there, back)
                {
                    (said, rest) = (both, after);
                }
                line(text, &time(entry.at), &said, column);
            }
        }
        before = entry.at;
    }
}

/// What happens, as a line says it after the time.
pub(crate) fn print_planned<P: Protocol>(protocol: &P, names: &Names, what: &Planned<P>) -> String {
    match what {
        Planned::Step(label) => format!("step {}", one_line(label)),
        Planned::Next(node, kind, outcome) => verbs::print_next(&names.0, *node, *kind, outcome),
        Planned::Do(Choice::Call(node, call, request)) => {
            one_line(&protocol.call_label(*node, *call, request))
        }
        Planned::Do(choice) => match verbs::print(&names.0, choice) {
            Some(text) => one_line(&text),
            None => format!("step {}", one_line(&raw(protocol, names, choice))),
        },
    }
}

/// A text without line breaks and without spaces at its ends.
pub(super) fn one_line(text: &str) -> String {
    let text = printable(text);
    match text.trim() {
        trimmed if trimmed.len() == text.len() => text,
        trimmed => trimmed.to_owned(),
    }
}

/// A text with a space for each character that cannot be seen.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
