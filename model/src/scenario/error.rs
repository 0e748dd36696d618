//! What is wrong with a text, shown where it is wrong: file, line and column, the line itself, and carets below the
//! place. All mistakes of a text are reported at once, up to a bound.

use super::suggest::clip;
use crate::system::Problem;
use std::fmt;

/// At most so many mistakes are shown.
const MOST: usize = 10;

/// A text that is no scenario, or no trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScenarioError {
    /// The file, where it is known; see [`ScenarioError::in_file`].
    pub file: Option<String>,
    /// The mistakes, in the order of the text; at least one.
    pub mistakes: Vec<Mistake>,
    /// How many more there are.
    pub more: usize,
}

/// One mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// How many characters are wrong, at least 1.
    pub width: usize,
    /// The whole line.
    pub text: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Mistake {
    /// A problem in a line, `number` counted from 1.
    pub(crate) fn new(number: usize, line: &str, problem: &Problem) -> Mistake {
        // A system's parser may be careless about positions; a report must not be.
        let floor =
            |at: usize| (0..=at.min(line.len())).rev().find(|n| line.is_char_boundary(*n)).unwrap_or(0);
        let (from, to) = (floor(problem.from), floor(problem.to));
        Mistake {
            line: number,
            column: line[..from].chars().count() + 1,
            width: line[from..to.max(from)].chars().count().max(1),
            text: line.to_owned(),
            what: problem.what.clone(),
        }
    }
}

impl ScenarioError {
    /// Some mistakes, in any order; none if there are none.
    pub(crate) fn of(mut mistakes: Vec<Mistake>) -> Option<ScenarioError> {
        mistakes.sort_by_key(|m| (m.line, m.column));
        let more = mistakes.len().saturating_sub(MOST);
        mistakes.truncate(MOST);
        (!mistakes.is_empty()).then_some(ScenarioError { file: None, mistakes, more })
    }

    /// The same, with the name of the file.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> ScenarioError {
        self.file = Some(file.into());
        self
    }
}

impl std::error::Error for ScenarioError {}

/// How many characters of a line are shown on either side of a mistake.
const AROUND: usize = 70;

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("scenario");
        for (n, mistake) in self.mistakes.iter().enumerate() {
            let gap = if n > 0 { "\n\n" } else { "" };
            let (line, column) = (mistake.line, mistake.column);
            let edge = " ".repeat(line.to_string().len());
            let (shown, before) = mistake.excerpt();
            writeln!(f, "{gap}error: {}", mistake.what)?;
            writeln!(f, "{edge}--> {file}:{line}:{column}")?;
            writeln!(f, "{edge} |")?;
            writeln!(f, "{line} | {shown}")?;
            let width = mistake.width.min(shown.chars().count().saturating_sub(before)).max(1);
            write!(f, "{edge} | {}{}", " ".repeat(before), "^".repeat(width))?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n\n… and {more} more"),
        }
    }
}

impl Mistake {
    /// The part of the line around the mistake, and how many of its characters come before it.
    fn excerpt(&self) -> (String, usize) {
        let skipped = (self.column - 1).saturating_sub(AROUND);
        let printable = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
        let part: String = self.text.chars().skip(skipped).map(printable).collect();
        let part = clip(part.trim_end(), 2 * AROUND);
        let dots = if skipped > 0 { "…" } else { "" };
        (format!("{dots}{part}"), self.column - 1 - skipped + dots.chars().count())
    }
}
