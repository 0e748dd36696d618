//! Strategies side by side: for each bug how soon each of them saw it, and what that comes to. Only for measurements in
//! which plans were drawn by more than one.

use super::{
    Means, Power,
    result::{Row, Seen},
    table::{NONE, columns},
};
use crate::report::grouped;
use std::fmt::Write;

/// The comparison as text; nothing if there is nothing to compare.
pub(super) fn strategies(power: &Power) -> String {
    let rows: Vec<&Row> = power.mutants.iter().filter(|row| row.is_of_system()).collect();
    let measured = |means: &Means| rows.iter().any(|row| row.by.contains_key(means));
    let means: Vec<Means> =
        Means::ALL.into_iter().filter(|means| means.strategy().is_some()).filter(measured).collect();
    if means.len() < 2 {
        return String::new();
    }
    let heads = means.iter().flat_map(|means| [means.name().to_owned(), "runs".into(), "CPU-s".into()]);
    let mut lines = vec![["", "mutant"].map(str::to_owned).into_iter().chain(heads).collect::<Vec<_>>()];
    for row in rows.iter().filter(|row| means.iter().any(|means| row.by.contains_key(means))) {
        let figures = means.iter().flat_map(|means| figures(row.by.get(means)));
        lines.push([String::new(), row.mutant.clone()].into_iter().chain(figures).collect());
    }
    // The last column is flush left, as words are.
    lines.iter_mut().for_each(|line| line.push(String::new()));
    let mut text = "strategies: trials that saw it, median of runs, median of CPU-s\n".to_owned();
    text.push_str(&columns(&lines));
    text.push('\n');
    for means in means {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", sum(power, &rows, means));
    }
    text.push('\n');
    text
}

fn figures(seen: Option<&Seen>) -> [String; 3] {
    let Some(seen) = seen else { return [NONE, NONE, NONE].map(str::to_owned) };
    let caught = format!("{}/{}", seen.caught, seen.trials);
    [caught, seen.seeds.median.value.to_string(), seen.cpu.median.value.to_string()]
}

/// What a strategy comes to. The mean is that of logarithms: a bug that takes ten times as long counts as much as one
/// that takes a tenth. A bug that most trials did not see counts with the time that each of them had.
fn sum(power: &Power, rows: &[&Row], means: Means) -> String {
    let seen: Vec<&Seen> = rows.iter().filter_map(|row| row.by.get(&means)).collect();
    let medians = seen.iter().map(|seen| seen.cpu.median.value.at().unwrap_or(power.budget).max(1e-6));
    let mean = (medians.map(f64::ln).sum::<f64>() / seen.len().max(1) as f64).exp();
    let fallen = seen.iter().filter(|seen| seen.falls()).count();
    let (caught, trials) = seen.iter().fold((0, 0), |(c, t), seen| (c + seen.caught, t + seen.trials));
    let (runs, cpu) = seen.iter().fold((0, 0.0), |(r, c), seen| (r + seen.all_seeds, c + seen.all_cpu));
    format!(
        "{:<6}  {fallen} of {} mutants fall, {caught} of {trials} trials see theirs; geometric mean of medians {mean:.3} CPU-s; {} runs/s",
        means.name(),
        seen.len(),
        grouped((runs as f64 / cpu.max(1e-9)) as u64),
    )
}
