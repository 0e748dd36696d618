//! Reads the words of one line from left to right. It knows nodes by name and nothing else; every error points at the
//! word that is wrong, or behind the last one where something is missing.

use super::super::{line::problem, suggest};
use crate::{
    system::{Problem, Word},
    world::disk::Malformed,
};
use onceward_core::NodeId;
use std::str::FromStr;

/// The words of a line after the time, and how far they were read.
pub(in crate::scenario) struct Line<'a> {
    text: &'a str,
    words: &'a [Word],
    names: &'a [String],
    at: usize,
}

/// A word without the comma that may follow it.
pub(super) fn plain(word: &Word) -> &str {
    word.text.strip_suffix(',').filter(|_| !word.quoted).unwrap_or(&word.text)
}

/// The owner in `OWNER's`.
pub(super) fn owner(word: &Word) -> Option<&str> {
    word.text.strip_suffix("'s")
}

impl<'a> Line<'a> {
    pub(in crate::scenario) fn new(text: &'a str, words: &'a [Word], names: &'a [String]) -> Line<'a> {
        Line { text, words, names, at: 0 }
    }

    /// All words, read or not.
    pub(super) fn words(&self) -> &'a [Word] {
        self.words
    }

    /// The names of the nodes.
    pub(super) fn names(&self) -> &'a [String] {
        self.names
    }

    /// A problem with the next word, or behind the last one.
    pub(super) fn here(&self, what: impl Into<String>) -> Problem {
        match self.words.get(self.at) {
            Some(word) => problem(what, word.from, word.to),
            None => {
                let end = self.words.last().map_or(0, |word| word.to);
                problem(what, end, end)
            }
        }
    }

    /// Steps over words that were recognised already.
    pub(super) fn skip(&mut self, words: usize) {
        self.at = (self.at + words).min(self.words.len());
    }

    fn next(&mut self, wanted: &str) -> Result<&'a Word, Problem> {
        let word = self.words.get(self.at).ok_or_else(|| self.here(format!("{wanted} is missing here")))?;
        self.at += 1;
        Ok(word)
    }

    /// Steps over this word, if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at).is_some_and(|next| !next.quoted && plain(next) == word);
        self.at += usize::from(there);
        there
    }

    /// Steps over one of these words, which must come next.
    pub(super) fn one_of(&mut self, words: &[&'static str]) -> Result<&'static str, Problem> {
        if let Some(found) = words.iter().find(|word| self.take(word)) {
            return Ok(found);
        }
        let all = format!("`{}`", words.join("` or `"));
        let next = self.words.get(self.at).map(plain);
        match next.and_then(|word| suggest::nearest(word, words.iter().copied()).map(|right| (word, right))) {
            Some((word, right)) => {
                Err(self.here(format!("`{word}` is not known here: did you mean `{right}`?")))
            }
            None if next.is_some() => Err(self.here(format!("{all} should stand here"))),
            None => Err(self.here(format!("{all} is missing here"))),
        }
    }

    /// A node by name.
    pub(super) fn node(&mut self) -> Result<NodeId, Problem> {
        let word = self.next("a node")?;
        self.find(plain(word)).map_err(|what| problem(what, word.from, word.to))
    }

    /// A node in `NODE's`.
    pub(super) fn owner(&mut self) -> Result<NodeId, Problem> {
        let word = self.next("a node")?;
        self.find(owner(word).unwrap_or(&word.text)).map_err(|what| problem(what, word.from, word.to))
    }

    fn find(&self, name: &str) -> Result<NodeId, String> {
        // There are at most 65,536 nodes: a node's number is 16 bits wide.
        let found = self.names.iter().position(|known| known == name).and_then(|n| u16::try_from(n).ok());
        let known = self.names.iter().map(String::as_str);
        found.map(NodeId).ok_or_else(|| suggest::unknown("node", name, known))
    }

    /// A number.
    pub(super) fn number<N: FromStr>(&mut self, wanted: &str) -> Result<N, Problem> {
        let word = self.next(wanted)?;
        let wrong = || problem(format!("{wanted} should stand here"), word.from, word.to);
        plain(word).parse().map_err(|_| wrong())
    }

    /// A word read by a function that says what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        wanted: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Problem> {
        let word = self.next(wanted)?;
        read(plain(word)).map_err(|what| problem(what, word.from, word.to))
    }

    /// The rest of the line, read by a part of the world that has a text form of its own; `instead` stands in it for
    /// the words before.
    pub(super) fn rest<T: FromStr<Err = Malformed>>(&mut self, instead: &str) -> Result<T, Problem> {
        let end = self.words.last().map_or(0, |word| word.to);
        let start = self.words.get(self.at).map_or(end, |word| word.from);
        self.at = self.words.len();
        let rest = &self.text[start..end];
        let read = format!("{instead}{rest}").parse();
        read.map_err(|Malformed { wanted, column }| {
            let skipped = (column - 1).saturating_sub(instead.chars().count());
            let from = rest.char_indices().nth(skipped).map_or(end, |(n, _)| start + n);
            let word = self.text[from..end].find(|c: char| c.is_whitespace() || c == ',');
            problem(format!("{wanted} should stand here"), from, word.map_or(end, |len| from + len))
        })
    }

    /// Whether all words were read.
    pub(super) fn is_over(&self) -> bool {
        self.at == self.words.len()
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Problem> {
        let Some(word) = self.words.get(self.at) else { return Ok(()) };
        let end = self.words.last().map_or(word.to, |last| last.to);
        let comment = word.text.starts_with('#');
        let hint = if comment { "; a comment takes a line of its own" } else { "" };
        Err(problem(format!("the line should end before this{hint}"), word.from, end))
    }
}
