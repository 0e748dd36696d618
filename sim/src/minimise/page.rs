//! A scenario as a page of words: a header, and lines of which each says when and what. Small changes are made to the
//! words and read back, so that whatever comes of them is text from the beginning and no protocol's types are known
//! here. Invariant: [`Page::of`] gives the words that the printer writes, so that two pages of one scenario are equal.

use onceward_core::Dur;
use onceward_model::{
    scenario::{self, Header, Profile, Scenario, parse_span, print_span},
    world::Protocol,
};
use std::{collections::BTreeSet, fmt::Write as _};

/// One line of the plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// When, in nanoseconds.
    pub(super) at: u64,
    /// What.
    pub(super) words: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Page {
    pub(super) header: Header,
    pub(super) profile: Profile,
    pub(super) seed: u64,
    pub(super) plan: Vec<Line>,
    /// The promise that it is about; none if the language does not know it.
    pub(super) expect: Option<String>,
}

/// How large a page is: what comes first weighs most. Anything that takes the place of something else is smaller, so
/// that every chain of replacements ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Cost {
    chance: bool,
    lines: usize,
    settings: usize,
    profile: usize,
    nodes: u64,
    seeded: bool,
    words: usize,
    different: usize,
    characters: usize,
    numbers: u64,
    digits: u64,
    times: u64,
    seed: u64,
}

impl Page {
    /// The page of a scenario.
    pub(super) fn of<P: Protocol>(protocol: &P, scenario: &Scenario<P>, expect: Option<&str>) -> Page {
        let text = scenario::print(
            protocol,
            &Scenario { expect: Vec::new(), about: String::new(), ..scenario.clone() },
        );
        let mut plan: Vec<Line> = Vec::new();
        for line in text.lines() {
            let Some((keyword, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim();
            if keyword == "step" {
                let at = plan.last().map_or(0, |line| line.at);
                plan.push(Line { at, words: format!("step {rest}") });
            } else if keyword == "at"
                && let Some((at, words)) = rest.split_once(' ')
                && let Ok(Dur(at)) = parse_span(at)
            {
                plan.push(Line { at, words: words.trim().to_owned() });
            }
        }
        let Scenario { header, profile, seed, .. } = scenario.clone();
        Page { header, profile, seed, plan, expect: expect.map(str::to_owned) }
    }

    /// The text; the protocol gives its own names to nothing that is printed here.
    pub(super) fn text<P: Protocol>(&self, protocol: &P) -> String {
        let Page { header, profile, seed, plan, expect } = self;
        let head: Scenario<P> = Scenario {
            about: String::new(),
            header: header.clone(),
            profile: profile.clone(),
            seed: *seed,
            entries: Vec::new(),
            expect: Vec::new(),
        };
        let mut text = scenario::print(protocol, &head);
        for Line { at, words } in plan {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "at {} {words}", print_span(Dur(*at)));
        }
        if let Some(promise) = expect {
            let _ = writeln!(text, "expect {promise}");
        }
        text
    }

    pub(super) fn cost(&self) -> Cost {
        let words = || self.plan.iter().flat_map(|line| line.words.split_whitespace());
        let numbers = |word: &'_ str| {
            let parts = word.split(|c: char| !c.is_ascii_digit());
            parts.map(|digits| digits.parse::<u64>().unwrap_or(0)).fold(0, u64::saturating_add)
        };
        let none = Profile::none();
        Cost {
            chance: !self.profile.is_certain(),
            lines: self.plan.len(),
            settings: self.header.config.len(),
            profile: super::profiles::differing(&self.profile, &none)
                + usize::from(self.profile.name != none.name),
            nodes: self.header.cluster.iter().map(|(_, count)| u64::from(*count)).sum(),
            seeded: self.seed != 0,
            words: words().count(),
            different: words().collect::<BTreeSet<&str>>().len(),
            characters: words().map(|word| word.chars().count()).sum(),
            numbers: words().map(numbers).fold(0, u64::saturating_add),
            digits: self.plan.iter().map(|line| digits(line.at)).sum(),
            times: self.plan.iter().map(|line| line.at).fold(0, u64::saturating_add),
            seed: self.seed,
        }
    }
}

/// How many digits of a number matter.
pub(super) fn digits(mut n: u64) -> u64 {
    while n > 0 && n.is_multiple_of(10) {
        n /= 10;
    }
    u64::from(n.checked_ilog10().map_or(0, |digits| digits + 1))
}
