//! The third part of the work, on text: leaves out lines, settings and words, and makes numbers, payloads, names and
//! times smaller, until nothing that is tried here can be left out any more. What is tried is always a whole text, read
//! and judged as a replay would; a change is kept if the failure stays the same and the page is smaller.

use super::{
    judge::{Judge, Of},
    page::{Cost, Page},
    profiles, times,
};
use onceward_core::Dur;
use onceward_model::{
    scenario::{self, Entry, Planned, Profile, Scenario, parse_span, print_span, words},
    system::{Numbering, System},
    world::Choice,
};
use std::{ops::Range, sync::Arc};

/// Pairs of lines are tried up to so many lines.
const PAIRS: usize = 16;
/// So many words in a row are left out at once, at most.
const RUN: usize = 6;

/// What has been reached: a page that is known to fail as wanted.
pub(super) struct Reached<S: System> {
    pub(super) page: Page,
    pub(super) protocol: Arc<Of<S>>,
    pub(super) scenario: Scenario<Of<S>>,
    cost: Cost,
}

impl<S: System> Reached<S> {
    /// A plan that is known to fail as wanted, as text; none if its text does not.
    pub(super) fn new(
        judge: &mut Judge<'_, S>,
        protocol: &Arc<Of<S>>,
        scenario: &Scenario<Of<S>>,
    ) -> Option<Reached<S>> {
        let numbered = numbered(scenario.clone());
        let promise = Some(judge.wanted.promise);
        let known = |expect| {
            let text = Page::of(&**protocol, &numbered, expect).text(&**protocol);
            scenario::load::<S>(&text).ok().map(|loaded| (loaded, expect))
        };
        // A promise that the language does not know cannot be expected.
        let ((protocol, scenario), expect) = known(promise).or_else(|| known(None))?;
        let page = Page::of(&*protocol, &scenario, expect);
        let cost = page.cost();
        judge.confirms(&protocol, &scenario).then_some(Reached { page, protocol, scenario, cost })
    }

    /// Tries another page; takes it if it is smaller and fails as wanted.
    pub(super) fn attempt(&mut self, judge: &mut Judge<'_, S>, page: &Page) -> bool {
        if judge.is_over() {
            return false;
        }
        let text = page.text(&*self.protocol);
        if !judge.is_new(&text) {
            return false;
        }
        let Ok((protocol, scenario)) = scenario::load::<S>(&text) else { return false };
        let page = Page::of(&*protocol, &scenario, page.expect.as_deref());
        let cost = page.cost();
        if cost >= self.cost || !judge.shows(&protocol, &scenario) {
            return false;
        }
        judge.lines = page.plan.len();
        *self = Reached { page, protocol, scenario, cost };
        true
    }

    /// Tries the page with some change.
    pub(super) fn change(&mut self, judge: &mut Judge<'_, S>, change: impl FnOnce(&mut Page)) -> bool {
        let mut page = self.page.clone();
        change(&mut page);
        self.attempt(judge, &page)
    }

    /// Makes it as small as it gets. Whether it came to an end before the time did.
    pub(super) fn reduce(&mut self, judge: &mut Judge<'_, S>) -> bool {
        loop {
            let before = self.cost.clone();
            self.lines(judge);
            self.profile(judge);
            self.settings(judge);
            self.words(judge);
            self.replacements(judge);
            self.names(judge);
            self.roles(judge);
            times::reduce(self, judge);
            if judge.is_over() {
                return false;
            }
            if self.cost == before {
                return true;
            }
        }
    }

