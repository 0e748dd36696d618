//! What the quick gate found, for people: a line for each hunt, and how small failures became.

use crate::{
    gate::{self, Hunt, Shrinking},
    minimise::Shrunk,
};

pub(super) fn table(hunts: &[Hunt]) -> String {
    let names = |hunt: &Hunt| hunt.mutant.len();
    let (wide, promises) =
        (hunts.iter().map(names).max(), hunts.iter().map(|hunt| hunt.intended.len()).max());
    let (wide, promises) = (wide.unwrap_or(0), promises.unwrap_or(0));
    let mut text = String::new();
    let mut of = "";
    for hunt in hunts {
        if of != hunt.of {
            let gap = if of.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}mutants of {}\n", hunt.of));
            of = &hunt.of;
        }
        let Hunt { mutant, intended, seeds, cpu, others, by, .. } = hunt;
        let others: Vec<String> =
            others.iter().map(|(promise, times)| format!("{promise} {times}×")).collect();
        let others = others.join(", ");
        let what = match (by, others.is_empty()) {
            (Some(by), _) if hunt.of == gate::HARNESS => format!("{cpu:>6.1} s CPU  {by}"),
            (Some(by), _) => format!("{seeds:>7} runs {cpu:>6.1} s CPU  {by}"),
            (None, true) => format!("NOT CAUGHT in {seeds} runs, {cpu:.1} s CPU"),
            (None, false) => {
                format!("CAUGHT BY ANOTHER PROMISE ALONE in {seeds} runs, {cpu:.1} s CPU: {others}")
            }
        };
        let sign = if hunt.caught { '✓' } else { '✗' };
        text.push_str(&format!("{sign} {mutant:<wide$}  {intended:<promises$}  {what}\n"));
    }
    text
}

/// How small failures became: each, and all together.
pub(super) fn sizes(hunts: &[Hunt]) -> String {
    let all: Vec<(&Hunt, &Shrinking)> =
        hunts.iter().flat_map(|hunt| hunt.shrunk.iter().map(move |shrunk| (hunt, shrunk))).collect();
    let wide = all.iter().map(|(hunt, _)| hunt.mutant.len()).max().unwrap_or(0);
    let mut text =
        "failures made smaller (lines: what happens and what is expected, without the header)\n".to_owned();
    for (Hunt { mutant, .. }, Shrinking { of, end }) in &all {
        let line = match end {
            Ok(Shrunk { lines, from_steps, seconds, minimal, certain, replays, replay_seconds, .. }) => {
                let sign = if *replays { '✓' } else { '✗' };
                let cut = if *minimal { "" } else { ", time ran out" };
                let chance = if *certain { "" } else { ", names a seed" };
                let again = if *replays {
                    format!("replays in {:.0} ms", replay_seconds * 1e3)
                } else {
                    "DOES NOT REPLAY".into()
                };
                format!(
                    "{sign} {mutant:<wide$}  {from_steps:>9} steps to {lines:>2} lines in {seconds:>4.1} s, {again}{cut}{chance}  ({of})"
                )
            }
            Err(why) => format!("✗ {mutant:<wide$}  NOT SHRUNK: {why}  ({of})"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    let done: Vec<&Shrunk> = all
        .iter()
        .filter_map(|(_, shrinking)| shrinking.end.as_ref().ok())
        .filter(|one| one.replays)
        .collect();
    text.push_str(&format!("\n{} of {} failures replay from a scenario", done.len(), all.len()));
    let part = |values: &mut Vec<f64>, percent: usize| {
        values.sort_by(f64::total_cmp);
        values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    let mut lines: Vec<f64> = done.iter().map(|one| one.lines as f64).collect();
    let mut seconds: Vec<f64> = done.iter().map(|one| one.seconds).collect();
    let certain = done.iter().filter(|one| one.certain).count();
    text.push_str(&format!(
        ", {certain} of them without chance; lines: median {}, 95th percentile {}, most {}; seconds: median {:.2}, 95th percentile {:.2}, most {:.2}\n",
        part(&mut lines, 50), part(&mut lines, 95), part(&mut lines, 100),
        part(&mut seconds, 50), part(&mut seconds, 95), part(&mut seconds, 100),
    ));
    text
}
