//! How files and operations are called in scenario texts and pictures. A file is called by its name; a file that
//! has lost its name but could have it again after a power loss is called by that name with an apostrophe for each
//! later file of the same name. Names that could be mistaken for something else are written in quotes.

use super::text::{Cursor, Malformed};
use onceward_core::{DiskOp, Path, SyncKind};
use std::fmt;
use std::str::FromStr;

/// What a file is called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Label {
    /// The name that it has or had.
    pub path: Path,
    /// How many later files took that name from it; 0 for the file that has it now.
    pub former: u8,
}

impl Label {
    /// The file that has this name now.
    pub fn new(path: impl Into<Path>) -> Label {
        Label { path: path.into(), former: 0 }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Label, Malformed> {
        let path = read_path(cursor)?;
        let mut former = 0u8;
        while cursor.take("'") {
            former = former.saturating_add(1);
        }
        Ok(Label { path, former })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.path))?;
        (0..self.former).try_for_each(|_| f.write_str("'"))
    }
}

impl FromStr for Label {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Label, Malformed> {
        Cursor::whole(text, Label::read)
    }
}

/// A path as scenario texts write it: `/` for the root, in quotes where it would not read back otherwise.
pub(super) struct Shown<'a>(pub(super) &'a Path);

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        if text.is_empty() {
            return f.write_str("/");
        }
        if text != "/" && text.chars().all(is_plain) && !super::fates::is_reserved(text) {
            return f.write_str(text);
        }
        f.write_str("\"")?;
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

pub(super) fn read_path(cursor: &mut Cursor<'_>) -> Result<Path, Malformed> {
    if !cursor.take("\"") {
        let name = cursor.word(is_plain).ok_or_else(|| cursor.wants("a file name"))?;
        return Ok(Path::from(if name == "/" { "" } else { name }));
    }
    let mut name = String::new();
    loop {
        match cursor.next() {
            Some('"') => return Ok(Path::from(name.as_str())),
            Some('\\') => match cursor.next() {
                Some('n') => name.push('\n'),
                Some('u') => name.push(read_code(cursor)?),
                Some(c @ ('"' | '\\')) => name.push(c),
                _ => return Err(cursor.wants("an escaped quote, backslash, n or u{...}")),
            },
            Some(c) => name.push(c),
            None => return Err(cursor.wants("a closing quote")),
        }
    }
}

/// A character by its number, as in `\u{7f}`.
fn read_code(cursor: &mut Cursor<'_>) -> Result<char, Malformed> {
    let digits = cursor.take("{").then(|| cursor.word(|c| c.is_ascii_hexdigit())).flatten();
    let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
    code.filter(|_| cursor.take("}")).ok_or_else(|| cursor.wants("the number of a character, as in u{7f}"))
}

/// An operation in one line: `write 1.seg 512+100`, `sync 1.seg`, `sync-dir /`.
pub struct OpLabel<'a>(pub &'a DiskOp);

impl fmt::Display for OpLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DiskOp::Create(path) => write!(f, "create {}", Shown(path)),
            DiskOp::CreateDir(path) => write!(f, "create-dir {}", Shown(path)),
            DiskOp::Write { path, offset, data } => {
                write!(f, "write {} {offset}+{}", Shown(path), data.len())
            }
            DiskOp::Read { path, offset, len } => write!(f, "read {} {offset}+{len}", Shown(path)),
            DiskOp::Sync { path, kind: SyncKind::Data } => write!(f, "sync {}", Shown(path)),
            DiskOp::Sync { path, kind: SyncKind::Full } => write!(f, "sync-full {}", Shown(path)),
            DiskOp::SyncDir(path) => write!(f, "sync-dir {}", Shown(path)),
            DiskOp::Allocate { path, len } => write!(f, "allocate {} {len}", Shown(path)),
            DiskOp::SetLen { path, len } => write!(f, "set-len {} {len}", Shown(path)),
            DiskOp::Rename { from, to } => write!(f, "rename {} {}", Shown(from), Shown(to)),
            DiskOp::Remove(path) => write!(f, "remove {}", Shown(path)),
            DiskOp::List(path) => write!(f, "list {}", Shown(path)),
        }
    }
}
