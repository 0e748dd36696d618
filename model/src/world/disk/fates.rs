//! What a power loss does to everything that was not durable, as a value and as text. Fates are rules about files,
//! names, lengths and sectors; they are total over any disk: what no rule mentions stays as it was when it was
//! last synced, and a rule about something that is not open does nothing.
//!
//! ```text
//! keeping 1.seg:0-3, garbling 1.seg:4, dropping 2.seg
//! ```
//!
//! | part of a rule | means |
//! |---|---|
//! | `1.seg` | all about a file: its name, its length, its sectors |
//! | `1.seg:name` | the creation, renaming or removal that made or ended this name; `@2` only the first two of them |
//! | `1.seg:len` | the newest length; `1.seg:len=512` that one of the lengths that it may have |
//! | `1.seg:4`, `1.seg:0-3` | sectors; `@1` their first newer state, where there are several |
//! | `everything` | all files |
//!
//! Later rules win over earlier ones. The clause `lazily` leaves sectors open until they are read; `seed 7` makes
//! garbage of many kinds instead of the canonical one.

use super::label::Label;
use super::text::{Cursor, Malformed};
use std::fmt;
use std::str::FromStr;

/// What becomes of all that is not durable when power is lost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Fates {
    /// The rules; a later one wins over an earlier one.
    pub rules: Vec<Rule>,
    /// Leaves the sectors that no rule mentions undecided until they are read.
    pub lazy: bool,
    /// Draws garbage from this seed; without one, a garbled sector holds the one canonical pattern.
    pub seed: Option<u64>,
}

/// One rule of a power loss.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rule {
    /// What becomes of it.
    pub fate: Fate,
    /// Of what.
    pub target: Target,
}

/// What becomes of one thing that was not durable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fate {
    /// It is as it was when it was last durable.
    Drop,
    /// Its newest state has reached the device.
    Keep,
    /// The state after so many changes has reached the device, counted from 1. For a length: this very length.
    KeepUpTo(u64),
    /// The device was interrupted in a sector. Says nothing of names and lengths.
    Garble,
}

/// What a rule is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    /// All that is open.
    Everything,
    /// All about one file.
    File(Label),
    /// The changes that led to a name, or to its absence.
    Name(Label),
    /// The length of a file.
    Length(Label),
    /// The sectors from the first number to the second, both included.
    Sectors(Label, u32, u32),
}

/// One thing that a power loss would decide.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot {
    /// The name, the length or the one sector.
    pub target: Target,
    /// Its possible fates; the first is [`Fate::Drop`].
    pub fates: Vec<Fate>,
}

const RESERVED: [&str; 6] = ["everything", "keeping", "garbling", "dropping", "lazily", "seed"];

/// Whether a file of this name must be quoted.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

impl Fates {
    /// Nothing that was not durable survives.
    pub const DROP: Fates = Fates { rules: Vec::new(), lazy: false, seed: None };

    /// Everything that reached the cache survives.
    pub fn keep() -> Fates {
        Fates { rules: vec![Rule { fate: Fate::Keep, target: Target::Everything }], ..Fates::DROP }
    }

    /// Nothing survives of names and lengths, and sectors are left open until they are read.
    pub const LAZY: Fates = Fates { rules: Vec::new(), lazy: true, seed: None };

    /// Adds a rule, joining runs of sectors.
    pub fn push(&mut self, fate: Fate, target: Target) {
        if let (Some(last), Target::Sectors(label, from, to)) = (self.rules.last_mut(), &target)
            && let Target::Sectors(before, _, end) = &mut last.target
            && last.fate == fate
            && before == label
            && end.checked_add(1) == Some(*from)
        {
            *end = *to;
            return;
        }
        self.rules.push(Rule { fate, target });
    }

    /// The last rule that speaks about a thing; none if nothing does.
    pub(super) fn find(&self, spot: &Spot<'_>) -> Option<Fate> {
        self.rules.iter().rev().find(|rule| rule.covers(spot)).map(|rule| rule.fate)
    }
}

