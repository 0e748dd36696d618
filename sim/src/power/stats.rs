//! Quantiles of what was measured, where some trials ended without having seen anything. Everything goes by the order of
//! values alone: nothing is assumed of how they are distributed. Trials that saw nothing count as later than all that
//! did, and no number is made up for them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How sure intervals are.
pub const CONFIDENCE: f64 = 0.95;

/// A point on the scale of what is measured. In JSON a number, `">"` or `"?"`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(into = "Word", try_from = "Word")]
pub enum Point {
    /// Here.
    At(f64),
    /// Later than was watched: among the trials that saw nothing.
    Beyond,
    /// Nobody can say with so few trials.
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Word {
    Number(f64),
    Sign(String),
}

impl From<Point> for Word {
    fn from(point: Point) -> Word {
        match point {
            Point::At(value) => Word::Number(value),
            other => Word::Sign(other.to_string()),
        }
    }
}

impl TryFrom<Word> for Point {
    type Error = String;

    fn try_from(word: Word) -> Result<Point, String> {
        match word {
            Word::Number(value) => Ok(Point::At(value)),
            Word::Sign(sign) if sign == ">" => Ok(Point::Beyond),
            Word::Sign(sign) if sign == "?" => Ok(Point::Unknown),
            Word::Sign(other) => Err(format!("`{other}` is no point: there are numbers, `>` and `?`")),
        }
    }
}

/// A quantile and the interval that covers it in [`CONFIDENCE`] of all measurements, at least.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Quantile {
    /// The value: the smallest that is not below so large a share of trials.
    pub value: Point,
    /// No less than this.
    pub low: Point,
    /// No more than this.
    pub high: Point,
}

/// The chance of at most `k` successes of `n`, each of probability `p`.
fn at_most(k: usize, n: usize, p: f64) -> f64 {
    let mut term = (1.0 - p).powi(n as i32);
    let mut sum = term;
    for i in 0..k.min(n) {
        term *= (n - i) as f64 / (i + 1) as f64 * p / (1.0 - p);
        sum += term;
    }
    sum
}

/// Which of `n` values in order, counted from 1, enclose the quantile: the largest and the smallest that miss it on their
/// side in at most half of what is left to chance. None where no value does.
fn ranks(n: usize, quantile: f64) -> (Option<usize>, Option<usize>) {
    let miss = (1.0 - CONFIDENCE) / 2.0;
    // The value of rank r lies above the quantile if fewer than r are below it, and below it if at least r are.
    let low = (1..=n).rev().find(|r| at_most(r - 1, n, quantile) <= miss);
    let high = (1..=n).find(|r| 1.0 - at_most(r - 1, n, quantile) <= miss);
    (low, high)
}

impl Quantile {
    /// The quantile of trials: the values of those that saw something, in any order, and the number of all.
    pub fn of(quantile: f64, seen: &[f64], trials: usize) -> Quantile {
        let mut sorted = seen.to_vec();
        sorted.sort_by(f64::total_cmp);
        let point = |rank: usize| sorted.get(rank - 1).map_or(Point::Beyond, |value| Point::At(*value));
        let rank = |rank: Option<usize>| rank.map_or(Point::Unknown, point);
        let (low, high) = ranks(trials, quantile);
        let middle = ((quantile * trials as f64).ceil() as usize).clamp(1, trials.max(1));
        let value = if trials == 0 { Point::Unknown } else { point(middle) };
        Quantile { value, low: rank(low), high: rank(high) }
    }

    /// Whether both ends lie within this factor of the value.
    pub fn within(&self, factor: f64) -> bool {
        match (self.low, self.value, self.high) {
            (Point::At(low), Point::At(value), Point::At(high)) => {
                low * factor >= value && high <= value * factor
            }
            _ => false,
        }
    }
}

impl Point {
    /// Where, if it is known.
    pub fn at(self) -> Option<f64> {
        match self {
            Point::At(value) => Some(value),
            Point::Beyond | Point::Unknown => None,
        }
    }
}

/// Three figures at least; whole numbers whole.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 || value.fract() == 0.0 => crate::report::grouped(value.round() as u64),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::At(value) => f.pad(&short(*value)),
            Point::Beyond => f.pad(">"),
            Point::Unknown => f.pad("?"),
        }
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match (self.low, self.high) {
            (Point::Unknown, Point::Unknown) => self.value.to_string(),
            (low, high) => format!("{} ({low}–{high})", self.value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_tails_are_those_of_the_tables() {
        assert!((at_most(0, 6, 0.5) - 1.0 / 64.0).abs() < 1e-12);
        assert!((at_most(2, 5, 0.5) - 0.5).abs() < 1e-12);
        assert!((at_most(18, 20, 0.95) - 0.264_160_5).abs() < 1e-6);
        assert!((at_most(20, 20, 0.95) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_interval_of_the_median_needs_six_trials_and_one_of_the_95th_percentile_72() {
        assert_eq!(ranks(5, 0.5), (None, None));
        assert_eq!(ranks(6, 0.5), (Some(1), Some(6)));
        // As in any table of order statistics.
        assert_eq!(ranks(20, 0.5), (Some(6), Some(15)));
        assert_eq!(ranks(71, 0.95).1, None);
        assert_eq!(ranks(72, 0.95).1, Some(72));
    }

    #[test]
    fn intervals_cover_as_often_as_they_say() {
        // Values that are their own ranks among 1,000 equally likely ones, drawn by a fixed generator.
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % 1_000) as f64
        };
        let covered = (0..2_000).filter(|_| {
            let values: Vec<f64> = (0..20).map(|_| draw()).collect();
            let Quantile { low, high, .. } = Quantile::of(0.5, &values, 20);
            low.at().unwrap() <= 499.5 && 499.5 <= high.at().unwrap()
        });
        let share = covered.count() as f64 / 2_000.0;
        assert!((0.945..0.98).contains(&share), "{share}");
    }

    #[test]
    fn trials_that_saw_nothing_come_last_and_get_no_number() {
        let seen = [5.0, 3.0, 4.0, 1.0];
        let median = |trials| Quantile::of(0.5, &seen, trials);
        assert_eq!(median(4).value, Point::At(3.0));
        assert_eq!(median(8).value, Point::At(5.0));
        assert_eq!(median(9).value, Point::Beyond);
        assert_eq!(median(9).low, Point::At(3.0));
        assert_eq!(median(9).high, Point::Beyond);
        assert_eq!(Quantile::of(0.5, &[], 0).value, Point::Unknown);
        assert_eq!(median(9).to_string(), "> (3–>)");
        assert_eq!(median(4).to_string(), "3");
    }

    #[test]
    fn within_a_factor_needs_both_ends() {
        let quantile = |low, value, high| Quantile { low, value, high };
        assert!(quantile(Point::At(2.0), Point::At(4.0), Point::At(8.0)).within(2.0));
        assert!(!quantile(Point::At(1.9), Point::At(4.0), Point::At(8.0)).within(2.0));
        assert!(!quantile(Point::At(2.0), Point::At(4.0), Point::At(8.1)).within(2.0));
        assert!(!quantile(Point::At(2.0), Point::At(4.0), Point::Beyond).within(2.0));
        assert!(!quantile(Point::Unknown, Point::At(4.0), Point::At(4.0)).within(2.0));
    }
}
