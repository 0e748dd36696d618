//! Which unanswered operations had reached the cache when their process was killed, as a value and as text:
//! `landing write 1.seg 0+512, 100 of write 1.seg 512+512`. Operations are called by their labels, and by a number
//! where several pending ones have the same label. Total: what is not named had not reached it; what is not pending
//! is ignored.

use super::label::OpLabel;
use super::text::Malformed;
use onceward_core::DiskOp;
use std::fmt;
use std::str::FromStr;

/// Which unanswered operations had reached the cache.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Landed {
    /// None.
    #[default]
    Nothing,
    /// All of them.
    Everything,
    /// These.
    These(Vec<Landing>),
}

/// One unanswered operation that had reached the cache.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Landing {
    /// The operation as [`OpLabel`] writes it.
    pub label: String,
    /// Which of the pending operations with this label, from 1.
    pub ordinal: u32,
    /// How many bytes of a write; none for all of them.
    pub bytes: Option<u32>,
}

impl Landed {
    /// The operations that had landed, in the order of submission, with the bytes of a write that was cut short.
    pub(super) fn among<'a>(
        &self,
        pending: impl Iterator<Item = &'a DiskOp>,
    ) -> Vec<(&'a DiskOp, Option<u32>)> {
        match self {
            Landed::Nothing => Vec::new(),
            Landed::Everything => pending.map(|op| (op, None)).collect(),
            Landed::These(landings) => named(pending)
                .filter_map(|(op, name)| {
                    let landing =
                        landings.iter().find(|l| l.label == name.label && l.ordinal == name.ordinal)?;
                    Some((op, landing.bytes))
                })
                .collect(),
        }
    }
}

/// Pending operations with the names that they go by.
pub(super) fn named<'a>(
    pending: impl Iterator<Item = &'a DiskOp>,
) -> impl Iterator<Item = (&'a DiskOp, Landing)> {
    let mut labels: Vec<String> = Vec::new();
    pending.map(move |op| {
        let label = OpLabel(op).to_string();
        labels.push(label.clone());
        let ordinal = labels.iter().filter(|other| **other == label).count() as u32;
        (op, Landing { label, ordinal, bytes: None })
    })
}

impl fmt::Display for Landed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Landed::Everything => f.write_str("landing everything"),
            Landed::These(landings) if !landings.is_empty() => {
                f.write_str("landing ")?;
                for (number, landing) in landings.iter().enumerate() {
                    write!(f, "{}{landing}", if number > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            Landed::Nothing | Landed::These(_) => f.write_str("landing nothing"),
        }
    }
}

impl fmt::Display for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bytes) = self.bytes {
            write!(f, "{bytes} of ")?;
        }
        f.write_str(&self.label)?;
        if self.ordinal > 1 { write!(f, " #{}", self.ordinal) } else { Ok(()) }
    }
}

impl FromStr for Landed {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Landed, Malformed> {
        let wants = |wanted, rest: &str| Malformed {
            wanted,
            column: text[..text.len() - rest.len()].chars().count() + 1,
        };
        let start = text.trim_start();
        let list = start.strip_prefix("landing").ok_or_else(|| wants("`landing`", start))?;
        match list.trim() {
            "nothing" => return Ok(Landed::Nothing),
            "everything" => return Ok(Landed::Everything),
            _ => {}
        }
        let mut landings = Vec::new();
        for part in outside_quotes(list, ',') {
            // Labels have no characters that cannot be seen, and none that were read come back from their text.
            let entry: String = part.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let entry = entry.trim();
            if entry.is_empty() {
                return Err(wants("an operation", &text[part.as_ptr() as usize - text.as_ptr() as usize..]));
            }
            landings.push(read_landing(entry));
        }
        Ok(Landed::These(landings))
    }
}

fn read_landing(entry: &str) -> Landing {
    let (bytes, rest) = match entry.split_once(" of ") {
        Some((count, rest)) if count.parse::<u32>().is_ok() => (count.parse().ok(), rest),
        _ => (None, entry),
    };
    let (label, ordinal) = match rest.rsplit_once(" #") {
        Some((label, ordinal)) if ordinal.parse::<u32>().is_ok() => (label, ordinal.parse().unwrap_or(1)),
        _ => (rest, 1),
    };
    Landing { label: label.trim().to_owned(), ordinal, bytes }
}

/// The parts of a text between separators that stand outside quotes.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
