//! What was measured before, to be compared with: how many seeds each bug took. Seeds rather than seconds, for they are
//! the same on every computer. Chance alone makes medians differ: a bug counts as harder to see when its median is more
//! than twice what it was and the two intervals do not even touch.

use super::{
    Means, Power,
    stats::{Point, Quantile},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A median that grows by more than this factor is a finding.
const FACTOR: f64 = 2.0;

/// Medians of a measurement: by system, bug and means.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Processor seconds that each trial had.
    pub budget: f64,
    /// Medians of seeds to detection (of a check, states); of what is tried once, that one number.
    pub medians: BTreeMap<String, BTreeMap<String, BTreeMap<Means, Quantile>>>,
}

impl Baseline {
    /// The medians of a measurement.
    pub fn of(power: &Power) -> Baseline {
        let mut baseline = Baseline { budget: power.budget, ..Baseline::default() };
        for row in &power.mutants {
            let of = baseline.medians.entry(row.of.clone()).or_default();
            let medians = row.by.iter().map(|(means, seen)| (*means, seen.seeds.median));
            of.insert(row.mutant.clone(), medians.collect());
        }
        baseline
    }

    /// As text, a line for each bug, so that a person can see what has changed.
    pub fn text(&self) -> String {
        let line = |(mutant, medians): (&String, &BTreeMap<Means, Quantile>)| {
            format!("  {}: {}", json(mutant), json(medians))
        };
        let of = |(of, mutants): (&String, &BTreeMap<String, _>)| {
            format!("{}: {{\n{}\n}}", json(of), mutants.iter().map(line).collect::<Vec<_>>().join(",\n"))
        };
        let medians = self.medians.iter().map(of).collect::<Vec<_>>().join(",\n");
        format!("{{\"budget\": {},\n\"medians\": {{\n{medians}\n}}}}\n", json(&self.budget))
    }

    /// This baseline, with what another one knows better or besides.
    #[must_use]
    pub fn updated(mut self, newer: Baseline) -> Baseline {
        self.budget = newer.budget;
        for (of, mutants) in newer.medians {
            let known = self.medians.entry(of).or_default();
            for (mutant, medians) in mutants {
                known.entry(mutant).or_default().extend(medians);
            }
        }
        self
    }
}

/// Names and numbers can always be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What is worse than it was: a line for each finding. What was not measured now, or not then, is not judged.
pub fn compare(before: &Baseline, now: &Power) -> Vec<String> {
    let mut worse = Vec::new();
    for row in &now.mutants {
        let Some(known) = before.medians.get(&row.of).and_then(|of| of.get(&row.mutant)) else { continue };
        let was_seen = known.values().any(|median| median.value.at().is_some());
        let measured = known.iter().all(|(means, _)| row.by.contains_key(means));
        if was_seen && measured && !row.is_visible() {
            worse.push(format!("{} of {} was seen before and is seen by nothing now", row.mutant, row.of));
            continue;
        }
        for (means, seen) in &row.by {
            // How many scenarios, scopes and self-tests are looked at before one shows it says nothing.
            let Some(old) = known.get(means) else { continue };
            let new = seen.seeds.median;
            if means.is_random() && is_harder(old, &new) || !means.is_random() && is_lost(old, &new) {
                worse.push(format!(
                    "{} of {} by {}: {old} seeds before, {new} now",
                    row.mutant,
                    row.of,
                    means.name()
                ));
            }
        }
    }
    worse
}

fn is_lost(old: &Quantile, new: &Quantile) -> bool {
    old.value.at().is_some() && new.value == Point::Beyond
}

fn is_harder(old: &Quantile, new: &Quantile) -> bool {
    let Point::At(before) = old.value else { return false };
    let doubled = match new.value {
        Point::At(now) => now > FACTOR * before,
        Point::Beyond => true,
        Point::Unknown => false,
    };
    let apart = match (old.high, new.low) {
        (Point::At(high), Point::At(low)) => low > high,
        (Point::At(_), Point::Beyond) => true,
        // Where nobody can say how far it reaches, nothing is apart.
        _ => false,
    };
    doubled && apart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{Cell, tests::leaky};

    fn power(seeds: &[Option<u64>]) -> Power {
        let cells: [Cell; 1] = [leaky(seeds)];
        Power::of("", 60.0, &cells, true, vec![])
    }

    /// Twenty trials whose median is this.
    fn around(median: u64) -> Vec<Option<u64>> {
        (1..=20).map(|n| Some(median * n / 10)).collect()
    }

    #[test]
    fn a_median_that_doubles_beyond_its_interval_is_a_finding() {
        let before = Baseline::of(&power(&around(100)));
        assert_eq!(compare(&before, &power(&around(100))), [""; 0]);
        // Twice as many, and the intervals touch.
        assert_eq!(compare(&before, &power(&around(210))), [""; 0]);
        assert_eq!(
            compare(&before, &power(&around(300))),
            ["Leaky of toy by plans: 100 (60–150) seeds before, 300 (180–450) now"]
        );
        // Less is no finding.
        assert_eq!(compare(&before, &power(&around(10))), [""; 0]);
    }

    #[test]
    fn intervals_that_are_apart_are_no_finding_below_twice() {
        let narrow = |at: u64| vec![Some(at); 20];
        let before = Baseline::of(&power(&narrow(100)));
        assert_eq!(compare(&before, &power(&narrow(200))), [""; 0]);
        assert_eq!(compare(&before, &power(&narrow(201))).len(), 1);
    }

    #[test]
    fn what_is_seen_no_more_is_a_finding_and_what_never_was_is_none() {
        let before = Baseline::of(&power(&around(100)));
        assert_eq!(
            compare(&before, &power(&[None; 6])),
            ["Leaky of toy was seen before and is seen by nothing now"]
        );
        // Seen once, and far from in half of the trials.
        let rarely = [&[Some(5)][..], &[None; 19]].concat();
        assert_eq!(
            compare(&before, &power(&rarely)),
            ["Leaky of toy by plans: 100 (60–150) seeds before, > (>–>) now"]
        );
        let never = Baseline::of(&power(&[None; 6]));
        assert_eq!(compare(&never, &power(&[None; 6])), [""; 0]);
        assert_eq!(compare(&Baseline::default(), &power(&[None; 6])), [""; 0]);
    }

    #[test]
    fn a_baseline_is_the_same_after_writing_and_reading_and_takes_over_what_is_newer() {
        let old = Baseline::of(&power(&around(100)));
        assert_eq!(serde_json::from_str::<Baseline>(&old.text()).unwrap(), old);
        let rare = Baseline::of(&power(&[Some(5), None, None]));
        let line = r#"  "Leaky": {"plans":{"value":">","low":"?","high":"?"}}"#;
        assert!(rare.text().lines().any(|other| other == line), "{}", rare.text());
        assert_eq!(serde_json::from_str::<Baseline>(&rare.text()).unwrap(), rare);
        let bad = rare.text().replace("\">\"", "\"never\"");
        let error = serde_json::from_str::<Baseline>(&bad).unwrap_err().to_string();
        assert!(error.starts_with("`never` is no point"), "{error}");
        let new = Baseline::of(&power(&around(7)));
        assert_eq!(old.clone().updated(new.clone()), new);
        let mut other = new.clone();
        other.medians = [("log".to_owned(), new.medians["toy"].clone())].into();
        let both = old.clone().updated(other);
        assert_eq!(both.medians.len(), 2);
        assert_eq!(both.medians["toy"], old.medians["toy"]);
    }
}
