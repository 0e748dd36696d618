//! Reads a scenario. First the header, which names the system that knows nodes and calls; then, with the cluster that
//! the system builds from it, the plan. As many mistakes as possible are reported at once. Total: any text gives a
//! scenario or an error, never a panic.

use super::{
    Entry, Expect, Header, Mistake, Planned, Profile, Scenario, ScenarioError,
    label::Names,
    line::{problem, words},
    span::parse_span,
    suggest, verbs,
};
use crate::{
    system::{Numbering, Problem, System, Word},
    world::{ANSWERED_ONCE, Choice, Time},
};
use onceward_core::Dur;
use std::{collections::BTreeSet, sync::Arc};

/// The words that a line may begin with.
const KEYWORDS: [&str; 8] = ["system", "cluster", "config", "profile", "seed", "at", "step", "expect"];

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
    let mut draft = Draft::read(text);
    draft.check_system(S::NAME);
    draft.check_steps();
    let expect = draft.expect::<S>();
    if draft.header_is_sound {
        match S::build(&draft.header) {
            Err(what) => draft.blame_header(&what),
            Ok(protocol) => {
                let entries = draft.entries::<S>(&protocol);
                if draft.mistakes.is_empty() {
                    let Draft { about, header, profile, seed, .. } = draft;
                    return Ok((protocol, Scenario { about, header, profile, seed, entries, expect }));
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

/// What can be read without knowing the system.
struct Draft<'a> {
    lines: Vec<&'a str>,
    mistakes: Vec<Mistake>,
    about: String,
    header: Header,
    header_is_sound: bool,
    profile: Profile,
    seed: u64,
    system: Option<(usize, Word)>,
    /// The words of `cluster` and `config` lines, to point at.
    described: Vec<(usize, Word)>,
    plan: Vec<Planning>,
    /// The words of `expect` lines.
    expected: Vec<(usize, Vec<Word>)>,
}

/// A line of the plan.
struct Planning {
    line: usize,
    at: Time,
    /// Where what happens begins.
    from: usize,
    /// Whether it is an exact step; `from` is the beginning of its label then.
    step: bool,
}

impl<'a> Draft<'a> {
    fn read(text: &'a str) -> Draft<'a> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines: Vec<&str> = text.lines().collect();
        let mut draft = Draft {
            about: about(&lines),
            lines,
            mistakes: Vec::new(),
            header: Header::default(),
            header_is_sound: true,
            profile: Profile::none(),
            seed: 0,
            system: None,
            described: Vec::new(),
            plan: Vec::new(),
            expected: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for n in 0..draft.lines.len() {
            if let Err(problem) = draft.line(n, &mut seen) {
                draft.wrong(n, &problem);
            }
        }
        draft.check_header();
        draft
    }

    fn wrong(&mut self, line: usize, problem: &Problem) {
        let text = self.lines.get(line).copied().unwrap_or("");
        self.mistakes.push(Mistake::new(line + 1, text, problem));
    }

    fn into_error(self) -> ScenarioError {
        let unknown = || ScenarioError { file: None, mistakes: Vec::new(), more: 0 };
        ScenarioError::of(self.mistakes).unwrap_or_else(unknown)
    }

    fn line(&mut self, n: usize, seen: &mut BTreeSet<&'static str>) -> Result<(), Problem> {
        let line = self.lines[n];
        let start = line.len() - line.trim_start().len();
        let first = line[start..].split_whitespace().next().unwrap_or("");
        if first.is_empty() || first.starts_with('#') {
            return Ok(());
        }
        let after = start + first.len();
        let Some(keyword) = KEYWORDS.into_iter().find(|keyword| *keyword == first) else {
            return Err(problem(no_keyword(first, n == 0), start, after));
        };
        let header = !matches!(keyword, "at" | "step" | "expect");
        if header && !seen.insert(keyword) && keyword != "config" {
            return Err(problem(
                format!("there is a `{keyword}` line already"),
                start,
                line.trim_end().len(),
            ));
        }
        if keyword == "step" {
            let at = self.plan.last().map_or(Time(0), |before| before.at);
            return self.step(n, at, after);
        }
        if keyword == "at" {
            return self.at(n, after);
        }
        let read = self.header_line(n, keyword, start, after);
        if header && read.is_err() {
            self.header_is_sound = false;
        }
        read
    }

    fn header_line(&mut self, n: usize, keyword: &str, start: usize, after: usize) -> Result<(), Problem> {
        let words = words(self.lines[n], after)?;
        let missing = |what: &str| problem(what, start, after);
        let only = |words: &[Word]| match words {
            [_, second, ..] => {
                Err(problem("the line should end before this", second.from, words[words.len() - 1].to))
            }
            _ => Ok(()),
        };
        match keyword {
            "system" => {
                let word = words.first().ok_or_else(|| missing("which `system`? Its name is missing"))?;
                only(&words)?;
                self.header.system.clone_from(&word.text);
                self.system = Some((n, word.clone()));
            }
            "seed" => {
                let word = words.first().ok_or_else(|| missing("which seed? A number is missing"))?;
                only(&words)?;
                let wrong = || problem("a seed is a number below 2^64", word.from, word.to);
                self.seed = word.text.parse().map_err(|_| wrong())?;
            }
            "profile" => {
                let keyword = Word { text: keyword.to_owned(), quoted: false, from: start, to: after };
                self.profile = Profile::read(&words, &keyword)?;
            }
            "cluster" => {
                if words.is_empty() {
                    return Err(missing(
                        "which nodes are there? A role or several are missing: `store client*2`",
                    ));
                }
                for word in words {
                    let role = read_role(&word)?;
                    if self.header.cluster.iter().any(|(name, _)| *name == role.0) {
                        return Err(problem(format!("`{}` is there twice", role.0), word.from, word.to));
                    }
                    self.header.cluster.push(role);
                    self.described.push((n, word));
                }
            }
            "config" => {
                for word in words {
                    let (key, value) =
                        word.text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                            let what = format!("`{}` is no setting: one looks like `batch=16`", word.text);
                            problem(what, word.from, word.to)
                        })?;
                    if self.header.config.insert(key.to_owned(), value.to_owned()).is_some() {
                        return Err(problem(format!("`{key}` is there twice"), word.from, word.to));
                    }
                    self.described.push((n, word));
                }
            }
            _ => {
                if words.is_empty() {
                    return Err(missing(
                        "what is expected? `PROMISE`, `violates PROMISE` or `reaches \"MARK\"`",
                    ));
                }
                self.expected.push((n, words));
            }
        }
        Ok(())
    }

    fn at(&mut self, n: usize, after: usize) -> Result<(), Problem> {
        let line = self.lines[n];
        let from = after + line[after..].len() - line[after..].trim_start().len();
        let word = line[from..].split_whitespace().next().unwrap_or("");
        let to = from + word.len();
        if word.is_empty() {
            return Err(problem("when, and what? `at 5ms store boots`, for example", after, after));
        }
        let at = parse_span(word).map(|Dur(nanos)| Time(nanos)).map_err(|what| problem(what, from, to))?;
        if let Some(before) = self.plan.last().filter(|before| before.at > at) {
            let what = format!("time goes back here: line {} is later", before.line + 1);
            return Err(problem(what, from, to));
        }
        let what = to + line[to..].len() - line[to..].trim_start().len();
        match line[what..].split_whitespace().next() {
            None => Err(problem("what happens then? `at 5ms store boots`, for example", to, to)),
            Some("step") => self.step(n, at, what + "step".len()),
            Some(_) => {
                self.plan.push(Planning { line: n, at, from: what, step: false });
                Ok(())
            }
        }
    }

    fn step(&mut self, n: usize, at: Time, after: usize) -> Result<(), Problem> {
        let line = self.lines[n];
        if line[after..].trim().is_empty() {
            return Err(problem(
                "which step? Its label is missing: `step deliver ping from a to b`",
                after,
                after,
            ));
        }
        self.plan.push(Planning { line: n, at, from: after, step: true });
        Ok(())
    }

    fn check_header(&mut self) {
        let line = self.system.as_ref().map_or(0, |(n, _)| *n);
        let end = self.lines.get(line).map_or(0, |line| line.trim_end().len());
        let blames = |mistakes: &[Mistake], keyword: &str| {
            mistakes.iter().any(|m| m.text.trim_start().starts_with(keyword))
        };
        if self.system.is_none() && !blames(&self.mistakes, "system") {
            self.header_is_sound = false;
            self.wrong(
                0,
                &problem("there is no `system` line: a scenario begins with one, such as `system log`", 0, 0),
            );
        }
        if self.header.cluster.is_empty() && !blames(&self.mistakes, "cluster") {
            self.header_is_sound = false;
            if self.system.is_some() {
                let what =
                    "there is no `cluster` line, which says which nodes there are: `cluster store client*2`";
                self.wrong(line, &problem(what, 0, end));
            }
        }
    }

    fn check_system(&mut self, name: &str) {
        if let Some((n, word)) = self.system.clone().filter(|(_, word)| word.text != name) {
            self.header_is_sound = false;
            let what = format!("this scenario is for the system `{}`, not for `{name}`", word.text);
            self.wrong(n, &problem(what, word.from, word.to));
        }
    }

    /// An exact step names one of the things that are possible, which random faults and latencies leave to chance.
    fn check_steps(&mut self) {
        if self.profile.is_certain() {
            return;
        }
        if let Some(step) = self.plan.iter().find(|planning| planning.step) {
            let n = step.line;
            let from = self.lines[n].len() - self.lines[n].trim_start().len();
            let name = &self.profile.name;
            let what = format!(
                "exact steps need `profile none`: under `{name}`, what is possible is left to chance"
            );
            self.wrong(n, &problem(what, from, self.lines[n].trim_end().len()));
        }
    }

    /// Points at what a system did not like about the header: the word in it that the message names in back-quotes.
    fn blame_header(&mut self, what: &str) {
        let named = |word: &Word| {
            let (key, value) = word.text.split_once(['=', '*']).unwrap_or((&word.text, ""));
            let mut quoted = what.split('`').skip(1).step_by(2);
            quoted.position(|quoted| [key, value, &word.text].contains(&quoted) || value.contains(quoted))
        };
        let candidates =
            self.described.iter().filter_map(|(n, word)| named(word).map(|rank| (rank, *n, word)));
        let found = candidates.min_by_key(|(rank, ..)| *rank).map(|(_, n, word)| (n, word));
        let place = found.or(self.system.as_ref().map(|(n, word)| (*n, word)));
        if let Some((n, word)) = place.map(|(n, word)| (n, word.clone())) {
            self.wrong(n, &problem(what, word.from, word.to));
        }
    }

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

    fn entries<S: System>(&mut self, protocol: &S::Protocol) -> Vec<Entry<S::Protocol>> {
        let (names, mut numbering) = (Names::of(protocol), Numbering::default());
        let mut entries = Vec::new();
        for planning in std::mem::take(&mut self.plan) {
            let line = self.lines[planning.line];
            if planning.step {
                let label = line[planning.from..].trim().to_owned();
                entries.push(Entry { at: planning.at, what: Planned::Step(label) });
                continue;
            }
            match parse_entry::<S>(protocol, &names, &mut numbering, line, planning.from) {
                Ok(planned) => {
                    entries.extend(planned.into_iter().map(|what| Entry { at: planning.at, what }))
                }
                Err(problem) => self.wrong(planning.line, &problem),
            }
        }
        entries
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

/// The comment that opens a text.
fn about(lines: &[&str]) -> String {
    let comments = lines.iter().map_while(|line| line.strip_prefix('#'));
    let texts: Vec<&str> = comments.map(|text| text.strip_prefix(' ').unwrap_or(text)).collect();
    texts.join("\n")
}

fn no_keyword(word: &str, first: bool) -> String {
    let what = format!("a line cannot begin with `{}`", suggest::clip(word, 40));
    match suggest::nearest(word, KEYWORDS) {
        Some(right) => format!("{what}: did you mean `{right}`?"),
        None if parse_span(word).is_ok() => format!("{what}: did you mean `at {word}`?"),
        None if first => format!("{what}: a scenario begins with `system NAME`"),
        None => format!("{what}: what happens begins with `at TIME` or `step`"),
    }
}

fn read_role(word: &Word) -> Result<(String, u16), Problem> {
    let (name, count) = word.text.split_once('*').unwrap_or((&word.text, "1"));
    let wrong = || {
        let what = format!("`{}` is no role: one looks like `store` or `client*2`", word.text);
        problem(what, word.from, word.to)
    };
    if name.is_empty() || word.text.ends_with(',') {
        return Err(wrong());
    }
    Ok((name.to_owned(), count.parse().map_err(|_| wrong())?))
}

fn read_expect<S: System>(item: &[Word], comma: impl Fn(&Word) -> bool) -> Result<Expect, Problem> {
    let ids = || S::promises().iter().map(|promise| promise.id).chain([ANSWERED_ONCE]);
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
        let known = || S::marks().iter().copied();
        if known().any(|mark| mark == name) {
            return Ok(Expect::Reaches(name));
        }
        return Err(problem(suggest::unknown("mark", &name, known()), start, to));
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
