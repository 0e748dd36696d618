//! Paths of a bounded world as bytes, for a fuzzer: the first byte names one of the system's scopes, and each move is as
//! many bytes as the number of moves that are possible there needs, stretched over them. So any bytes are a path, a path
//! is bytes again, and what a fuzzer has found can be told as a scenario of exact steps. A panic of a machine is for the
//! caller to catch: the [`Walk`] then holds the move that led to it.

use super::{
    Move, Path,
    moves::{Graph, Watch},
    path::story,
};
use crate::{
    scenario::{Entry, NotPossible, Planned, Profile, Scenario, Why, locate, replay_exact},
    system::{NamedScope, System},
    world::{Applied, Bound, Nobody, Protocol, Time, Violation, World},
};
use std::sync::Arc;

/// Longer paths are cut: what a fuzzer finds is to be read by somebody.
const LONGEST: usize = 2_000;

/// A path through a scope as bytes choose it.
pub struct Walk<P: Protocol> {
    scope: NamedScope<P>,
    moves: Vec<Move<P>>,
}

impl<P: Protocol> Walk<P> {
    /// The scope that the first of these bytes names; none if there is no byte or no scope.
    pub fn new<S: System<Protocol = P>>(bytes: &[u8]) -> Option<Walk<P>> {
        let mut scopes = S::scopes();
        let at = usize::from(*bytes.first()?).checked_rem(scopes.len())?;
        Some(Walk { scope: scopes.swap_remove(at), moves: Vec::new() })
    }

    /// Makes the moves that the bytes after the first choose, until they are used up, nothing is possible any more, or a
    /// promise is broken.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn go(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let NamedScope { protocol, scope, .. } = &self.scope;
        let graph = Graph { scope, skip_no_ops: false };
        let mut world = World::start(Arc::clone(protocol), scope);
        let (mut choices, mut possible, mut watch) = (Vec::new(), Vec::new(), Watch::default());
        let mut rest = bytes.get(1..).unwrap_or_default();
        while self.moves.len() < LONGEST {
            let _: Bound = graph.moves(&world, &mut choices, &mut possible);
            let wide = width(possible.len());
            if possible.is_empty() || rest.len() < wide {
                break;
            }
            let (pick, after) = rest.split_at(wide);
            rest = after;
            let step = possible.swap_remove(picked(pick, possible.len()));
            self.moves.push(step.clone());
            // In place: whatever breaks here ends the walk.
            graph.make(&mut world, &step, &mut watch)?;
            world.check()?;
        }
        Ok(())
    }

    /// The name of the scope.
    pub fn scope(&self) -> &'static str {
        self.scope.name
    }

    /// The path, and the promise that it breaks when it is performed once more. `panics`: its last move makes a machine
    /// panic, and is named only.
    pub fn path(&self, panics: bool) -> (Path<P>, Option<Violation>) {
        let most = self.moves.len() - usize::from(panics && !self.moves.is_empty());
        story(&self.scope.protocol, &self.scope.scope, self.moves.clone(), most)
    }

    /// The path as a scenario of exact steps, without an expectation.
    pub fn scenario(&self, panics: bool) -> (Scenario<P>, Option<Violation>) {
        let (path, violation) = self.path(panics);
        let scenario = Scenario {
            about: String::new(),
            header: self.scope.header.clone(),
            profile: Profile::none(),
            seed: 0,
            entries: path.steps.into_iter().map(|step| step.entry).collect(),
            expect: Vec::new(),
        };
        (scenario, violation)
    }
}

/// What a fuzz target does with its bytes: nothing may break.
///
/// # Panics
/// The bytes lead to a broken promise, or to a panic of a machine.
pub fn fuzz<S: System>(bytes: &[u8]) {
    if let Some(mut walk) = Walk::new::<S>(bytes)
        && let Err(violation) = walk.go(bytes)
    {
        panic!("{} {}: {violation}: {:#?}", S::NAME, walk.scope(), violation.evidence);
    }
}

/// A scenario that is no path through any scope of its system.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoPath {
    /// No scope has its cluster and settings.
    #[error("no scope has this cluster with these settings; there are {0}")]
    NoScope(String),
    /// It says more than exact steps.
    #[error("{0}")]
    NotExact(NotPossible),
    /// A step is outside every scope that it could be of.
    #[error("{step} is no step of the scope {scope}: it is beyond its bounds, or not possible there")]
    Outside {
        /// The step, from 1, and what it says.
        step: String,
        /// The scope in which it comes furthest.
        scope: &'static str,
    },
    /// The system has more scopes than a byte can tell apart.
    #[error("the system has more than 256 scopes")]
    TooManyScopes,
}

