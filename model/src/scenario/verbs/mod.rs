//! The verbs that every system has: what can be done to nodes, disks, clocks and links, and how each is written. Each
//! verb stands in one place with its usage, help, example, reader and writer. This module decides which verb a line
//! means; calls and exact steps are read elsewhere. Invariant: what a writer writes, the reader of the same verb reads.

mod clock;
mod disk;
mod link;
mod process;
mod reader;

pub(super) use reader::Line;

use super::{OpKind, line::problem, suggest};
use crate::{
    system::{Problem, Verb, Word},
    world::{Choice, disk::Outcome},
};
use onceward_core::{Never, NodeId};

/// What a plan can do without knowing a protocol.
pub(super) type Deed = Choice<Never, Never, Never>;

/// What a line of these verbs says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// These things happen, in this order.
    Deeds(Vec<Deed>),
    /// The next disk operation of this kind ends so.
    Next(NodeId, OpKind, Outcome),
}

impl From<Deed> for Said {
    fn from(deed: Deed) -> Said {
        Said::Deeds(vec![deed])
    }
}

/// A verb of the language, as help pages show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Help {
    /// The whole line after the time; capitals stand for what is to be filled in, brackets hold what may be left out.
    pub usage: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// A line that uses it.
    pub example: &'static str,
}

/// A verb with its reader.
struct Form {
    /// The words that the line begins with; capitals stand for any word.
    begins: &'static [&'static str],
    help: Help,
    read: fn(&mut Line<'_>) -> Result<Said, Problem>,
}

const FORMS: [&[Form]; 4] = [&process::FORMS, &disk::FORMS, &clock::FORMS, &link::FORMS];

fn forms() -> impl Iterator<Item = &'static Form> {
    FORMS.into_iter().flatten()
}

/// The verbs that every system has, for help pages.
pub fn verbs() -> Vec<Help> {
    forms().map(|form| form.help).collect()
}

/// Reads a line of these verbs; none if it begins like none of them.
pub(super) fn read(line: &mut Line<'_>) -> Option<Result<Said, Problem>> {
    let form = forms().find(|form| begins(line.words(), form.begins))?;
    Some((form.read)(line).and_then(|said| line.end().map(|()| said)))
}

/// Writes a choice that one of these verbs can say; none for what needs a protocol or a world to be named.
pub(super) fn print<M, T, Q>(names: &[String], choice: &Choice<M, T, Q>) -> Option<String> {
    process::print(names, choice)
        .or_else(|| disk::print(names, choice))
        .or_else(|| clock::print(names, choice))
        .or_else(|| link::print(names, choice))
}

pub(super) use disk::print_next;
pub(super) use link::print_both;

/// The same thing in a world of any protocol.
pub(super) fn lift<M, T, Q>(deed: Deed) -> Choice<M, T, Q> {
    match deed {
        Choice::Call(_, _, never) => match never {},
        Choice::Deliver(_, _, never)
        | Choice::Drop(_, _, never)
        | Choice::Duplicate(_, _, never)
        | Choice::Replay(_, _, never)
        | Choice::Corrupt(_, _, never)
        | Choice::Fire(_, never) => match never {},
        Choice::Disk(node, op, outcome) => Choice::Disk(node, op, outcome),
        Choice::Advance(conn, side) => Choice::Advance(conn, side),
        Choice::Boot(node, config) => Choice::Boot(node, config),
        Choice::Break(conn, side) => Choice::Break(conn, side),
        Choice::Cut(from, to) => Choice::Cut(from, to),
        Choice::Heal(from, to) => Choice::Heal(from, to),
        Choice::Hold(from, to) => Choice::Hold(from, to),
        Choice::Release(from, to) => Choice::Release(from, to),
        Choice::Kill(node, landed) => Choice::Kill(node, landed),
        Choice::KillWithin(node, actions) => Choice::KillWithin(node, actions),
        Choice::PowerLoss(node, fates) => Choice::PowerLoss(node, fates),
        Choice::Wipe(node) => Choice::Wipe(node),
        Choice::Pause(node) => Choice::Pause(node),
        Choice::Resume(node) => Choice::Resume(node),
        Choice::Damage(node, damage) => Choice::Damage(node, damage),
        Choice::Clock(node, change) => Choice::Clock(node, change),
    }
}

/// A node's name, also for a number that no node has.
pub(super) fn name(names: &[String], node: NodeId) -> String {
    names.get(usize::from(node.0)).cloned().unwrap_or_else(|| format!("node-{}", node.0))
}

fn is_placeholder(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Whether one word of a line may stand where a pattern has this one.
fn fits(word: &Word, wanted: &str) -> bool {
    match wanted {
        "NODE's" => reader::owner(word).is_some(),
        _ => is_placeholder(wanted) || (!word.quoted && reader::plain(word) == wanted),
    }
}

fn begins(words: &[Word], pattern: &[&str]) -> bool {
    words.len() >= pattern.len() && words.iter().zip(pattern).all(|(word, wanted)| fits(word, wanted))
}

/// Whether a line looks like a call with one of a system's verbs.
pub(super) fn is_call(words: &[Word], verbs: &[Verb]) -> bool {
    verbs.is_empty() || verbs.iter().any(|verb| begins(words, &pattern_of(verb)))
}

/// The beginning of a system's verb: whatever its usage has before the word, and the word.
fn pattern_of(verb: &Verb) -> Vec<&'static str> {
    let before = verb.usage.split_whitespace().position(|word| word == verb.word).unwrap_or(1);
    let mut pattern = vec!["ANY"; before];
    pattern.push(verb.word);
    pattern
}

/// What is wrong with a line that begins like no verb at all.
pub(super) fn no_verb(line: &Line<'_>, verbs: &[Verb]) -> Problem {
    let words = line.words();
    let Some(first) = words.first() else { return line.here("what happens?") };
    let patterns = forms().map(|form| form.begins.to_vec()).chain(verbs.iter().map(pattern_of));
    // A line that would be right but for one word, if that one word is near enough.
    let slips = patterns.filter_map(|pattern| {
        let mut wrong = words.iter().zip(&pattern).filter(|(word, wanted)| !fits(word, wanted));
        let (word, wanted) = wrong.next()?;
        let slip = wrong.next().is_none() && !is_placeholder(wanted);
        let near = slip.then(|| suggest::nearest(reader::plain(word), [*wanted])).flatten()?;
        Some((strsim::damerau_levenshtein(reader::plain(word), near), word, near))
    });
    if let Some((_, word, right)) = slips.min_by_key(|(away, ..)| *away) {
        let what = format!("there is no verb `{}` here: did you mean `{right}`?", reader::plain(word));
        return problem(what, word.from, word.to);
    }
    let does = [verbs.iter().map(|verb| verb.word).collect(), vec!["boots", "is killed", "loses power"]];
    let does = does.concat().join("`, `");
    // The verb is the second word of nearly every line.
    let word = words.get(1).unwrap_or(first);
    let what = format!("there is no verb `{}`; there is `{does}`, and more", suggest::clip(&word.text, 40));
    problem(what, word.from, word.to)
}
