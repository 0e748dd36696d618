//! Recovery of a store from a spoiled image: a good store's files with bytes changed, files cut, removed, swapped or
//! invented. Whatever it makes of that, it opens or refuses; it does not panic, and it does not loop.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use onceward_core::{
    Action, Clock, DiskOp, Input, Machine, OpId, Path,
    log::{
        api::{Expected, Filter, Name, NewEvent, Part, Query, Request},
        store::{Config, EventStore},
    },
};
use onceward_model::world::disk::{Disk, Geometry, Image, Outcome};
use std::{collections::VecDeque, sync::OnceLock};

#[derive(Arbitrary, Debug)]
struct Spoiled {
    edits: Vec<Edit>,
    full_scan: bool,
}

#[derive(Arbitrary, Debug)]
enum Edit {
    /// Changes bytes of a file.
    Bytes { file: u8, at: u16, with: Vec<u8> },
    /// Cuts or extends a file.
    Length { file: u8, to: u16 },
    /// Removes a file.
    Remove { file: u8 },
    /// Swaps the contents of two files.
    Swap { one: u8, other: u8 },
    /// Copies a piece of one file to another place.
    Move { from: u8, at: u16, len: u16, to: u8, there: u16 },
    /// Puts a file of any name there.
    Invent { name: u8, bytes: Vec<u8> },
}

fuzz_target!(|spoiled: Spoiled| {
    let mut image = good().clone();
    spoiled.edits.iter().take(16).for_each(|edit| spoil(&mut image, edit));
    let mut store = Hosted::boot(Disk::from_image(Geometry::SIMULATED, &image), spoiled.full_scan);
    store.run();
    let query = Query { filter: Filter::All, from: 0, limit: 1000, max_bytes: 1 << 20, wait: None };
    for request in [Request::Read(query), append(99), Request::Verify, Request::Status] {
        store.ask(request);
    }
    assert!(store.answers >= 4, "only {} of 4 calls were answered", store.answers);
});

fn config(full_scan: bool) -> Config {
    let mut config = Config::new(Path::root(), 7);
    config.segments.segment_bytes = 4096;
    config.segments.preallocate = false;
    config.segments.reserve_bytes = 0;
    config.segments.full_scan = full_scan;
    config
}

/// The files of a store with a few segments.
fn good() -> &'static Image {
    static GOOD: OnceLock<Image> = OnceLock::new();
    GOOD.get_or_init(|| {
        let mut store = Hosted::boot(Disk::new(Geometry::SIMULATED), false);
        store.run();
        (0..40).for_each(|n| store.ask(append(n)));
        store.disk.cache_image()
    })
}

fn append(n: u128) -> Request {
    let name = |text: &str| Name::new(text).unwrap();
    let events = (0..3)
        .map(|e| NewEvent {
            id: onceward_core::log::api::EventId(n << 8 | e),
            kind: name("kind"),
            scope: name("scope"),
            correlation: None,
            causation: None,
            payload: vec![n as u8; 60].into(),
        })
        .collect();
    let part =
        Part { entity: name(["a", "b", "c"][n as usize % 3]), expected: Expected::Any, key: None, events };
    Request::Append { parts: vec![part], deadline: None }
}

fn spoil(image: &mut Image, edit: &Edit) {
    let names: Vec<Path> = image.files.keys().cloned().collect();
    let named = |n: &u8| names.get(usize::from(*n) % names.len().max(1)).cloned();
    match edit {
        Edit::Bytes { file, at, with } => {
            if let Some(bytes) = named(file).and_then(|name| image.files.get_mut(&name)) {
                overwrite(bytes, usize::from(*at), with);
            }
        }
        Edit::Length { file, to } => {
            if let Some(bytes) = named(file).and_then(|name| image.files.get_mut(&name)) {
                bytes.resize(usize::from(*to) % 20_000, 0);
            }
        }
        Edit::Remove { file } => {
            if let Some(name) = named(file) {
                image.files.remove(&name);
            }
        }
        Edit::Swap { one, other } => {
            if let (Some(one), Some(other)) = (named(one), named(other))
                && let (Some(a), Some(b)) = (image.files.remove(&one), image.files.remove(&other))
            {
                image.files.insert(one, b);
                image.files.insert(other, a);
            }
        }
        Edit::Move { from, at, len, to, there } => {
            let Some(piece) = named(from).and_then(|name| image.files.get(&name)).map(|bytes| {
                let start = usize::from(*at).min(bytes.len());
                bytes[start..(start + usize::from(*len)).min(bytes.len())].to_vec()
            }) else {
                return;
            };
            if let Some(bytes) = named(to).and_then(|name| image.files.get_mut(&name)) {
                overwrite(bytes, usize::from(*there), &piece);
            }
        }
        Edit::Invent { name, bytes } => {
            let known = ["00000000000000000009.seg", "x", "00000000000000000002.seg.tmp", "reserve"];
            image.files.insert(Path::from(known[usize::from(*name) % known.len()]), bytes.clone());
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    let start = at.min(bytes.len());
    let len = with.len().min(bytes.len() - start);
    bytes[start..start + len].copy_from_slice(&with[..len]);
}

/// A store on a disk that does everything at once.
struct Hosted {
    node: EventStore,
    disk: Disk,
    todo: VecDeque<OpId>,
    timers: Vec<<EventStore as onceward_core::Node>::Timer>,
    calls: u64,
    answers: u64,
}

impl Hosted {
    fn boot(disk: Disk, full_scan: bool) -> Hosted {
        let node = EventStore::new(config(full_scan)).expect("the settings are valid");
        let mut hosted =
            Hosted { node, disk, todo: VecDeque::new(), timers: Vec::new(), calls: 0, answers: 0 };
        hosted.step(Input::Boot);
        hosted
    }

    fn ask(&mut self, request: Request) {
        self.calls += 1;
        let call = onceward_core::CallId { number: self.calls, ..Default::default() };
        self.step(Input::Call(call, request));
        self.run();
    }

    fn step(&mut self, input: onceward_core::NodeInput<EventStore>) {
        let mut actions = Vec::new();
        self.node.step(Clock::default(), input, &mut actions);
        for action in actions {
            match action {
                Action::Disk(op, what) => {
                    assert!(
                        !matches!(&what, DiskOp::Read { len, .. } if *len > 1 << 26),
                        "a read of {what:?}"
                    );
                    self.disk.submit(op, what);
                    self.todo.push_back(op);
                }
                Action::Reply(..) => self.answers += 1,
                Action::Arm(timer, _) => {
                    self.timers.retain(|t| *t != timer);
                    self.timers.push(timer);
                }
                Action::Disarm(timer) => self.timers.retain(|t| *t != timer),
                _ => {}
            }
        }
    }

    /// Runs until nothing is left to be done but what waits for time to pass.
    fn run(&mut self) {
        for _ in 0..100_000 {
            let ready = self.todo.iter().position(|op| self.disk.can_start(*op));
            let Some(op) = ready.and_then(|at| self.todo.remove(at)) else { return };
            if let Some(result) = self.disk.complete(op, &Outcome::Ok) {
                self.step(Input::Disk(op, result));
            }
        }
        panic!("the store never comes to rest");
    }
}
