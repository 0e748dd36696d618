//! Which steps of a long run a picture shows: those around the steps that contradict a promise. What is left out is
//! counted and said, never hidden.

/// How many steps a picture shows where nothing else is said.
const MOST: u64 = 320;

/// Which steps are shown: all of a run that is short enough, and of a long one those around the contradiction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// First and last step of each part, in order and apart from each other.
    parts: Vec<(u64, u64)>,
}

impl Frame {
    /// The parts of a run of so many steps that are shown: around these ones, or the end if there are none.
    pub fn around(total: u64, steps: &[u64]) -> Frame {
        Frame::of(total, steps, MOST)
    }

    /// The same, with at most about so many steps.
    pub(super) fn of(total: u64, steps: &[u64], most: u64) -> Frame {
        let total = steps.iter().fold(total, |total, step| total.max(*step));
        if total <= most {
            return Frame { parts: vec![(1, u64::MAX)] };
        }
        let mut steps: Vec<u64> = steps.iter().map(|step| (*step).max(1)).collect();
        if steps.is_empty() {
            steps.push(total);
        }
        steps.sort_unstable();
        steps.dedup();
        // The beginning of a run says how it was set up. Of the rest, what led to a step says more than what followed.
        let start = (most / 12).max(1);
        let each = ((most - start) / steps.len() as u64).max(2);
        let (before, after) = (each * 3 / 4, each / 4);
        let mut parts = vec![(1, start)];
        for step in steps {
            let (from, to) = (step.saturating_sub(before).max(1), step.saturating_add(after));
            match parts.last_mut() {
                Some(last) if from <= last.1 + 1 => last.1 = last.1.max(to),
                _ => parts.push((from, to)),
            }
        }
        Frame { parts }
    }

    /// Whether this step is shown.
    pub fn shows(&self, step: u64) -> bool {
        let at = self.parts.partition_point(|(from, _)| *from <= step);
        at.checked_sub(1).is_some_and(|at| step <= self.parts[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(frame: &Frame, total: u64) -> usize {
        (1..=total).filter(|step| frame.shows(*step)).count()
    }

    #[test]
    fn a_short_run_is_shown_whole() {
        assert_eq!(shown(&Frame::around(MOST, &[3]), MOST), MOST as usize);
        assert_eq!(shown(&Frame::around(9, &[3, 12]), 12), 12, "the step that breaks a promise is no event");
    }

    #[test]
    fn a_long_run_is_shown_around_its_contradiction() {
        let total = 1_000_000;
        let steps = [17, 500_000, 500_001, total];
        let frame = Frame::around(total, &steps);
        assert!(steps.iter().all(|step| frame.shows(*step)) && frame.shows(1) && !frame.shows(400_000));
        assert!(shown(&frame, total) <= MOST as usize + 8, "{frame:?}");
        let end = Frame::of(total, &[], 24);
        assert!(end.shows(total) && shown(&end, total) <= 26, "{end:?}");
        assert!(
            Frame::of(1000, &[0, u64::MAX], 24).shows(1),
            "steps that do not exist are no reason to panic"
        );
    }
}
