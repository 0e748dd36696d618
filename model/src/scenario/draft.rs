//! What can be read of a scenario without knowing its system: the header, and for each line of the plan when it
//! happens and where what happens begins. It goes on after each mistake, so that all are reported at once. Invariant: a
//! header that is not sound has at least one mistake.

use super::{
    Header, Mistake, Profile, ScenarioError,
    line::{problem, words},
    span::parse_span,
    suggest,
};
use crate::{
    system::{Problem, Word},
    world::Time,
};
use onceward_core::Dur;
use std::collections::BTreeSet;

/// The words that a line may begin with.
const KEYWORDS: [&str; 8] = ["system", "cluster", "config", "profile", "seed", "at", "step", "expect"];

/// What can be read without knowing the system.
pub(super) struct Draft<'a> {
    pub(super) lines: Vec<&'a str>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) about: String,
    pub(super) header: Header,
    pub(super) header_is_sound: bool,
    pub(super) profile: Profile,
    pub(super) seed: u64,
    pub(super) system: Option<(usize, Word)>,
    /// The words of `cluster` and `config` lines, to point at.
    pub(super) described: Vec<(usize, Word)>,
    pub(super) plan: Vec<Planning>,
    /// The words of `expect` lines.
    pub(super) expected: Vec<(usize, Vec<Word>)>,
}

/// A line of the plan.
pub(super) struct Planning {
    pub(super) line: usize,
    pub(super) at: Time,
    /// Where what happens begins.
    pub(super) from: usize,
    /// Whether it is an exact step; `from` is the beginning of its label then.
    pub(super) step: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn read(text: &'a str) -> Draft<'a> {
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

    pub(super) fn wrong(&mut self, line: usize, problem: &Problem) {
        let text = self.lines.get(line).copied().unwrap_or("");
        self.mistakes.push(Mistake::new(line + 1, text, problem));
    }

    pub(super) fn into_error(self) -> ScenarioError {
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

    pub(super) fn check_system(&mut self, name: &str) {
        if let Some((n, word)) = self.system.clone().filter(|(_, word)| word.text != name) {
            self.header_is_sound = false;
            let what = format!("this scenario is for the system `{}`, not for `{name}`", word.text);
            self.wrong(n, &problem(what, word.from, word.to));
        }
    }

    /// An exact step names one of the things that are possible, which random faults and latencies leave to chance.
    pub(super) fn check_steps(&mut self) {
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
    pub(super) fn blame_header(&mut self, what: &str) {
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