/// A scenario of exact steps as bytes that choose the same path.
///
/// # Errors
/// It is no path through any of the system's scopes.
pub fn encode<S: System>(scenario: &Scenario<S::Protocol>) -> Result<Vec<u8>, NoPath> {
    let scopes = S::scopes();
    let ours = scopes.iter().enumerate().filter(|(_, scope)| scope.header == scenario.header);
    let mut furthest: Option<(usize, NoPath)> = None;
    for (number, scope) in ours {
        let first = u8::try_from(number).map_err(|_| NoPath::TooManyScopes)?;
        match through(scope, &scenario.entries) {
            Ok(picks) => return Ok(std::iter::once(first).chain(picks).collect()),
            Err((far, why)) if furthest.as_ref().is_none_or(|(best, _)| far > *best) => {
                furthest = Some((far, why));
            }
            Err(_) => {}
        }
    }
    Err(furthest.map_or_else(
        || NoPath::NoScope(scopes.iter().map(|scope| scope.name).collect::<Vec<_>>().join(", ")),
        |(_, why)| why,
    ))
}

/// The picks that lead along these steps; if they do not, how far they do.
fn through<P: Protocol>(named: &NamedScope<P>, entries: &[Entry<P>]) -> Result<Vec<u8>, (usize, NoPath)> {
    let NamedScope { name, protocol, scope, .. } = named;
    let graph = Graph { scope, skip_no_ops: false };
    // Names are those of a world without a scope, in which true time passes: the two go side by side.
    let mut plain = World::new(Arc::clone(protocol), scope.memory);
    let mut world = World::start(Arc::clone(protocol), scope);
    let (mut choices, mut possible, mut watch) = (Vec::new(), Vec::new(), Watch::default());
    let (mut picks, mut now) = (Vec::new(), Time(0));
    for (n, entry) in entries.iter().enumerate() {
        let outside = || {
            let what = match &entry.what {
                Planned::Step(label) => format!("step {} (`{label}`)", n + 1),
                _ => format!("step {}", n + 1),
            };
            (n, NoPath::Outside { step: what, scope: name })
        };
        let choice = match &entry.what {
            Planned::Do(choice) => choice.clone(),
            Planned::Step(label) => locate(&plain, label).ok_or_else(outside)?,
            Planned::Next(..) => {
                let at = entry.at;
                let what = "next OPERATION of NODE ...".to_owned();
                let timed = NotPossible { entry: n, at, what, why: Why::Timed, nearest: Vec::new() };
                return Err((n, NoPath::NotExact(timed)));
            }
        };
        let mut wanted = Vec::new();
        while now < entry.at {
            wanted.push(Move::Tick);
            if scope.tick.0 == 0 || wanted.len() > LONGEST {
                return Err(outside());
            }
            now = now.after(scope.tick);
        }
        if now > entry.at {
            return Err(outside());
        }
        wanted.push(Move::Do(choice));
        for step in wanted {
            let _: Bound = graph.moves(&world, &mut choices, &mut possible);
            let at = possible.iter().position(|other| *other == step).ok_or_else(outside)?;
            picks.extend(picking(at, possible.len()));
            if graph.make(&mut world, &step, &mut watch).is_err() {
                // A broken promise ends the path; so must the scenario.
                return if n + 1 == entries.len() { Ok(picks) } else { Err(outside()) };
            }
        }
        match replay_exact(
            &mut plain,
            std::slice::from_ref(entry),
            crate::scenario::Mode::Replay,
            &mut Nobody,
        ) {
            Ok(_) => {}
            Err(why) => return Err((n, NoPath::NotExact(why))),
        }
    }
    Ok(picks)
}

impl<P: Protocol> Graph<'_, P> {
    /// Makes a move in place.
    fn make(&self, world: &mut World<P>, step: &Move<P>, watch: &mut Watch) -> Result<(), Violation> {
        match step {
            Move::Tick => world.tick(self.scope),
            Move::Do(choice) => {
                let _: Applied = world.apply_in(self.scope, choice, watch)?;
            }
        }
        Ok(())
    }
}

/// How many bytes tell so many things apart; one at least.
fn width(count: usize) -> usize {
    (1..).find(|wide| *wide >= 4 || count <= 1 << (8 * wide)).unwrap_or(4)
}

