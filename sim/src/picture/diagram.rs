//! The diagram for terminals: one line for each step, a column for each client and node, and beside each node how its
//! disk stands. It is plain text unless colours are asked for, and no line is wider than the terminal.

use super::recording::{End, Fate, Kind, LaneKind, Message, Recording, Step, Trouble};
use crate::report::at;

/// How the diagram is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// No line has more characters; at least 60 are taken.
    pub width: usize,
    /// Whether escape sequences for colours are written.
    pub colour: bool,
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "36";
const VIOLET: &str = "1;35";
const FAINT: &str = "2";

/// One place of the drawing: a character, and its colour.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cell(char, &'static str);

/// The run as a diagram.
pub fn diagram(recording: &Recording, style: Style) -> String {
    let drawing = Drawing::new(recording, style);
    let mut text = drawing.heads();
    let mut last = 0;
    for step in &recording.steps {
        drawing.gap(&mut text, last, step.n - 1);
        drawing.row(&mut text, step);
        last = step.n;
    }
    drawing.gap(&mut text, last, recording.total);
    text.push_str(&drawing.legend());
    text
}

struct Drawing<'a> {
    recording: &'a Recording,
    style: Style,
    /// Where each lane is, by its place in the recording.
    columns: Vec<usize>,
    wide: usize,
}

