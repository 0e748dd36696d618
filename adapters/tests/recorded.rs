//! A served broker under real clients while it is recorded: the recording is whole, leaves payloads where they stand, and
//! makes the machine do the same again.
#![cfg(all(feature = "cli", feature = "serve", feature = "topic"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward::serve::{Options, ServeError};
use onceward::topic::{
    ClientOptions, Codec, Compression, Consumer, Message, ReaderOptions, Settings, TopicClient,
    WriterOptions, settings,
};
use onceward::trace::{Chunk, Contents, Digest, Ends, Recording, Whose, read};
use onceward_core::broker::Broker;
use onceward_core::recorded::{Bulky, Told};
use onceward_core::{Machine, Path as DiskPath};
use onceward_model::spec::image::messages::{self, Messages};
use onceward_model::world::disk::Image;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MESSAGES: usize = 2000;

/// Writes and reads through one broker that is recorded.
fn live(data: &Path, recording: &Recording) {
    let record = Some(recording.clone());
    let server = Options { listen: "127.0.0.1:0".into(), record, ..Options::new(data) }.start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let traffic = async {
        let address = server.address().to_string();
        let client = TopicClient::new(ClientOptions::new(&address, "/local").unwrap()).unwrap();
        let consumers = [(Arc::from("app"), Consumer::default())].into();
        client.create("t", &Settings { consumers, ..settings(2) }).await.unwrap();
        for compression in [Compression::None, Compression::Gzip(6)] {
            let mut options = WriterOptions::new("t", format!("{compression:?}"));
            options.compression = compression;
            let writer = client.writer(options).unwrap();
            for number in 0..MESSAGES {
                let _delivery = writer.write(Message::raw(format!("message {number}"))).await.unwrap();
            }
            writer.close().await.unwrap();
        }
        let reader = client.reader(ReaderOptions::new("t", "app")).unwrap();
        let mut read = 0;
        while read < 2 * MESSAGES {
            let batch = reader.read().await.unwrap();
            read += batch.messages.len();
            reader.commit(&batch).await.unwrap();
        }
        reader.close().await.unwrap();
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), traffic).await })
        .expect("it hangs");
    server.stop().unwrap();
}

/// The files of a folder and of the pool in it.
fn image(data: &Path) -> Image {
    let mut image = Image::default();
    for (folder, prefix) in [(data.to_path_buf(), ""), (data.join("pool"), "pool/")] {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
                image.files.insert(DiskPath::from(&*name), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    image
}

/// Performs the steps of a chunk again. Says how many words had payloads, and of how many these stand on the disk.
fn again(chunk: &Chunk<Broker>, disk: &Messages<'_>) -> (Broker, u64, u64) {
    let mut machine = chunk.machine.clone();
    let mut digest = Digest::at(chunk.header.link);
    let (mut words, mut placed) = (0, 0);
    for (number, step) in (0..).zip(&chunk.steps) {
        let mut told = step.told.clone();
        if let Told::Received(_, said) = &mut told
            && !said.contents().is_empty()
        {
            let contents = match &chunk.contents[&Whose::Step(number)] {
                Contents::Here(contents) => contents.clone(),
                Contents::InLog(places) => {
                    placed += 1;
                    let offsets = places.iter().flat_map(|place| {
                        (place.first..place.first + u64::from(place.count))
                            .map(|offset| (place.shelf, offset))
                    });
                    let get = |(shelf, offset): (onceward_core::recorded::Shelf, u64)| {
                        disk.get(shelf.topic, shelf.partition, offset).unwrap().data.to_vec().into()
                    };
                    offsets.map(get).collect()
                }
                Contents::Around(_) => panic!("step {number} was said, not read"),
            };
            assert!(said.put_contents(contents), "step {number}");
            words += 1;
        }
        let mut actions = Vec::new();
        machine.step(step.clock, told.input::<Broker>(), &mut actions);
        digest.step::<Broker>(&step.bytes, &actions);
        assert_eq!(Some(digest.link()), step.link, "step {number}: {:?} gives {actions:?}", step.told);
    }
    (machine, words, placed)
}

#[test]
fn a_broker_does_again_what_it_did_under_real_clients() {
    let folder = tempfile::tempdir().unwrap();
    let (data, recording) =
        (folder.path().join("data"), Recording::into_folder(folder.path().join("recording")));
    live(&data, &recording);
    let runs = read::<Broker>(&recording.folder, false).unwrap();
    let [run] = &runs[..] else { panic!("{} runs", runs.len()) };
    let chunk = &run.chunks[0];
    assert_eq!((run.chunks.len(), chunk.ends), (1, Some(Ends::Stop)));
    let image = image(&data);
    let disk = messages::read(&image, &DiskPath::root(), &DiskPath::from("pool")).unwrap();
    let (machine, words, placed) = again(chunk, &disk);
    assert!(words > 1 && placed == words, "{placed} of {words}");
    let (_, topic) = machine.topics().next().unwrap();
    for codec in [Codec::RAW, Codec::GZIP] {
        let count = (0..2).map(|partition| of(codec, topic, partition, &disk)).sum::<usize>();
        assert_eq!(count, MESSAGES, "{codec:?}");
    }
}

/// How many messages of a partition are encoded so.
fn of(codec: Codec, topic: u64, partition: u32, disk: &Messages<'_>) -> usize {
    let messages = (0..).map_while(|offset| disk.get(topic, partition, offset));
    messages.filter(|message| message.codec == codec.0).count()
}

#[test]
fn a_recording_within_the_brokers_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let record = Some(Recording::into_folder(folder.path().join("recording")));
    let options = Options { listen: "127.0.0.1:0".into(), record, ..Options::new(folder.path()) };
    let error = options.start().map(|_| ()).unwrap_err();
    assert!(matches!(error, ServeError::Recording { .. }), "{error}");
    assert!(error.to_string().ends_with("it lies within what is recorded"), "{error}");
}
