//! What the real broker did with real files, its two disk threads and the syncs that come before they are asked for
//! included, is done again on the simulated disk, which then loses power at any moment. What is left is served by the real
//! broker, and read by the real client: every message that had been acknowledged by then is there, at its offset, once;
//! a producer's messages are there up to one of them and none behind it; a commit that was acknowledged holds.
//!
//! A driver that says that it synced, and did not, must not pass.
#![cfg(all(feature = "serve", feature = "topic"))]
#![allow(clippy::unwrap_used)]

mod support;

use onceward::driver::record::{Recorded, Recording};
use onceward::serve::{Options, Server};
use onceward::topic::{
    ClientOptions, Consumer, Message, Outcome, ReaderOptions, Settings, TopicClient, WriterOptions, settings,
};
use onceward_core::Dur;
use onceward_model::world::disk::Image;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::losses::{Dice, Lie, losses, memory, read_back, write_out};
use tokio::runtime::Runtime;

const PARTITIONS: u32 = 2;
const PRODUCERS: u32 = 3;
/// Of each producer.
const MESSAGES: u64 = 40;

/// What clients were told, and how many file operations had been started by then.
struct Note {
    operations: usize,
    told: Told,
}

#[derive(Clone, Copy, Debug)]
enum Told {
    Created,
    Written { producer: u32, number: u64, offset: u64 },
    Committed { partition: u32, upto: u64 },
}

struct Life {
    before: Image,
    operations: Vec<Recorded>,
    notes: Vec<Note>,
}

/// Everything small, so that a short life fills, drains, cuts and removes.
fn options(folder: &Path) -> Options {
    let mut options = Options { listen: "127.0.0.1:0".into(), ..Options::new(folder) };
    options.config.segments.segment_bytes = 16 << 10;
    options.config.segments.reserve_bytes = 0;
    options.config.checkpoint_bytes = 16 << 10;
    options.config.pool.segment_bytes = 6 << 10;
    options.config.pool.flush_bytes = 6 << 10;
    options.config.pool.flush_interval = Some(Dur::millis(5));
    options
}

fn connect(server: &Server) -> TopicClient {
    TopicClient::new(ClientOptions::new(&server.address().to_string(), "/local").unwrap()).unwrap()
}

fn producer(number: u32) -> String {
    format!("producer-{number}")
}

fn text(producer: u32, number: u64) -> String {
    let filling = "y".repeat((number * 131 + u64::from(producer) * 57) as usize % 900);
    format!("{producer} {number} {filling}")
}

/// Serves a folder to producers and a reader who commits.
fn live(folder: &Path) -> Life {
    // The folder's marker is made before there is a machine.
    options(folder).start().unwrap().stop().unwrap();
    let before = read_back(folder);
    let recording = Arc::new(Recording::new());
    let server = Options { recorder: Some(recording.clone()), ..options(folder) }.start().unwrap();
    let notes = Arc::new(Mutex::new(Vec::new()));
    let note = |told| {
        let mut notes = notes.lock().unwrap();
        notes.push(Note { operations: recording.started(), told });
    };
    Runtime::new().unwrap().block_on(async {
        let client = connect(&server);
        let consumers = ["app", "judge"].map(|name| (Arc::from(name), Consumer::default())).into();
        client.create("t", &Settings { consumers, ..settings(PARTITIONS) }).await.unwrap();
        note(Told::Created);
        let writes = (0..PRODUCERS).map(|of| {
            let (client, note) = (&client, &note);
            async move {
                let mut options = WriterOptions::new("t", producer(of));
                options.core.partition = Some(of % PARTITIONS);
                let writer = client.writer(options).unwrap();
                for number in 0..MESSAGES {
                    let answer = writer.write(Message::raw(text(of, number))).await.unwrap();
                    let Outcome::Written { offset } = answer.await.unwrap().outcome else { panic!("known") };
                    note(Told::Written { producer: of, number, offset });
                }
                writer.close().await.unwrap();
            }
        });
        let reads = async {
            let reader = client.reader(ReaderOptions::new("t", "app")).unwrap();
            let mut read = 0;
            while read < u64::from(PRODUCERS) * MESSAGES {
                let batch = reader.read().await.unwrap();
                read += batch.messages.len() as u64;
                reader.commit(&batch).await.unwrap();
                let upto = batch.messages.last().unwrap().offset + 1;
                note(Told::Committed { partition: batch.partition, upto });
            }
            reader.close().await.unwrap();
        };
        let (mut writes, mut reads) = (std::pin::pin!(all(writes)), std::pin::pin!(reads));
        tokio::select! {
            () = &mut writes => reads.await,
            () = &mut reads => writes.await,
        }
    });
    server.stop().unwrap();
    let notes = Arc::try_unwrap(notes).ok().unwrap().into_inner().unwrap();
    Life { before, operations: recording.operations(), notes }
}

