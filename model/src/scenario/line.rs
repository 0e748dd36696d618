//! Words of a line, and words for a line. A word ends at white space; what stands in double quotes belongs to one
//! word, with `\"`, `\\`, `\n`, `\r`, `\t` and `\u{1f}` for what cannot stand there itself. This module knows nothing
//! of verbs. Invariant: whatever [`bare`] and [`quote`] write, [`words`] reads back as one word with the same text.

use crate::system::{Problem, Word};
use std::fmt::Write;

/// Splits a line into words from byte `from` on. Positions count from the beginning of the line.
///
/// # Errors
/// A quote without an end, or an escape that does not exist.
pub fn words(line: &str, from: usize) -> Result<Vec<Word>, Problem> {
    let mut words = Vec::new();
    let mut at = from;
    loop {
        let rest = &line[at..];
        at += rest.len() - rest.trim_start().len();
        if at == line.len() {
            return Ok(words);
        }
        words.push(word_at(line, &mut at)?);
    }
}

fn word_at(line: &str, at: &mut usize) -> Result<Word, Problem> {
    let from = *at;
    let mut text = String::new();
    let mut chars = line[from..].char_indices().map(|(n, c)| (from + n, c));
    // Where the quote began that is open now.
    let mut open = None;
    while let Some((place, c)) = chars.next() {
        match (c, open) {
            ('"', None) => open = Some(place),
            ('"', Some(_)) => open = None,
            ('\\', Some(_)) => text.push(escaped(line, place, &mut chars)?),
            (c, None) if c.is_whitespace() => {
                *at = place;
                return Ok(Word { text, quoted: line[from..].starts_with('"'), from, to: place });
            }
            (c, _) => text.push(c),
        }
    }
    if let Some(place) = open {
        return Err(problem("this quote is never closed", place, line.len()));
    }
    *at = line.len();
    Ok(Word { text, quoted: line[from..].starts_with('"'), from, to: line.len() })
}

fn escaped(
    line: &str,
    place: usize,
    chars: &mut impl Iterator<Item = (usize, char)>,
) -> Result<char, Problem> {
    const KNOWN: &str = "the escapes are \\\", \\\\, \\n, \\r, \\t and \\u{...}";
    let Some((next, c)) = chars.next() else {
        return Err(problem("this quote is never closed", place, line.len()));
    };
    Ok(match c {
        '"' | '\\' => c,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let digits = line[next + 1..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let code = digits.and_then(|(hex, _)| u32::from_str_radix(hex, 16).ok().and_then(char::from_u32));
            let (Some(c), Some((hex, _))) = (code, digits) else {
                return Err(problem(format!("no character: {KNOWN}"), place, next + 1));
            };
            // The braces and everything between them.
            chars.nth(hex.chars().count() + 1);
            c
        }
        _ => return Err(problem(format!("no escape: {KNOWN}"), place, next + c.len_utf8())),
    })
}

/// A word as a line writes it: as it is, or in quotes where it would not read back otherwise.
pub fn bare(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"';
    if text.is_empty() || !text.chars().all(plain) { quote(text) } else { text.to_owned() }
}

/// A word in quotes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A problem between two bytes of a line.
pub(super) fn problem(what: impl Into<String>, from: usize, to: usize) -> Problem {
    Problem { what: what.into(), from, to }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(line: &str) -> Vec<(String, bool)> {
        words(line, 0).unwrap().into_iter().map(|w| (w.text, w.quoted)).collect()
    }

    #[test]
    fn quotes_hold_a_word_together_and_may_begin_within_it() {
        let read = texts(r#"  client-1 appends "a b"  note="x \"y\" \u{263a}" "#);
        let wanted = [("client-1", false), ("appends", false), ("a b", true), ("note=x \"y\" ☺", false)];
        assert_eq!(read, wanted.map(|(text, quoted)| (text.to_owned(), quoted)));
    }

    #[test]
    fn an_open_quote_is_shown_from_its_beginning() {
        let error = words("at 0ms says \"hello there", 0).unwrap_err();
        assert_eq!((error.from, error.to), (12, 24));
    }

    proptest! {
        #[test]
        fn what_is_written_as_a_word_is_read_as_that_word(text in ".*", before in "[ \t]{0,3}") {
            for written in [bare(&text), quote(&text)] {
                let line = format!("{before}{written} next");
                let read = words(&line, 0).unwrap();
                prop_assert_eq!(read.len(), 2);
                prop_assert_eq!(&read[0].text, &text);
                prop_assert_eq!(&line[read[0].from..read[0].to], &written);
            }
        }

        #[test]
        fn any_line_is_read_or_refused(line in ".*") {
            let _ = words(&line, 0);
        }
    }
}