    /// Leaves out lines: first many, then each, then each two.
    fn lines(&mut self, judge: &mut Judge<'_, S>) {
        let mut chunk = self.page.plan.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < self.page.plan.len() {
                let end = (at + chunk).min(self.page.plan.len());
                if !self.without(judge, |n| (at..end).contains(&n)) {
                    at = end;
                }
            }
            if chunk == 1 {
                break;
            }
            chunk = chunk.div_ceil(2);
        }
        let mut one = 0;
        while one < self.page.plan.len() && self.page.plan.len() <= PAIRS {
            let others = one + 1..self.page.plan.len();
            let removed = others.rev().any(|other| self.without(judge, |n| n == one || n == other));
            if !removed {
                one += 1;
            }
        }
    }

    /// Leaves lines out. Calls that follow get other numbers by that, and what is derived from these changes; or else
    /// they keep what they say, and the text says it.
    fn without(&mut self, judge: &mut Judge<'_, S>, gone: impl Fn(usize) -> bool) -> bool {
        let mut page = self.page.clone();
        let mut n = 0;
        page.plan.retain(|_| {
            n += 1;
            !gone(n - 1)
        });
        if self.attempt(judge, &page) {
            return true;
        }
        // A line may stand for two entries, and then entries are not counted as lines are.
        if self.scenario.entries.len() != self.page.plan.len() {
            return false;
        }
        let entries = self.scenario.entries.iter().enumerate().filter(|(n, _)| !gone(*n));
        let entries: Vec<Entry<Of<S>>> = entries.map(|(_, entry)| entry.clone()).collect();
        let scenario = numbered(Scenario { entries, ..self.scenario.clone() });
        let page = Page::of(&*self.protocol, &scenario, self.page.expect.as_deref());
        self.attempt(judge, &page)
    }

    fn profile(&mut self, judge: &mut Judge<'_, S>) {
        let none = Profile::none();
        if self.page.profile == none && self.page.seed == 0 {
            return;
        }
        self.change(judge, |page| page.profile = none.clone());
        for part in profiles::FAULTS.iter().chain(&profiles::TIMES) {
            self.change(judge, |page| {
                part(&mut page.profile, &none);
                page.profile.name.clone_from(&none.name);
            });
        }
        for seed in [0, 1, 2, 3] {
            self.change(judge, |page| page.seed = seed);
        }
    }

    fn settings(&mut self, judge: &mut Judge<'_, S>) {
        let names: Vec<String> = self.page.header.config.keys().cloned().collect();
        for name in names {
            self.change(judge, |page| drop(page.header.config.remove(&name)));
        }
    }

    /// Leaves out words, longest runs first.
    fn words(&mut self, judge: &mut Judge<'_, S>) {
        for line in 0..self.page.plan.len() {
            let count = self.count(line);
            // Everything behind some word, and then shorter runs anywhere.
            for from in 1..count {
                if self.cut_words(judge, line, from..count) {
                    break;
                }
            }
            for run in (1..=RUN).rev() {
                let mut from = 1;
                while from + run <= self.count(line) {
                    if !self.cut_words(judge, line, from..from + run) {
                        from += 1;
                    }
                }
            }
        }
    }

    fn count(&self, line: usize) -> usize {
        words(&self.page.plan[line].words, 0).map_or(0, |words| words.len())
    }

    fn cut_words(&mut self, judge: &mut Judge<'_, S>, line: usize, range: Range<usize>) -> bool {
        let text = &self.page.plan[line].words;
        let Ok(all) = words(text, 0) else { return false };
        let Some(cut) = all.get(range) else { return false };
        let (Some(first), Some(last)) = (cut.first(), cut.last()) else { return false };
        let run = text[first.from..last.to].to_owned();
        let without = |text: &str, from: usize, to: usize| {
            let rest = format!("{} {}", text[..from].trim_end(), text[to..].trim_start());
            rest.trim().trim_end_matches(',').to_owned()
        };
        let rest = without(text, first.from, last.to);
        if self.change(judge, |page| page.plan[line].words = rest) {
            return true;
        }
        // Lines that must say the same, such as a request and its retry, lose it together.
        let mut several = 0;
        let mut page = self.page.clone();
        for line in &mut page.plan {
            if let Some(at) = whole(&line.words, &run) {
                line.words = without(&line.words, at, at + run.len());
                several += 1;
            }
        }
        several > 1 && self.attempt(judge, &page)
    }

    /// Puts something simpler in the place of single words.
    fn replacements(&mut self, judge: &mut Judge<'_, S>) {
        for line in 0..self.page.plan.len() {
            let mut word = 0;
            while word < self.count(line) {
                let text = self.page.plan[line].words.clone();
                let Ok(all) = words(&text, 0) else { break };
                let (from, to) = (all[word].from, all[word].to);
                let old = &text[from..to];
                let replaced = simpler(old).into_iter().any(|other| {
                    let changed = format!("{}{other}{}", &text[..from], &text[to..]);
                    self.change(judge, |page| page.plan[line].words = changed)
                        || self.change(judge, |page| rename(page, old, &other))
                });
                if !replaced {
                    word += 1;
                }
            }
        }
    }

    /// Makes one name of two that differ by their number alone.
    fn names(&mut self, judge: &mut Judge<'_, S>) {
        let mut names: Vec<String> = Vec::new();
        for line in &self.page.plan {
            let words = words(&line.words, 0).unwrap_or_default();
            let numbered = |text: &str| text.rsplit_once('-').is_some_and(|(_, n)| n.parse::<u32>().is_ok());
            for word in words.into_iter().filter(|word| !word.quoted && numbered(&word.text)) {
                if !names.contains(&word.text) {
                    names.push(word.text);
                }
            }
        }
        for name in &names {
            let Some((stem, _)) = name.rsplit_once('-') else { continue };
            let others = names
                .iter()
                .filter(|other| *other != name && other.rsplit_once('-').is_some_and(|o| o.0 == stem));
            let fresh = [format!("{stem}-0"), format!("{stem}-1")];
            for other in others.chain(&fresh) {
                if self.change(judge, |page| rename(page, name, other)) {
                    break;
                }
            }
        }
    }

    /// Takes away nodes and clients: what the last of a role did, another does.
    fn roles(&mut self, judge: &mut Judge<'_, S>) {
        for role in 0..self.page.header.cluster.len() {
            loop {
                let (name, count) = self.page.header.cluster[role].clone();
                let last = format!("{name}-{count}");
                let mut heirs = (1..count).map(|n| format!("{name}-{n}"));
                let taken = heirs.any(|heir| {
                    self.change(judge, |page| {
                        rename(page, &last, &heir);
                        page.header.cluster[role].1 -= 1;
                    })
                });
                if !taken {
                    break;
                }
            }
        }
    }
}