/// Everything at once.
async fn all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.map(|it| (Box::pin(it), false)).collect();
    std::future::poll_fn(|cx| {
        for (future, over) in futures.iter_mut().filter(|(_, over)| !over) {
            *over = future.as_mut().poll(cx).is_ready();
        }
        if futures.iter().all(|(_, over)| *over) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// What clients know for sure.
#[derive(Clone, Default)]
struct Known {
    created: bool,
    written: BTreeMap<(u32, u64), (u32, u64)>,
    committed: BTreeMap<u32, u64>,
}

impl Known {
    fn told(&mut self, told: Told) {
        match told {
            Told::Created => self.created = true,
            Told::Written { producer, number, offset } => {
                self.written.insert((producer % PARTITIONS, offset), (producer, number));
            }
            Told::Committed { partition, upto } => {
                self.committed.insert(partition, upto);
            }
        }
    }
}

/// Serves what a loss left, and compares it with what is known.
fn judge(folder: &Path, known: &Known) -> Result<(), String> {
    let server = options(folder).start().map_err(|error| error.to_string())?;
    let verdict = Runtime::new().unwrap().block_on(async {
        let client = connect(&server);
        let topic = match client.describe("t").await {
            Ok(topic) => topic,
            Err(_) if !known.created => return Ok(()),
            Err(error) => return Err(format!("the topic is gone: {error}")),
        };
        let app = client.describe_consumer("t", "app").await.map_err(|error| error.to_string())?;
        for (partition, upto) in &known.committed {
            let is = app.partitions[*partition as usize].1;
            if is < *upto {
                return Err(format!("partition {partition}: committed up to {upto}, now {is}"));
            }
        }
        let count: u64 = topic.partitions.iter().map(|of| of.available.end - of.available.start).sum();
        let reader = client.reader(ReaderOptions::new("t", "judge")).unwrap();
        let mut there = BTreeMap::new();
        while (there.len() as u64) < count {
            let batch = reader.read().await.unwrap();
            for message in &batch.messages {
                let text = String::from_utf8(message.data.to_vec()).unwrap();
                there.insert((batch.partition, message.offset), text);
            }
        }
        reader.close().await.unwrap();
        drop(client);
        compare(known, &there)
    });
    server.stop().unwrap();
    verdict
}

fn compare(known: &Known, there: &BTreeMap<(u32, u64), String>) -> Result<(), String> {
    for (place, (producer, number)) in &known.written {
        if there.get(place) != Some(&text(*producer, *number)) {
            return Err(format!(
                "acknowledged: {producer}'s {number} at {place:?}; there is {:?}",
                there.get(place)
            ));
        }
    }
    let mut next = BTreeMap::<u32, u64>::new();
    for text in there.values() {
        let mut words = text.split(' ').map(|word| word.parse::<u64>().unwrap_or_default());
        let (producer, number) = (words.next().unwrap() as u32, words.next().unwrap());
        let expected = next.entry(producer).or_default();
        if (*expected, &*self::text(producer, number)) != (number, text) {
            return Err(format!("{producer}'s {number} stands where {expected} should"));
        }
        *expected += 1;
    }
    Ok(())
}

#[derive(Default, Debug)]
struct Tried {
    losses: usize,
    torn: usize,
}

fn sample(lie: Lie) -> (Result<(), String>, Tried) {
    let folder = tempfile::tempdir_in(memory()).unwrap();
    let life = live(folder.path());
    let acknowledged = life.notes.iter().filter(|note| matches!(note.told, Told::Written { .. })).count();
    assert_eq!(acknowledged as u64, u64::from(PRODUCERS) * MESSAGES);
    let (mut known, mut tried) = (Known::default(), Tried::default());
    let mut notes = life.notes.iter().peekable();
    let result = losses(&life.before, &life.operations, lie, &mut Dice(11), &mut |dice, loss| {
        while let Some(note) = notes.next_if(|note| note.operations <= loss.at) {
            known.told(note.told);
        }
        // A broker takes a while to start and to stop.
        if dice.roll(3) > 0 {
            return Ok(());
        }
        tried.losses += 1;
        tried.torn += usize::from(loss.torn);
        let folder = tempfile::tempdir_in(memory()).unwrap();
        write_out(&loss.left, folder.path());
        judge(folder.path(), &known)
    });
    (result, tried)
}

#[test]
fn what_was_acknowledged_survives_power_loss() {
    let (result, tried) = sample(Lie::None);
    result.unwrap_or_else(|broken| panic!("{broken}"));
    assert!(tried.losses > 60 && tried.torn > 20, "{tried:?}");
}

#[test]
fn a_driver_that_does_not_sync_files_is_found_out() {
    sample(Lie::FileSyncs).0.unwrap_err();
}

#[test]
fn a_driver_that_does_not_sync_folders_is_found_out() {
    sample(Lie::FolderSyncs).0.unwrap_err();
}
