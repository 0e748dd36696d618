//! Times that people can read: round ones, close to each other. Part of the work on text.

use super::{judge::Judge, page::digits, words::Reached};
use onceward_model::system::System;

/// Distances between lines, in nanoseconds, that are tried for all lines at once and for each.
const GAPS: [u64; 7] = [10_000_000, 100_000_000, 1_000_000, 100_000, 1_000_000_000, 10_000, 0];

pub(super) fn reduce<S: System>(reached: &mut Reached<S>, judge: &mut Judge<'_, S>) {
    for gap in GAPS {
        reached.change(judge, |page| {
            page.plan.iter_mut().zip(1..).for_each(|(line, n)| line.at = gap * n);
        });
    }
    for line in 0..reached.page.plan.len() {
        for gap in GAPS {
            reached.change(judge, |page| move_to(page, line, |before, _| before + gap));
        }
        for keep in 1..digits(reached.page.plan[line].at) {
            let round = |at: u64| at / unit(at, keep) * unit(at, keep);
            // With what follows at its distance, and alone.
            let shifted = reached.change(judge, |page| move_to(page, line, |_, at| round(at)))
                || reached.change(judge, |page| move_to(page, line, |_, at| round(at) + unit(at, keep)))
                || reached.change(judge, |page| alone(page, line, round))
                || reached.change(judge, |page| alone(page, line, |at| round(at) + unit(at, keep)));
            if shifted {
                break;
            }
        }
    }
}

/// The weight of the last of so many digits of a number.
fn unit(n: u64, keep: u64) -> u64 {
    let places = u64::from(n.checked_ilog10().unwrap_or(0)) + 1;
    10u64.pow(u32::try_from(places.saturating_sub(keep)).unwrap_or(0))
}

/// Moves a line to a time made of that of the line before and its own; what follows keeps its distance.
fn move_to(page: &mut super::page::Page, line: usize, to: impl Fn(u64, u64) -> u64) {
    let before = line.checked_sub(1).map_or(0, |before| page.plan[before].at);
    let old = page.plan[line].at;
    let new = to(before, old).max(before);
    for line in &mut page.plan[line..] {
        line.at = (line.at - old).saturating_add(new);
    }
}

/// Moves a line and no other; not past its neighbours.
fn alone(page: &mut super::page::Page, line: usize, to: impl Fn(u64) -> u64) {
    let before = line.checked_sub(1).map_or(0, |before| page.plan[before].at);
    let after = page.plan.get(line + 1).map_or(u64::MAX, |next| next.at);
    page.plan[line].at = to(page.plan[line].at).clamp(before, after);
}
