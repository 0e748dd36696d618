//! Derived data is a hint: with footers cut off, spoiled, or left from a shorter segment, a store that opens gives the
//! same history in every way of reading, and the same answers to retries.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use onceward_core::{
    Action, CallId, Clock, Input, Machine, NodeInput, OpId, Path,
    log::{
        api::{EventId, Expected, Filter, Key, Name, NewEvent, Part, Query, Request, Response, Verified},
        store::{Config, EventStore},
    },
};
use onceward_model::world::disk::{Disk, Geometry, Image, Outcome};

/// A store on a disk that does everything at once.
struct Hosted {
    node: EventStore,
    disk: Disk,
    todo: Vec<OpId>,
    calls: u64,
    replies: Vec<Response>,
    marks: Vec<&'static str>,
}

impl Hosted {
    fn open(disk: Disk) -> Hosted {
        let mut config = Config::new(Path::root(), 7);
        config.segments.segment_bytes = 2048;
        config.segments.reserve_bytes = 0;
        let node = EventStore::new(config).unwrap();
        let mut hosted =
            Hosted { node, disk, todo: Vec::new(), calls: 0, replies: Vec::new(), marks: Vec::new() };
        hosted.step(Input::Boot);
        hosted
    }

    fn step(&mut self, input: NodeInput<EventStore>) {
        let mut actions = Vec::new();
        self.node.step(Clock::default(), input, &mut actions);
        for action in actions {
            match action {
                Action::Disk(op, what) => {
                    self.disk.submit(op, what);
                    self.todo.push(op);
                }
                Action::Reply(_, response) => self.replies.push(response),
                Action::Mark(mark) => self.marks.push(mark.0),
                _ => {}
            }
        }
        while let Some(at) = self.todo.iter().position(|op| self.disk.can_start(*op)) {
            let op = self.todo.remove(at);
            let result = self.disk.complete(op, &Outcome::Ok).unwrap();
            self.step(Input::Disk(op, result));
        }
    }

    fn ask(&mut self, request: Request) -> Response {
        self.calls += 1;
        self.step(Input::Call(CallId { number: self.calls, ..CallId::default() }, request));
        self.replies.pop().expect("an answer at once")
    }
}

fn append(n: u128) -> Request {
    let name = |text: &str| Name::new(text).unwrap();
    let event = NewEvent {
        id: EventId(n + 1),
        kind: name(["made", "paid"][n as usize % 2]),
        scope: name("scope"),
        correlation: (n > 5).then_some(EventId(n / 4 + 1)),
        causation: (n > 0).then_some(EventId(n)),
        payload: Bytes::from(vec![n as u8; 50]),
    };
    let entity = name(["a", "b", "c"][n as usize % 3]);
    let part = Part { entity, expected: Expected::Any, key: Some(Key(n)), events: vec![event] };
    Request::Append { parts: vec![part], deadline: None }
}

/// The files of a closed store of several segments.
fn closed() -> Image {
    let mut store = Hosted::open(Disk::new(Geometry::SIMULATED));
    for n in 0..40 {
        assert!(matches!(store.ask(append(n)), Response::Appended(_)));
    }
    store.ask(Request::SaveCursor { reader: Name::new("reader").unwrap(), position: 17 });
    store.ask(Request::Shutdown);
    store.disk.durable_image()
}

/// Everything that can be asked of a store, each answer as text.
fn history(image: &Image) -> (Vec<String>, Vec<&'static str>) {
    let mut store = Hosted::open(Disk::from_image(Geometry::SIMULATED, image));
    let name = |text: &str| Name::new(text).unwrap();
    let mut filters = vec![Filter::All, Filter::Scope(name("scope"))];
    filters.extend(["a", "b", "c"].map(|entity| Filter::Entity(name(entity))));
    filters.extend(["made", "paid"].map(|kind| Filter::Kind(name(kind))));
    for n in [1, 2, 20, 40] {
        let id = EventId(n);
        filters.extend([
            Filter::Id(id),
            Filter::Correlation(id),
            Filter::CausesOf(id),
            Filter::EffectsOf(id),
        ]);
    }
    let query = |filter| Query { filter, from: 0, limit: 1000, max_bytes: 1 << 20, wait: None };
    let mut asked: Vec<Request> = filters.into_iter().map(|filter| Request::Read(query(filter))).collect();
    asked.extend(["a", "b", "c", "d"].map(|entity| Request::Head { entity: name(entity) }));
    asked.push(Request::LoadCursor { reader: name("reader") });
    asked.push(Request::Verify);
    // Retries of old and new work, and new work.
    asked.extend([0, 7, 39, 40].map(append));
    let told = |answer| match answer {
        // In how many files it is kept is no part of a history.
        Response::Verified(Verified { events, entities, digest, segments: _ }) => {
            format!("{events} events of {entities} entities verify: {digest:?}")
        }
        answer => format!("{answer:?}"),
    };
    let answers = asked.into_iter().map(|request| told(store.ask(request))).collect();
    (answers, store.marks)
}

/// Where a sealed file's seal starts.
fn seal(file: &[u8]) -> Option<usize> {
    let trailer = file.len().checked_sub(16)?;
    let at = u64::from_le_bytes(file.get(trailer + 4..trailer + 12)?.try_into().ok()?);
    file[trailer..].starts_with(b"OWTR").then_some(at as usize)
}

#[test]
fn footers_that_are_missing_spoiled_or_stale_change_no_answer() {
    let whole = closed();
    let (expected, marks) = history(&whole);
    assert!(marks.contains(&"footer taken over"), "{marks:?}");
    let sealed = whole.files.iter().filter(|(_, file)| seal(file).is_some());
    let sealed: Vec<Path> = sealed.map(|(path, _)| path.clone()).collect();
    assert!(sealed.len() > 3, "{} sealed segments", sealed.len());
    type Spoil = fn(&mut Vec<u8>, usize);
    let ways: [(&str, Spoil); 5] = [
        ("cut off", |file, seal| file.truncate(seal)),
        ("without a trailer", |file, _| file.truncate(file.len() - 16)),
        ("zeroed", |file, seal| file[seal..].fill(0)),
        ("with another bit in its body", |file, seal| file[seal + 150] ^= 4),
        ("with another bit in its trailer", |file, _| *file.last_mut().unwrap() ^= 1),
    ];
    for (way, spoil) in ways {
        // Each by itself, and all of them.
        for victims in sealed.iter().map(std::slice::from_ref).chain([&sealed[..]]) {
            let mut image = whole.clone();
            for path in victims {
                let file = image.files.get_mut(path).unwrap();
                let at = seal(file).unwrap();
                spoil(file, at);
            }
            let (answers, marks) = history(&image);
            if victims.len() == sealed.len() {
                assert!(!marks.contains(&"footer taken over"), "{way}: {marks:?}");
            }
            for (answer, expected) in answers.iter().zip(&expected) {
                assert_eq!(answer, expected, "{way}: {victims:?}");
            }
        }
    }
}
