//! Reads a scenario. First the header, which names the system that knows nodes and calls; then, with the cluster that
//! the system builds from it, the plan. As many mistakes as possible are reported at once. Total: any text gives a
//! scenario or an error, never a panic.

use super::{
    Entry, Expect, GENERAL_PROMISES, Mistake, Planned, Scenario, ScenarioError,
    draft::Draft,
    label::Names,
    line::{problem, words},
    suggest, verbs,
};
use crate::{
    system::{Numbering, Problem, System, Word},
    world::Choice,
};
use std::sync::Arc;

/// Reads a scenario of a known system.
///
/// # Errors
/// All mistakes, each with its place.
pub fn parse<S: System>(text: &str) -> Result<Scenario<S::Protocol>, ScenarioError> {
    load::<S>(text).map(|(_, scenario)| scenario)
}

/// A cluster, and a scenario for it.
pub type Loaded<P> = (Arc<P>, Scenario<P>);

/// Reads a scenario of a known system, and gives the cluster that its header describes as well.
///
/// # Errors
/// All mistakes, each with its place.
pub fn load<S: System>(text: &str) -> Result<Loaded<S::Protocol>, ScenarioError> {
    load_placed::<S>(text).map(|(loaded, _)| loaded)
}

/// Where in a text something is said: for whoever can read it and must refuse it nevertheless.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The line, from 0.
    line: usize,
    /// Where in it what is said begins, in bytes.
    from: usize,
}

/// Where in a text the parts of a scenario are said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Places {
    /// Each entry of the plan, in order.
    pub entries: Vec<Place>,
    /// The profile, if it is named at all.
    pub profile: Option<Place>,
    /// The system.
    pub system: Option<Place>,
}

/// A refusal of parts of a scenario that are sound in themselves: each with its reason, shown in the text. None if
/// there is nothing to refuse.
pub fn refusal(text: &str, reasons: &[(Place, String)]) -> Option<ScenarioError> {
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
    let mistake = |(place, what): &(Place, String)| {
        let line = lines.get(place.line).copied().unwrap_or("");
        Mistake::new(place.line + 1, line, &problem(what.clone(), place.from, line.trim_end().len()))
    };
    let mut mistakes: Vec<Mistake> = reasons.iter().map(mistake).collect();
    // One line may say several things, such as both directions of a link.
    mistakes.dedup();
    ScenarioError::of(mistakes)
}

/// Like [`load`], and says where each part of the scenario stands.
///
/// # Errors
/// All mistakes, each with its place.
pub fn load_placed<S: System>(text: &str) -> Result<(Loaded<S::Protocol>, Places), ScenarioError> {
    let mut draft = Draft::read(text);
    draft.check_system(S::NAME);
    draft.check_steps();
    let expect = draft.expect::<S>();
    if draft.header_is_sound {
        match S::build(&draft.header) {
            Err(what) => draft.blame_header(&what),
            Ok(protocol) => {
                let (entries, placed) = draft.entries::<S>(&protocol);
                if draft.mistakes.is_empty() {
                    let place = |keyword: &str| {
                        let line =
                            draft.lines.iter().position(|line| line.trim_start().starts_with(keyword))?;
                        Some(Place {
                            line,
                            from: draft.lines[line].len() - draft.lines[line].trim_start().len(),
                        })
                    };
                    let places =
                        Places { entries: placed, profile: place("profile"), system: place("system") };
                    let Draft { about, header, profile, seed, .. } = draft;
                    let scenario = Scenario { about, header, profile, seed, entries, expect };
                    return Ok(((protocol, scenario), places));
                }
            }
        }
    }
    Err(draft.into_error())
}

/// The name of the system that a scenario is for.
///
/// # Errors
/// There is none.
pub fn peek(text: &str) -> Result<String, ScenarioError> {
    let mut draft = Draft::read(text);
    match draft.system.take() {
        Some((_, word)) => Ok(word.text),
        None => {
            let about_system = |m: &Mistake| m.what.contains("`system`");
            draft.mistakes.retain(about_system);
            Err(draft.into_error())
        }
    }
}

/// The text of a file.
///
/// # Errors
/// It is not UTF-8; the place is where it ceases to be.
pub fn text_of(bytes: &[u8]) -> Result<&str, ScenarioError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let (before, line) = good.rsplit_once('\n').unwrap_or(("", &good));
        let number = if good.contains('\n') { before.matches('\n').count() + 2 } else { 1 };
        let wrong = problem("this is not text: the bytes here are not UTF-8", line.len(), line.len());
        let mistakes = vec![Mistake::new(number, line, &wrong)];
        ScenarioError { file: None, mistakes, more: 0 }
    })
}

