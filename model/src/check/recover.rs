//! Recoverability: from every reachable state, the goal stays reachable by what happens of itself, without faults and
//! without new work (AG EF). One backward closure over the explored graph. States from which an unexplored state can be
//! reached get no verdict: what lies beyond the bounds might save them.
//!
//! This needs no fairness; it finds livelock, deadlock and recoveries that are stuck. It does not say that the goal
//! *will* be reached, only that it always still can be.

/// What is known of a state.
pub(super) const GOAL: u8 = 1;
/// Its successors are not all explored.
pub(super) const EDGE: u8 = 2;

/// The moves of the explored graph that happen of themselves.
#[derive(Default)]
pub(super) struct Recoveries {
    /// Per expanded state in order, where its targets end.
    ends: Vec<usize>,
    targets: Vec<u32>,
    /// Per state, [`GOAL`] and [`EDGE`].
    pub(super) flags: Vec<u8>,
}

/// The outcome.
pub(super) struct Closure {
    /// Goal reachable.
    pub(super) decided: u64,
    /// Goal not reachable, but an unexplored state.
    pub(super) undecided: u64,
    /// The first state, in order of discovery, from which neither is reachable.
    pub(super) stuck: Option<u32>,
}

impl Recoveries {
    /// The moves so far were those of the next state in order.
    pub(super) fn end_state(&mut self) {
        self.ends.push(self.targets.len());
    }

    pub(super) fn add(&mut self, target: u32) {
        self.targets.push(target);
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.ends.capacity() * size_of::<usize>() + self.targets.capacity() * 4 + self.flags.capacity()
    }

    /// Judges every state. States that were never expanded count as [`EDGE`].
    pub(super) fn close(&self) -> Closure {
        let states = self.flags.len();
        let sources = self.backward();
        let mut reach = vec![0u8; states];
        for flag in [GOAL, EDGE] {
            let is_seed = |n: usize| self.flags[n] & flag != 0 || (flag == EDGE && n >= self.ends.len());
            let mut todo: Vec<u32> = (0..states as u32).filter(|n| is_seed(*n as usize)).collect();
            todo.iter().for_each(|n| reach[*n as usize] |= flag);
            while let Some(state) = todo.pop() {
                let (from, to) = (sources.0[state as usize], sources.0[state as usize + 1]);
                for &source in &sources.1[from..to] {
                    if reach[source as usize] & flag == 0 {
                        reach[source as usize] |= flag;
                        todo.push(source);
                    }
                }
            }
        }
        let decided = reach.iter().filter(|r| **r & GOAL != 0).count() as u64;
        let undecided = reach.iter().filter(|r| **r == EDGE).count() as u64;
        let stuck = reach.iter().position(|r| *r == 0).map(|n| n as u32);
        Closure { decided, undecided, stuck }
    }

    /// The same moves, by target.
    fn backward(&self) -> (Vec<usize>, Vec<u32>) {
        let mut starts = vec![0usize; self.flags.len() + 1];
        self.targets.iter().for_each(|target| starts[*target as usize + 1] += 1);
        (1..starts.len()).for_each(|n| starts[n] += starts[n - 1]);
        let mut fill = starts.clone();
        let mut sources = vec![0u32; self.targets.len()];
        let mut from = 0;
        for (source, &to) in self.ends.iter().enumerate() {
            for &target in &self.targets[from..to] {
                sources[fill[target as usize]] = source as u32;
                fill[target as usize] += 1;
            }
            from = to;
        }
        (starts, sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(flags: &[u8], edges: &[&[u32]]) -> Recoveries {
        let mut graph = Recoveries { flags: flags.to_vec(), ..Recoveries::default() };
        for targets in edges {
            targets.iter().for_each(|target| graph.add(*target));
            graph.end_state();
        }
        graph
    }

    #[test]
    fn a_livelock_is_stuck_and_a_detour_is_not() {
        // 0 → 1 → goal 2; 0 → 3 ⇄ 4.
        let closure = graph(&[0, 0, GOAL, 0, 0], &[&[1, 3], &[2], &[], &[4], &[3]]).close();
        assert_eq!((closure.decided, closure.undecided, closure.stuck), (3, 0, Some(3)));
    }

    #[test]
    fn what_may_be_saved_beyond_the_bounds_gets_no_verdict() {
        let closure = graph(&[0, 0, EDGE, GOAL], &[&[1, 3], &[2], &[], &[]]).close();
        assert_eq!((closure.decided, closure.undecided, closure.stuck), (2, 2, None));
        // State 2 was never expanded.
        let closure = graph(&[0, 0, 0], &[&[1], &[2]]).close();
        assert_eq!((closure.decided, closure.undecided, closure.stuck), (0, 3, None));
    }
}
