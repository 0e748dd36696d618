//! Which runs are made, in which order: rounds are interleaved, so that whatever else the machine does falls on all
//! engines alike, and each figure is compared with the yardstick of the same round only.

use crate::{
    engines::Kind,
    job::{self, Figures, Job, Task},
};
use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::Path;

/// One table of appends: so many clients, groups of so many events.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) clients: usize,
    pub(crate) group: usize,
    /// In memory: what remains is the engine's own work.
    pub(crate) tmpfs: bool,
}

/// The tables of a whole comparison.
pub(crate) const CASES: [Case; 6] = [
    Case { clients: 1, group: 1, tmpfs: false },
    Case { clients: 1, group: 100, tmpfs: false },
    Case { clients: 16, group: 1, tmpfs: false },
    Case { clients: 256, group: 1, tmpfs: false },
    Case { clients: 1, group: 1, tmpfs: true },
    Case { clients: 1, group: 100, tmpfs: true },
];

/// What one engine did in one case: a row of figures, one for each round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) engine: Kind,
    pub(crate) rounds: Vec<Figures>,
    /// Rate by the yardstick's of the same round.
    pub(crate) ratios: Vec<f64>,
}

/// What one engine keeps: filled, closed, opened again.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kept {
    pub(crate) engine: Kind,
    pub(crate) fill: Figures,
    pub(crate) warm: Figures,
    pub(crate) cold: Figures,
}

/// Runs all engines of a case, round by round.
pub(crate) fn append(
    case: Case,
    engines: &[Kind],
    dir: &Path,
    rounds: usize,
    seconds: f64,
    bar: &ProgressBar,
) -> Result<Vec<Row>> {
    let task = Task::Append { clients: case.clients, group: case.group, seconds };
    let mut rows: Vec<Row> = engines
        .iter()
        .map(|engine| Row { engine: *engine, rounds: Vec::new(), ratios: Vec::new() })
        .collect();
    for _ in 0..rounds {
        let mut yardstick = None;
        for row in &mut rows {
            bar.set_message(row.engine.name());
            let place = tempfile::tempdir_in(dir)?;
            let figures = job::spawn(&Job { engine: row.engine, dir: place.path().to_owned(), task })?;
            if row.engine == Kind::Raw {
                yardstick = Some(figures.rate);
            }
            if let Some(rate) = yardstick {
                row.ratios.push(figures.rate / rate);
            }
            row.rounds.push(figures);
            bar.inc(1);
        }
    }
    Ok(rows)
}

/// How many events a group has when an engine is filled.
const FILL_GROUP: usize = 100;

/// Fills one engine, closes it and opens it twice: with the page cache and without.
pub(crate) fn keep(engine: Kind, dir: &Path, events: u64, seconds: f64, bar: &ProgressBar) -> Result<Kept> {
    bar.set_message(engine.name());
    let place = tempfile::tempdir_in(dir)?;
    let job = |task| job::spawn(&Job { engine, dir: place.path().to_owned(), task });
    let fill = job(Task::Fill { events, group: FILL_GROUP, seconds })?;
    bar.inc(1);
    let warm = job(Task::Reopen { cold: false })?;
    let cold = job(Task::Reopen { cold: true })?;
    for opened in [&warm, &cold] {
        anyhow::ensure!(
            opened.events == fill.events,
            "{} was given {} events and found {}",
            engine.name(),
            fill.events,
            opened.events
        );
    }
    bar.inc(1);
    Ok(Kept { engine, fill, warm, cold })
}