/// Which of so many things these bytes mean: the whole range of the bytes is stretched over them.
fn picked(bytes: &[u8], count: usize) -> usize {
    let pick = bytes.iter().fold(0u64, |pick, byte| pick << 8 | u64::from(*byte));
    ((pick * count as u64) >> (8 * bytes.len())) as usize
}

/// The bytes that mean this one of so many things.
fn picking(at: usize, count: usize) -> Vec<u8> {
    let wide = width(count);
    let pick = ((at as u64) << (8 * wide)).div_ceil(count as u64);
    pick.to_be_bytes()[8 - wide..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::{Limits, run_named},
        scenario,
        system::System,
        systems::log::LogSystem,
        toy::ToySystem,
    };

    #[test]
    fn whatever_is_picked_can_be_written_and_is_picked_again() {
        for count in [1, 2, 3, 7, 255, 256, 257, 1_000, 20_000, 65_536, 65_537, 1 << 20] {
            for at in [0, 1, 2, count / 3, count / 2, count - 1].into_iter().filter(|at| *at < count) {
                let bytes = picking(at, count);
                assert_eq!((bytes.len(), picked(&bytes, count)), (width(count), at), "{at} of {count}");
            }
            let most = vec![u8::MAX; width(count)];
            assert_eq!((picked(&most, count), picked(&vec![0; width(count)], count)), (count - 1, 0));
        }
    }

    /// Bytes without any pattern, the same each time.
    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        };
        (0..len).map(|_| next()).collect()
    }

    fn round<S: System>(paths: u64) {
        let mut longest = 0;
        for seed in 0..paths {
            let bytes = noise(seed, 120);
            let mut walk = Walk::new::<S>(&bytes).unwrap();
            walk.go(&bytes).unwrap();
            let (told, violation) = walk.scenario(false);
            assert_eq!(violation, None);
            longest = longest.max(told.entries.len());
            let text = scenario::print(&*walk.scope.protocol, &told);
            let read = scenario::parse::<S>(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let again = encode::<S>(&read).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let mut back = Walk::new::<S>(&again).unwrap();
            back.go(&again).unwrap();
            let back = scenario::print(&*walk.scope.protocol, &back.scenario(false).0);
            assert_eq!(back, text, "{} and back", walk.scope());
        }
        assert!(longest > 20, "no path has more than {longest} steps");
    }

    #[test]
    fn paths_of_the_toy_are_bytes_and_bytes_are_paths() {
        round::<ToySystem>(60);
    }

    #[test]
    fn paths_of_the_store_are_bytes_and_bytes_are_paths() {
        round::<LogSystem>(40);
    }

    #[test]
    fn what_no_scope_can_do_is_named() {
        let read = |text: &str| scenario::parse::<ToySystem>(text).unwrap();
        let header = "system toy\ncluster server client\nconfig lease=0ms retry=0ms\nprofile none\n\n";
        let no = |text: &str| encode::<ToySystem>(&read(text)).unwrap_err().to_string();
        insta::assert_snapshot!(
            [
                no("system toy\ncluster server client*9\nprofile none\n\nat 0ms client-1 adds\n"),
                no(&format!(
                    "{header}at 0ms server boots\nstep client-1 boots\nstep server's clock freezes\n"
                )),
                no(&format!("{header}at 0ms server boots\nat 3ms client-1 boots\n")),
                no(&format!("{header}at 0ms server boots\nstep server syncs elsewhere\n")),
                no(&format!("{header}at 0ms server boots\nat 0ms next sync of server lies\n")),
            ]
            .join("\n")
        );
    }

    #[test]
    fn what_a_check_finds_is_what_bytes_find() {
        // A device that lies is beyond what the toy promises to survive.
        let mut scope = ToySystem::scopes().remove(1);
        scope.scope.disk = crate::world::disk::Faults { lies: true, ..crate::world::disk::Faults::NONE };
        let report = run_named::<ToySystem>(&scope, &Limits::default());
        let found = report.counterexample().unwrap();
        let picks = through(&scope, &found.scenario(&scope.header).entries).unwrap();
        let bytes: Vec<u8> = std::iter::once(0).chain(picks).collect();
        let mut walk = Walk { scope, moves: Vec::new() };
        let violation = walk.go(&bytes).unwrap_err();
        assert_eq!((violation.promise, walk.moves.len()), (found.violation.promise, found.path.moves.len()));
        assert_eq!(walk.path(false).1.map(|violation| violation.promise), Some(found.violation.promise));
    }
}