impl<'a> Drawing<'a> {
    fn new(recording: &'a Recording, style: Style) -> Drawing<'a> {
        let rank = |lane: &usize| match recording.lanes[*lane].kind {
            LaneKind::Client => 0,
            LaneKind::Probe => 1,
            LaneKind::Node => 2,
        };
        let mut order: Vec<usize> = (0..recording.lanes.len()).collect();
        order.sort_by_key(|lane| (rank(lane), recording.lanes[*lane].number));
        // As wide as their names where there is room, and never so that no words fit beside them.
        let style = Style { width: style.width.max(60), ..style };
        let room = style.width.saturating_sub(GUTTER) / 2;
        let longest = recording.lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(4);
        let most = (room / order.len().max(1)).max(4);
        let step = (longest + 2).clamp(4, most.min(14));
        let mut columns = vec![0; order.len()];
        for (place, lane) in order.iter().enumerate() {
            columns[*lane] = place * step + step / 2;
        }
        Drawing { recording, style, columns, wide: order.len() * step + 1 }
    }

    fn heads(&self) -> String {
        let mut cells = vec![Cell(' ', ""); self.wide];
        let step = if self.columns.is_empty() { 0 } else { (self.wide - 1) / self.columns.len() };
        for (lane, column) in self.recording.lanes.iter().zip(&self.columns) {
            let name: Vec<char> = lane.name.chars().take(step.saturating_sub(1)).collect();
            let start = column.saturating_sub(name.len() / 2);
            for (n, c) in name.iter().enumerate().filter(|(n, _)| start + n < self.wide) {
                cells[start + n] = Cell(*c, "");
            }
        }
        let mut line = " ".repeat(GUTTER);
        self.paint(&mut line, &cells);
        format!("{}\n", line.trim_end())
    }

    fn gap(&self, text: &mut String, last: u64, until: u64) {
        if until > last {
            let left_out = until - last;
            let steps = if left_out == 1 { "step" } else { "steps" };
            let words = format!("{}⋮ {left_out} {steps} left out", " ".repeat(GUTTER - 2));
            text.push_str(&self.coloured(&words, FAINT));
            text.push('\n');
        }
    }

    fn row(&self, text: &mut String, step: &Step) {
        let mut cells = vec![Cell(' ', ""); self.wide];
        for (lane, column) in self.columns.iter().enumerate() {
            cells[*column] = self.line_of(lane, step.n);
            if self.recording.lanes[lane].kind == LaneKind::Node {
                cells[column + 1] = self.disk_of(lane, step.n);
            }
        }
        let ends_here = |m: &&Message| m.until == Some(step.n);
        for message in self.recording.messages.iter().filter(ends_here) {
            self.arrow(&mut cells, message);
        }
        if let Some(lane) = step.lane {
            cells[self.columns[lane]] = sign(step);
        }
        let evidence = self.recording.broken.iter().flat_map(|broken| &broken.evidence);
        let contra: Vec<&str> = evidence.filter(|(n, ..)| *n == step.n).map(|(.., what)| &**what).collect();
        let parts = self.recording.passing().filter(|passing| passing.step == step.n);
        let mark = match (contra.is_empty(), parts) {
            (false, _) => '✗',
            (true, Some(_)) => '≠',
            (true, None) if step.leads => ' ',
            (true, None) => '·',
        };
        let colour = if contra.is_empty() { FAINT } else { VIOLET };
        let mut line = self.coloured(&format!("{mark}{:>6} {:>9}  ", step.n, at(step.at)), colour);
        self.paint(&mut line, &cells);
        let room = self.style.width.saturating_sub(GUTTER + self.wide + 1);
        let colour = match (step.fault, step.leads) {
            (true, _) => RED,
            (false, true) => "",
            (false, false) => FAINT,
        };
        line.push(' ');
        line.push_str(&self.coloured(&cut(&step.text, room), colour));
        text.push_str(line.trim_end());
        text.push('\n');
        let indent = " ".repeat(GUTTER);
        let mut more = |words: &str, colour| {
            let mut line = indent.clone();
            let mut cells = vec![Cell(' ', ""); self.wide];
            for (lane, column) in self.columns.iter().enumerate() {
                cells[*column] = self.line_of(lane, step.n + 1);
            }
            self.paint(&mut line, &cells);
            line.push_str(&self.coloured(&cut(&format!("   {words}"), room), colour));
            text.push_str(line.trim_end());
            text.push('\n');
        };
        let answers = self.recording.messages.iter().filter(|m| m.sent == step.n && self.is_told(m));
        for message in answers.take(4) {
            let who = &self.recording.lanes[message.to].name;
            let arrow = if message.fate == Fate::Lost { '✗' } else { '←' };
            more(&format!("{who} {arrow} {}", message.label), BLUE);
        }
        if let Some(passing) = parts {
            let there = passing.there.as_ref().map_or("nothing more happens", |there| &there.what);
            more(&format!("≠ there: {there}"), GREEN);
        }
        contra.iter().for_each(|what| more(&format!("✗ {what}"), VIOLET));
    }

    /// Whether this is something that a client is told.
    fn is_told(&self, message: &Message) -> bool {
        let kind = |lane: usize| self.recording.lanes[lane].kind;
        kind(message.from) == LaneKind::Node && kind(message.to) == LaneKind::Client
    }

    fn line_of(&self, lane: usize, step: u64) -> Cell {
        if self.recording.lanes[lane].kind != LaneKind::Node {
            return Cell('┊', FAINT);
        }
        let spans = self.recording.spans.iter();
        let here = spans.filter(|span| span.lane == lane && span.to.is_none());
        let wrong = here.filter(|span| span.from < step && span.until.is_none_or(|until| step <= until));
        match wrong.map(|span| span.trouble).next_back() {
            Some(Trouble::Dark | Trouble::Down) => Cell(' ', ""),
            Some(Trouble::Paused) => Cell('╎', FAINT),
            _ => Cell('│', FAINT),
        }
    }

    /// How a disk stands after a step: what has just become durable or was lost outweighs what is still at risk.
    fn disk_of(&self, lane: usize, step: u64) -> Cell {
        let ours = || self.recording.stays.iter().filter(|stay| stay.lane == lane);
        let ended = |ends: &[End]| ours().any(|stay| stay.until == Some(step) && ends.contains(&stay.end));
        let open = |doomed: bool| {
            ours().any(|stay| {
                stay.from <= step
                    && stay.until.is_none_or(|until| until > step)
                    && stay.doomed.is_some_and(|at| at <= step) == doomed
            })
        };
        if ended(&[End::Lost, End::Torn]) {
            Cell('✗', RED)
        } else if ended(&[End::Synced]) {
            Cell('■', GREEN)
        } else if ended(&[End::Kept, End::Undecided]) {
            Cell('□', VIOLET)
        } else if open(true) {
            Cell('▓', RED)
        } else if open(false) {
            Cell('░', YELLOW)
        } else {
            Cell(' ', "")
        }
    }

    fn arrow(&self, cells: &mut [Cell], message: &Message) {
        let (from, to) = (self.columns[message.from], self.columns[message.to]);
        let lost = matches!(message.fate, Fate::Lost | Fate::Damaged);
        let (low, high) = (from.min(to), from.max(to));
        let colour = if lost { RED } else { BLUE };
        for cell in &mut cells[low + 1..high] {
            *cell = Cell(if lost { '╌' } else { '─' }, colour);
        }
        if high > low + 1 {
            let tip = match (lost, to > from) {
                (true, _) => 'x',
                (false, true) => '▶',
                (false, false) => '◀',
            };
            cells[if to > from { high - 1 } else { low + 1 }] = Cell(tip, colour);
        }
    }

    fn legend(&self) -> String {
        let mut signs = String::from(
            "● step  ◆ disk operation ends  ▲ starts  ϟ goes down  ! fault   beside a node: ░ written, not \
             durable  ▓ no sync will save it  ■ now durable  ✗ lost  □ kept by luck",
        );
        if self.recording.leading.is_some() {
            signs.push_str("   beside a number: ✗ contradicts the promise  · does not lead to that");
        }
        if self.recording.passing().is_some() {
            signs.push_str("  ≠ a run that passes goes another way");
        }
        let mut text = String::from("\n");
        let mut line = String::new();
        for sign in signs.split("  ").map(str::trim) {
            if line.chars().count() + sign.chars().count() + 2 > self.style.width {
                text.push_str(&self.coloured(line.trim_end(), FAINT));
                text.push('\n');
                line.clear();
            }
            line.push_str(sign);
            line.push_str("  ");
        }
        text.push_str(&self.coloured(line.trim_end(), FAINT));
        text.push('\n');
        text
    }

    fn paint(&self, line: &mut String, cells: &[Cell]) {
        for run in cells.chunk_by(|a, b| a.1 == b.1) {
            let text: String = run.iter().map(|cell| cell.0).collect();
            line.push_str(&self.coloured(&text, run[0].1));
        }
    }

    fn coloured(&self, text: &str, colour: &str) -> String {
        if !self.style.colour || colour.is_empty() || text.trim().is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{colour}m{text}\u{1b}[0m")
    }
}

/// The mark of a contradicting step, its number and its time.
const GUTTER: usize = 19;

fn sign(step: &Step) -> Cell {
    match step.kind {
        Kind::Crash => Cell('ϟ', RED),
        Kind::Boot => Cell('▲', GREEN),
        _ if step.fault => Cell('!', RED),
        Kind::Disk => Cell('◆', ""),
        Kind::Call | Kind::Message | Kind::Timer | Kind::Clock | Kind::Fault => Cell('●', ""),
    }
}

/// As much of a text as has room, without control characters.
fn cut(text: &str, room: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= room {
        return clean.collect();
    }
    let mut short: String = clean.take(room.saturating_sub(1)).collect();
    short.push('…');
    short
}
