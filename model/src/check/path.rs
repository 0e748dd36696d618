//! From numbers back to a story: the moves that lead to a state, and the same as choices at their true times with the
//! labels of scenario text. The story is told by performing it once more, on a world without a scope, so that a path
//! that only exists because of a reduction of time is noticed.

use super::{
    moves::{Graph, Next, Watch},
    report::{Path, Step},
};
use crate::{
    scenario::{exact, label},
    world::{Applied, Key, Nobody, Protocol, Req, Scope, Time, Violation, World},
};
use std::sync::Arc;

use super::Move;

/// For each state in order of discovery, its parent and which move of the parent's led to it. The first is its own.
#[derive(Default)]
pub(super) struct Parents(Vec<(u32, u32)>);

impl Parents {
    pub(super) fn push(&mut self, parent: u32, step: u32) {
        self.0.push((parent, step));
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * 8
    }

    /// The moves' numbers from the first state to this one.
    fn steps_to(&self, mut state: u32) -> Vec<u32> {
        let mut steps = Vec::new();
        while state != 0 {
            let (parent, step) = self.0[state as usize];
            steps.push(step);
            state = parent;
        }
        steps.reverse();
        steps
    }

    /// The moves from the first state to this one, and one more if asked for.
    pub(super) fn moves_to<P: Protocol>(
        &self,
        protocol: &Arc<P>,
        graph: &Graph<'_, P>,
        state: u32,
        last: Option<u32>,
    ) -> Vec<Move<P>> {
        let steps = self.steps_to(state).into_iter().chain(last);
        follow(protocol, graph, steps).0
    }

    /// A state.
    pub(super) fn world_at<P: Protocol>(
        &self,
        protocol: &Arc<P>,
        graph: &Graph<'_, P>,
        state: u32,
    ) -> World<P> {
        follow(protocol, graph, self.steps_to(state).into_iter()).1
    }
}

/// Follows moves by their numbers: the moves, and where they lead.
fn follow<P: Protocol>(
    protocol: &Arc<P>,
    graph: &Graph<'_, P>,
    steps: impl Iterator<Item = u32>,
) -> (Vec<Move<P>>, World<P>) {
    let mut world = World::start(Arc::clone(protocol), graph.scope);
    let (mut choices, mut moves, mut watch) = (Vec::new(), Vec::new(), Watch::default());
    let mut path = Vec::new();
    for step in steps {
        let _ = graph.moves(&world, &mut choices, &mut moves);
        let step = moves.swap_remove(step as usize);
        if let Next::State(next) = graph.next(&world, &step, &mut watch) {
            world = next;
        }
        path.push(step);
    }
    (path, world)
}

/// Performs moves on a world without a scope. The violation that they lead to, if any, judged after the last.
pub(super) fn tell<P: Protocol>(
    protocol: &Arc<P>,
    scope: &Scope<Req<P>>,
    moves: Vec<Move<P>>,
) -> (Path<P>, Option<Violation>) {
    let all = moves.len();
    story(protocol, scope, moves, all)
}

/// The same, but only the first `most` moves are performed; the one after them is named.
pub(super) fn story<P: Protocol>(
    protocol: &Arc<P>,
    scope: &Scope<Req<P>>,
    moves: Vec<Move<P>>,
    most: usize,
) -> (Path<P>, Option<Violation>) {
    let mut world = World::new(Arc::clone(protocol), scope.memory);
    let (mut at, mut steps, mut broken) = (Time(0), Vec::new(), None);
    for (n, step) in moves.iter().enumerate() {
        let Move::Do(choice) = step else {
            at = at.after(scope.tick);
            continue;
        };
        let entry = exact(&world, at, choice);
        steps.push(Step { at, choice: choice.clone(), label: label(&world, choice), entry });
        if n >= most {
            break;
        }
        match world.apply(at, choice, Key::ANY, &mut Nobody) {
            Ok(Applied::Done) => {}
            Ok(Applied::Stale | Applied::Blocked) => break,
            Err(violation) => {
                broken = Some(violation);
                break;
            }
        }
    }
    let broken = broken.or_else(|| world.check().err());
    (Path { moves, steps }, broken)
}
