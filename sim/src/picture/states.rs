//! States of nodes as text, kept small: each distinct line is kept once, and a state is written down as what it shares
//! with the one before it and the lines in between. What is too long is cut, and says so.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::collections::BTreeMap;

/// Lines of one state beyond this many are counted and left out.
const MOST_LINES: usize = 1_500;
/// Longer lines are cut.
const LONGEST: usize = 240;

/// States, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    lines: Vec<String>,
    known: BTreeMap<String, u32>,
    states: Vec<Vec<u32>>,
}

impl States {
    /// Adds a state and gives its number; the same one again if nothing has changed since a recent one.
    pub(super) fn add(&mut self, text: &str) -> usize {
        let count = text.lines().count();
        let mut lines: Vec<u32> =
            text.lines().take(MOST_LINES).map(|line| self.line(&shortened(line))).collect();
        if count > MOST_LINES {
            lines.push(self.line(&format!("… and {} lines more", count - MOST_LINES)));
        }
        self.push(lines)
    }

    /// These states and no others, under new numbers, which are written where the old ones stand.
    pub(super) fn only<'a>(&self, wanted: impl Iterator<Item = &'a mut usize>) -> States {
        let mut kept = States::default();
        let (mut states, mut lines) = (vec![None; self.states.len()], vec![None; self.lines.len()]);
        for at in wanted {
            let old = *at;
            *at = *states[old].get_or_insert_with(|| {
                let state = self.states[old].iter();
                let state = state.map(|line| {
                    let line = *line as usize;
                    *lines[line].get_or_insert_with(|| kept.line(&self.lines[line]))
                });
                let state = state.collect();
                kept.states.push(state);
                kept.states.len() - 1
            });
        }
        kept
    }

    /// A state, line by line.
    #[cfg(test)]
    pub(super) fn lines_of(&self, at: usize) -> impl Iterator<Item = &str> {
        self.states[at].iter().map(|line| &*self.lines[*line as usize])
    }

    fn push(&mut self, lines: Vec<u32>) -> usize {
        // Nodes take turns: what a node was like a few steps ago is often what it is like now.
        let recent = self.states.len().saturating_sub(64);
        if let Some(at) = self.states[recent..].iter().rposition(|state| *state == lines) {
            return recent + at;
        }
        self.states.push(lines);
        self.states.len() - 1
    }

    fn line(&mut self, line: &str) -> u32 {
        if let Some(number) = self.known.get(line) {
            return *number;
        }
        let number = self.lines.len() as u32;
        self.lines.push(line.to_owned());
        self.known.insert(line.to_owned(), number);
        number
    }
}

fn shortened(line: &str) -> String {
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(LONGEST).collect();
    short.push('…');
    short
}

/// One state: of an earlier one so many lines at its beginning and end, and these in between.
#[derive(Serialize)]
struct Change<'a>(usize, usize, usize, &'a [u32]);

impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut changes = Vec::new();
        for (at, state) in self.states.iter().enumerate() {
            let best = (at.saturating_sub(4)..at)
                .map(|base| {
                    let other = &self.states[base];
                    let head = state.iter().zip(other).take_while(|(a, b)| a == b).count();
                    let most = state.len().min(other.len()) - head;
                    let ends = state.iter().rev().zip(other.iter().rev()).take(most);
                    (base, head, ends.take_while(|(a, b)| a == b).count())
                })
                .max_by_key(|(_, head, tail)| head + tail)
                .unwrap_or((0, 0, 0));
            let (base, head, tail) = best;
            changes.push(Change(base, head, tail, &state[head..state.len() - tail]));
        }
        let mut out = serializer.serialize_struct("States", 2)?;
        out.serialize_field("lines", &self.lines)?;
        out.serialize_field("states", &changes)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_what_they_were_and_long_ones_say_what_is_missing() {
        let mut states = States::default();
        let one = states.add("a\nb\nc");
        let two = states.add("a\nx\nc");
        assert_eq!(states.add("a\nb\nc"), one, "the same again");
        assert_eq!(states.lines_of(two).collect::<Vec<_>>(), ["a", "x", "c"]);
        let json = serde_json::to_value(&states).unwrap();
        assert_eq!(json["states"], serde_json::json!([[0, 0, 0, [0, 1, 2]], [0, 1, 1, [3]]]));
        let long = states.add(&"line\n".repeat(MOST_LINES + 7));
        assert_eq!(states.lines_of(long).last(), Some("… and 7 lines more"));
        let wide = states.add(&"ä".repeat(LONGEST + 1));
        assert_eq!(states.lines_of(wide).next().map(|line| line.chars().count()), Some(LONGEST + 1));
    }
}