impl Draft<'_> {
    fn expect<S: System>(&mut self) -> Vec<Expect> {
        let mut expect = Vec::new();
        for (n, words) in std::mem::take(&mut self.expected) {
            let is_last = |word: &Word| self.lines[n][word.from..word.to].ends_with(',');
            let items: Vec<&[Word]> = words.split_inclusive(is_last).collect();
            for item in items {
                match read_expect::<S>(item, is_last) {
                    Ok(one) => expect.push(one),
                    Err(problem) => self.mistakes.push(Mistake::new(n + 1, self.lines[n], &problem)),
                }
            }
        }
        expect
    }

    fn entries<S: System>(&mut self, protocol: &S::Protocol) -> (Vec<Entry<S::Protocol>>, Vec<Place>) {
        let (names, mut numbering) = (Names::of(protocol), Numbering::default());
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        for planning in std::mem::take(&mut self.plan) {
            let line = self.lines[planning.line];
            if planning.step {
                let label = line[planning.from..].trim().to_owned();
                entries.push(Entry { at: planning.at, what: Planned::Step(label) });
                let step = line[..planning.from].rfind("step").unwrap_or(planning.from);
                places.push(Place { line: planning.line, from: step });
                continue;
            }
            match parse_entry::<S>(protocol, &names, &mut numbering, line, planning.from) {
                Ok(planned) => {
                    for what in planned {
                        entries.push(Entry { at: planning.at, what });
                        places.push(Place { line: planning.line, from: planning.from });
                    }
                }
                Err(problem) => self.wrong(planning.line, &problem),
            }
        }
        (entries, places)
    }
}

/// Reads what happens: a verb that every system has, or a call in the system's own words.
pub(crate) fn parse_entry<S: System>(
    protocol: &S::Protocol,
    names: &Names,
    numbering: &mut Numbering,
    line: &str,
    from: usize,
) -> Result<Vec<Planned<S::Protocol>>, Problem> {
    let words = words(line, from)?;
    let mut reader = verbs::Line::new(line, &words, &names.0);
    let general = verbs::read(&mut reader);
    // A subject that is no node may still be a client, with a verb of the system's own.
    let other =
        |read: &Result<_, _>| read.is_err() && verbs::is_call(&words, S::verbs()) && !S::verbs().is_empty();
    match general {
        Some(read) if !other(&read) => Ok(match read? {
            verbs::Said::Deeds(deeds) => {
                deeds.into_iter().map(|deed| Planned::Do(verbs::lift(deed))).collect()
            }
            verbs::Said::Next(node, kind, outcome) => vec![Planned::Next(node, kind, outcome)],
        }),
        _ if verbs::is_call(&words, S::verbs()) => {
            let (node, call, request) = S::parse_call(protocol, numbering, &words)?;
            Ok(vec![Planned::Do(Choice::Call(node, call, request))])
        }
        _ => Err(verbs::no_verb(&reader, S::verbs())),
    }
}

fn read_expect<S: System>(item: &[Word], comma: impl Fn(&Word) -> bool) -> Result<Expect, Problem> {
    let ids = || S::promises().iter().chain(&GENERAL_PROMISES).map(|promise| promise.id);
    let texts: Vec<&str> = item
        .iter()
        .map(|word| if comma(word) { &word.text[..word.text.len() - 1] } else { &word.text })
        .collect();
    // An item has at least one word: it is what stands between two commas of a line that has words.
    let to = item.last().map_or(0, |word| word.to);
    let (kind, name) = match texts.as_slice() {
        [kind @ ("holds" | "violates" | "reaches"), name @ ..] => (*kind, name.join(" ")),
        name => ("holds", name.join(" ")),
    };
    let start = item.get(usize::from(texts.first() == Some(&kind))).map_or(to, |word| word.from);
    if name.is_empty() {
        return Err(problem("what is expected? A name is missing here", to, to));
    }
    if kind == "reaches" {
        let known = S::all_marks();
        if known.iter().any(|mark| *mark == name) {
            return Ok(Expect::Reaches(name));
        }
        return Err(problem(suggest::unknown("mark", &name, known), start, to));
    }
    if !ids().any(|id| id == name) {
        return Err(match (item, suggest::nearest(texts[0], ["holds", "violates", "reaches"])) {
            ([first, _, ..], Some(right)) if kind != texts[0] => {
                let what = format!("there is no `{}` here: did you mean `{right}`?", texts[0]);
                problem(what, first.from, first.to)
            }
            _ => problem(suggest::unknown("promise", &name, ids()), start, to),
        });
    }
    Ok(if kind == "violates" { Expect::Violates(name) } else { Expect::Holds(name) })
}
