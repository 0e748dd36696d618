//! A small reader for the one-line texts of this module. It decides nothing about their meaning; its errors name
//! the place in the text.

use std::str::FromStr;

/// A text that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected {wanted} at column {column}")]
pub struct Malformed {
    /// What should have stood there.
    pub wanted: &'static str,
    /// Where, in characters from 1.
    pub column: usize,
}

/// A place in a line of text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Reads all of a text with one reader.
    pub(super) fn whole<T>(
        text: &'a str,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.space();
        let value = read(&mut cursor)?;
        cursor.space();
        if cursor.rest().is_empty() { Ok(value) } else { Err(cursor.wants("the end of the line")) }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn wants(&self, wanted: &'static str) -> Malformed {
        Malformed { wanted, column: self.text[..self.at].chars().count() + 1 }
    }

    pub(super) fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Steps over these very characters, if they come next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        self.at += if there { text.len() } else { 0 };
        there
    }

    /// Steps over a whole word and the space behind it.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let there = self.rest().strip_prefix(word).is_some_and(|rest| {
            rest.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, ',' | ':' | '@'))
        });
        if there {
            self.at += word.len();
            self.space();
        }
        there
    }

    /// The longest run of such characters, if it is not empty.
    pub(super) fn word(&mut self, is_part: impl Fn(char) -> bool) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += end;
        (end > 0).then(|| &rest[..end])
    }

    /// A decimal number.
    pub(super) fn number<N: FromStr>(&mut self) -> Result<N, Malformed> {
        let start = self.at;
        let number = self.word(|c| c.is_ascii_digit()).and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| {
            self.at = start;
            self.wants("a number")
        })
    }

    /// A number that follows a word.
    pub(super) fn after_word<N: FromStr>(
        &mut self,
        word: &str,
        wanted: &'static str,
    ) -> Result<N, Malformed> {
        if self.take_word(word) { self.number() } else { Err(self.wants(wanted)) }
    }
}