/// Calls numbered as the text numbers them; what they ask for stays as it is.
pub(crate) fn numbered<P: onceward_model::world::Protocol>(mut scenario: Scenario<P>) -> Scenario<P> {
    let mut numbering = Numbering::default();
    for entry in &mut scenario.entries {
        if let Planned::Do(Choice::Call(_, call, _)) = &mut entry.what {
            *call = numbering.next(call.client);
        }
    }
    scenario
}

/// Words in the place of others, wherever they stand as words.
fn rename(page: &mut Page, from: &str, to: &str) {
    for line in &mut page.plan {
        let mut text = String::with_capacity(line.words.len());
        let mut rest = line.words.as_str();
        while let Some(at) = whole(rest, from) {
            text.push_str(&rest[..at]);
            text.push_str(to);
            rest = &rest[at + from.len()..];
        }
        text.push_str(rest);
        line.words = text;
    }
}

/// Where some words stand in a text as words of their own.
fn whole(text: &str, words: &str) -> Option<usize> {
    let in_word = |c: char| c.is_alphanumeric() || ['-', '_', '/', '"'].contains(&c);
    let mut places = text.match_indices(words).map(|(at, _)| at);
    places.find(|at| !text[..*at].ends_with(in_word) && !text[at + words.len()..].starts_with(in_word))
}

/// What could stand in the place of a word, simplest first.
fn simpler(word: &str) -> Vec<String> {
    if let Some(quoted) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let text: Vec<char> = quoted.chars().collect();
        // What is written with escapes is better left alone.
        if quoted.contains('\\') || text.len() < 2 {
            return Vec::new();
        }
        let lengths = [1, text.len() / 4, text.len() / 2, text.len() * 3 / 4, text.len() - 1];
        let lengths = lengths.into_iter().filter(|len| *len > 0 && *len < text.len());
        return lengths.map(|len| format!("\"{}\"", text[..len].iter().collect::<String>())).collect();
    }
    let (plain, comma) = word.strip_suffix(',').map_or((word, ""), |plain| (plain, ","));
    if let Ok(n) = plain.parse::<u64>() {
        let mut less: Vec<u64> =
            [0, 1, 2, n / 2, n.saturating_sub(1)].into_iter().filter(|m| *m < n).collect();
        less.dedup();
        return less.into_iter().map(|n| format!("{n}{comma}")).collect();
    }
    if let Ok(Dur(n)) = parse_span(plain) {
        let unit = 10u64.pow(n.checked_ilog10().unwrap_or(0));
        let less = [1_000_000, n / unit * unit, unit, n / 2];
        return less
            .into_iter()
            .filter(|m| *m != n)
            .map(|n| format!("{}{comma}", print_span(Dur(n))))
            .collect();
    }
    // Numbers within a name, such as those of `0/20/3`.
    let mut simpler = Vec::new();
    let mut rest = 0;
    while let Some(from) = word[rest..].find(|c: char| c.is_ascii_digit()).map(|at| rest + at) {
        let to = word[from..].find(|c: char| !c.is_ascii_digit()).map_or(word.len(), |at| from + at);
        let others = ["0", "1"].into_iter().filter(|other| *other < &word[from..to]);
        simpler.extend(others.map(|other| format!("{}{other}{}", &word[..from], &word[to..])));
        rest = to;
    }
    simpler
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_simpler_is_known_word_by_word() {
        assert_eq!(simpler("17,"), ["0,", "1,", "2,", "8,", "16,"]);
        assert_eq!(simpler("1"), ["0"]);
        assert_eq!(simpler("0"), [""; 0]);
        assert_eq!(simpler("\"abcd\""), ["\"a\"", "\"a\"", "\"ab\"", "\"abc\"", "\"abc\""]);
        assert_eq!(simpler("\"a\""), [""; 0]);
        assert_eq!(simpler("25us"), ["1ms", "20us", "10us", "12500ns"]);
        assert_eq!(simpler("store"), [""; 0]);
        assert_eq!(simpler("0/20/1"), ["0/0/1", "0/1/1", "0/20/0"]);
    }

    #[test]
    fn names_are_replaced_as_whole_words() {
        let line = |words: &str| super::super::page::Line { at: 0, words: words.to_owned() };
        let mut page = Page {
            header: scenario::Header::default(),
            profile: Profile::none(),
            seed: 0,
            plan: vec![line("hold client-1 -> client-11"), line("client-1's clock freezes, client-1")],
            expect: None,
        };
        rename(&mut page, "client-1", "client-2");
        assert_eq!(whole("a 0/20/0", "20"), None);
        assert_eq!(page.plan[0].words, "hold client-2 -> client-11");
        assert_eq!(page.plan[1].words, "client-2's clock freezes, client-2");
    }
}