/// A single thing in question.
#[derive(Clone, Copy)]
pub(super) enum Spot<'a> {
    Name(&'a Label),
    Length(&'a Label),
    Sector(&'a Label, u32),
}

impl Rule {
    fn covers(&self, spot: &Spot<'_>) -> bool {
        let label = match *spot {
            Spot::Name(label) | Spot::Length(label) | Spot::Sector(label, _) => label,
        };
        let meant = match (&self.target, spot) {
            (Target::Everything, _) => true,
            (Target::File(file), _) => file == label,
            (Target::Name(file), Spot::Name(_)) | (Target::Length(file), Spot::Length(_)) => file == label,
            (Target::Sectors(file, from, to), Spot::Sector(_, sector)) => {
                file == label && (from..=to).contains(&sector)
            }
            _ => false,
        };
        // Garbage is a matter of sectors: a garbled file has a name and a length of which nothing was said.
        meant && (self.fate != Fate::Garble || matches!(spot, Spot::Sector(..)))
    }
}

impl Fate {
    fn verb(self) -> &'static str {
        match self {
            Fate::Drop => "dropping",
            Fate::Keep | Fate::KeepUpTo(_) => "keeping",
            Fate::Garble => "garbling",
        }
    }
}

impl fmt::Display for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        let mut verb = "";
        for rule in &self.rules {
            f.write_str(between)?;
            between = ", ";
            if verb != rule.fate.verb() {
                verb = rule.fate.verb();
                write!(f, "{verb} ")?;
            }
            write!(f, "{rule}")?;
        }
        if self.lazy {
            write!(f, "{between}lazily")?;
            between = ", ";
        }
        if let Some(seed) = self.seed {
            write!(f, "{between}seed {seed}")?;
            between = ", ";
        }
        if between.is_empty() { f.write_str("dropping everything") } else { Ok(()) }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Everything => f.write_str("everything")?,
            Target::File(file) => write!(f, "{file}")?,
            Target::Name(file) => write!(f, "{file}:name")?,
            Target::Length(file) => write!(f, "{file}:len")?,
            Target::Sectors(file, from, to) if from == to => write!(f, "{file}:{from}")?,
            Target::Sectors(file, from, to) => write!(f, "{file}:{from}-{to}")?,
        }
        match (self.fate, &self.target) {
            (Fate::KeepUpTo(len), Target::Length(_)) => write!(f, "={len}"),
            (Fate::KeepUpTo(version), _) => write!(f, "@{version}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Fates {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Fates, Malformed> {
        let mut fates = Fates::DROP;
        let mut verb = None;
        Cursor::whole(text, |cursor| {
            while !cursor.rest().is_empty() {
                if cursor.take_word("lazily") {
                    fates.lazy = true;
                } else if cursor.take_word("seed") {
                    fates.seed = Some(cursor.number()?);
                } else {
                    fates.rules.push(read_rule(cursor, &mut verb)?);
                }
                cursor.space();
                if !cursor.take(",") {
                    break;
                }
                cursor.space();
                if cursor.rest().is_empty() {
                    return Err(cursor.wants("what becomes of something else"));
                }
            }
            Ok(())
        })?;
        // "Dropping everything" is how no rule at all is written.
        let nothing = Rule { fate: Fate::Drop, target: Target::Everything };
        if fates.rules == [nothing] {
            fates.rules.clear();
        }
        Ok(fates)
    }
}

fn read_rule(cursor: &mut Cursor<'_>, verb: &mut Option<Fate>) -> Result<Rule, Malformed> {
    for fate in [Fate::Keep, Fate::Garble, Fate::Drop] {
        if cursor.take_word(fate.verb()) {
            *verb = Some(fate);
        }
    }
    let mut fate = verb.ok_or_else(|| cursor.wants("`keeping`, `garbling` or `dropping`"))?;
    let target = read_target(cursor)?;
    let counted = if matches!(target, Target::Length(_)) { cursor.take("=") } else { cursor.take("@") };
    if counted {
        if fate != Fate::Keep {
            return Err(cursor.wants("no version, as only `keeping` has versions"));
        }
        fate = Fate::KeepUpTo(cursor.number()?);
    }
    Ok(Rule { fate, target })
}

fn read_target(cursor: &mut Cursor<'_>) -> Result<Target, Malformed> {
    if cursor.take_word("everything") {
        return Ok(Target::Everything);
    }
    let file = Label::read(cursor)?;
    if !cursor.take(":") {
        return Ok(Target::File(file));
    }
    if cursor.take("name") {
        return Ok(Target::Name(file));
    }
    if cursor.take("len") {
        return Ok(Target::Length(file));
    }
    let from = cursor.number()?;
    let to = if cursor.take("-") { cursor.number()? } else { from };
    Ok(Target::Sectors(file, from, to))
}
