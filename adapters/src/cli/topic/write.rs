//! `onceward topic write`: lines become messages, each once, however often the command is begun anew.
//!
//! With `--producer`, the number of a message is that of its line, and the server knows which numbers of the producer it
//! has. So a command that was interrupted, by whatever, is simply repeated: what is there already is passed over.

use super::admin::codec;
use crate::cli::session::{Session, count};
use crate::cli::signal::Signal;
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use onceward::topic::{
    Codec, Compression, Delivery, Message, Outcome, Receipt, TopicClient, TopicWriter, WriteError,
    WriterEvent, WriterOptions,
};
use onceward_core::Dur;
use serde_json::json;
use std::collections::VecDeque;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub(super) const HELP: &str = "\
Each line becomes one message, without its newline; a carriage return before it stays. Empty lines are messages, and so \
is a last line without a newline.

With --producer, a command that was interrupted, by whatever, can be repeated as it was, and each line is stored once: the \
first line has the number of --from-seq, each next one the next number, and what the server has of this producer up to \
some number is passed over. So a producer id stands for one input, which may grow at its end. To add to what a producer \
has written before, whatever that was, there is --append; such a command must not be repeated blindly. Without \
--producer, every run is a producer of its own.

It ends well only when the server has acknowledged every message.";

#[derive(Args, Debug)]
pub(super) struct Write {
    /// The topic
    topic: String,
    /// The file, or - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Whose messages these are: their numbers are unique within it
    #[arg(long, value_name = "ID")]
    producer: Option<String>,
    /// The number of the first line
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "producer", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    from_seq: u64,
    /// Number the messages after those that the producer has written before, whatever these were
    #[arg(long, requires = "producer", conflicts_with = "from_seq")]
    append: bool,
    /// The partition to write to; without it, the producer decides
    #[arg(long, value_name = "NUMBER")]
    partition: Option<u32>,
    /// How to store the messages: raw or gzip; or the number of another codec, in which they must be encoded already
    #[arg(long, default_value = "raw", value_parser = codec)]
    codec: Codec,
    /// What ends a message: one byte, or one of \n \t \r \0
    #[arg(long, value_name = "BYTE", default_value = "\\n", value_parser = super::delimiter)]
    delimiter: u8,
    /// Make one message of all the input
    #[arg(long, conflicts_with = "delimiter")]
    whole: bool,
    /// A name and a value that travel with every message; may be given many times
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// After how many seconds without a session to give up
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    patience: u64,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("wanted NAME=VALUE".to_owned()),
    }
}

/// Largest message that is taken from the input, in bytes: the most that servers take.
const MESSAGE: usize = 48 << 20;
/// Bytes of messages that are handed over together by whoever reads the input.
const CHUNK: usize = 64 << 10;
/// Chunks that wait.
const CHUNKS: usize = 8;

/// Where messages come from.
type Input = BufReader<Box<dyn Read + Send>>;

fn buffered(input: impl Read + Send + 'static) -> Input {
    BufReader::with_capacity(1 << 16, Box::new(input))
}

/// What has become of the messages so far.
#[derive(Default)]
struct Done {
    written: u64,
    known: u64,
    bytes: u64,
    first: Option<Receipt>,
    last: u64,
}

impl Done {
    fn count(&mut self, receipt: Receipt) {
        if receipt.outcome == Outcome::Duplicate {
            self.known += 1;
            return;
        }
        self.written += 1;
        self.first.get_or_insert(receipt);
        self.last = receipt.seq_no;
    }
}

/// Why the transfer stopped before its end.
enum Stopped {
    Signal,
    Impatient,
    Failed(anyhow::Error),
}

impl Write {
    pub(super) async fn run(self, client: &TopicClient, session: &Session) -> anyhow::Result<()> {
        let signal = Signal::catch().context("signals cannot be caught")?;
        let (input, bytes) = self.input()?;
        // Whatever is wrong with server, database, token and name is told before anything is read.
        let topic = client.describe(&self.topic).await?;
        if let Some(partition) = self.partition {
            let there = topic.partitions.iter().any(|it| it.number == partition);
            ensure!(there, "{} has no partition {partition}", self.topic);
        }
        let codecs = &topic.settings.codecs;
        ensure!(
            codecs.is_empty() || codecs.contains(&self.codec),
            "{} does not take codec {}: see onceward topic describe",
            self.topic,
            self.codec.0
        );
        let writer = client.writer(self.options())?;
        let bar = session.transfer(bytes, "writing");
        let warnings = tokio::spawn(warn(writer.events(), bar.clone()));
        let mut done = Done::default();
        let stopped = tokio::select! {
            result = self.transfer(input, &writer, &bar, &mut done) => result.err().map(Stopped::Failed),
            () = signal.wait() => Some(Stopped::Signal),
            () = impatience(&writer, Duration::from_secs(self.patience)) => Some(Stopped::Impatient),
        };
        bar.finish_and_clear();
        warnings.abort();
        let again = match (&self.producer, self.append) {
            (Some(_), false) => "; run it again to write the rest",
            _ => "",
        };
        let open = writer.unanswered();
        match stopped {
            None => {
                writer.close().await?;
                self.tell(&done, session)
            }
            Some(Stopped::Failed(error)) => Err(error.context(format!(
                "stopped after {}",
                count(done.written + done.known, "acknowledged message", "acknowledged messages")
            ))),
            Some(Stopped::Signal) => bail!(
                "interrupted: {} acknowledged, {open} under way and perhaps stored{again}",
                count(done.written + done.known, "message was", "messages were")
            ),
            Some(Stopped::Impatient) => Err(anyhow::Error::new(Unreachable {
                patience: self.patience,
                acknowledged: done.written + done.known,
                open,
                again,
            })),
        }
    }

    fn options(&self) -> WriterOptions {
        let producer = self.producer.clone().unwrap_or_else(|| {
            let keys = RandomState::new();
            format!("onceward-{:016x}{:016x}", keys.hash_one(0), keys.hash_one(1))
        });
        let mut options = WriterOptions::new(self.topic.as_str(), producer);
        options.core.partition = self.partition;
        options.core.backoff_max = Dur::secs(5);
        // More than any connection has under way, and one message of the largest size.
        options.core.buffer_bytes = 64 << 20;
        // Nobody waits for a single line; there are more behind it, or the end, which sends all that is left.
        options.core.batch_wait = Dur::millis(20);
        if self.codec == Codec::GZIP {
            options.compression = Compression::Gzip(6);
        }
        options
    }

    /// How the input is called in messages.
    fn named(&self) -> String {
        if self.file == Path::new("-") {
            "standard input".to_owned()
        } else {
            self.file.display().to_string()
        }
    }

    /// Opens the input. Its length in bytes, if it is known.
    fn input(&self) -> anyhow::Result<(Input, Option<u64>)> {
        if self.file == Path::new("-") {
            return Ok((buffered(std::io::stdin()), None));
        }
        let unreadable = || format!("{} cannot be read", self.file.display());
        let file = File::open(&self.file).with_context(unreadable)?;
        let metadata = file.metadata().with_context(unreadable)?;
        ensure!(!metadata.is_dir(), "{} is a folder", self.file.display());
        let bytes = metadata.is_file().then_some(metadata.len());
        Ok((buffered(file), bytes))
    }

    /// Writes everything, and waits until it is acknowledged.
    async fn transfer(
        &self,
        input: Input,
        writer: &TopicWriter,
        bar: &indicatif::ProgressBar,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let (chunks, mut queue) = mpsc::channel(CHUNKS);
        let (end, named) = ((!self.whole).then_some(self.delimiter), self.named());
        // It may wait for its input for ever, and is left to that when the command ends.
        std::thread::Builder::new()
            .name("onceward-input".to_owned())
            .spawn(move || feed(input, end, &named, &chunks))
            .context("no thread for the input")?;
        let metadata: Vec<(Arc<str>, Bytes)> = self
            .metadata
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.clone().into_bytes().into()))
            .collect();
        let codec = if self.codec == Codec::GZIP { Codec::RAW } else { self.codec };
        let numbered = self.producer.is_some() && !self.append;
        let mut next = self.from_seq;
        let mut under_way: VecDeque<(Delivery, u64)> = VecDeque::new();
        loop {
            let chunk = tokio::select! {
                chunk = queue.recv() => chunk,
                receipt = oldest(&mut under_way) => {
                    let size = under_way.pop_front().map_or(0, |(_, size)| size);
                    settle(receipt, size, bar, done)?;
                    continue;
                }
            };
            let Some(chunk) = chunk else { break };
            for data in chunk? {
                let size = data.len() as u64 + 1;
                let seq_no = numbered.then_some(next);
                let message = Message { codec, metadata: metadata.clone(), seq_no, ..Message::raw(data) };
                let line = || format!("message {} of {}", next - self.from_seq + 1, self.named());
                let delivery = writer.write(message).await.with_context(line)?;
                under_way.push_back((delivery, size));
                next += 1;
                while let Some((first, size)) = under_way.front_mut()
                    && let Some(receipt) = first.now()
                {
                    settle(receipt, *size, bar, done)?;
                    under_way.pop_front();
                }
            }
        }
        let (flushed, settled) = tokio::join!(writer.flush(), async {
            for (delivery, size) in under_way {
                settle(delivery.await, size, bar, done)?;
            }
            anyhow::Ok(())
        });
        settled?;
        Ok(flushed?)
    }

    fn tell(&self, done: &Done, session: &Session) -> anyhow::Result<()> {
        let Done { written, known, bytes, first, last } = done;
        let messages = |number| count(number, "message", "messages");
        let place = match first {
            Some(Receipt { outcome: Outcome::Written { offset }, seq_no }) if *written == 1 => {
                format!(", number {seq_no}, at offset {offset}")
            }
            Some(Receipt { seq_no, .. }) => format!(", numbers {seq_no} to {last}"),
            None => String::new(),
        };
        let text = match (written, known) {
            (0, 0) => "nothing to write: no messages".to_owned(),
            (0, 1) => "nothing to write: the one message was there already".to_owned(),
            (0, _) => format!("nothing to write: all {known} messages were there already"),
            (_, 0) => format!("wrote {}, {bytes} bytes{place}", messages(*written)),
            _ => format!(
                "wrote {}, {bytes} bytes{place}; {} there already",
                messages(*written),
                count(*known, "was", "were")
            ),
        };
        let value = json!({
            "written": written,
            "known": known,
            "bytes": bytes,
            "first_seq_no": first.map(|receipt| receipt.seq_no),
            "last_seq_no": first.map(|_| last),
        });
        Ok(session.result(&text, &value)?)
    }
}

/// The server was away for too long.
#[derive(Debug, thiserror::Error)]
#[error(
    "no session for {patience} seconds: {acknowledged} messages were acknowledged, {open} are under way and perhaps \
     stored{again}"
)]
pub(in crate::cli) struct Unreachable {
    patience: u64,
    acknowledged: u64,
    open: usize,
    again: &'static str,
}

/// What becomes of the message that is under way for longest.
async fn oldest(under_way: &mut VecDeque<(Delivery, u64)>) -> Result<Receipt, WriteError> {
    match under_way.front_mut() {
        Some((delivery, _)) => delivery.await,
        None => std::future::pending().await,
    }
}

fn settle(
    receipt: Result<Receipt, WriteError>,
    size: u64,
    bar: &indicatif::ProgressBar,
    done: &mut Done,
) -> anyhow::Result<()> {
    let receipt = receipt?;
    done.count(receipt);
    if receipt.outcome != Outcome::Duplicate {
        done.bytes += size - 1;
    }
    bar.inc(size);
    Ok(())
}

/// Reads messages until the end of the input, or of the command.
fn feed(mut input: Input, end: Option<u8>, named: &str, chunks: &mpsc::Sender<anyhow::Result<Vec<Bytes>>>) {
    let mut before = 0_u64;
    loop {
        let (mut chunk, mut size) = (Vec::new(), 0);
        let over = loop {
            match message(&mut input, end) {
                Ok(Some(data)) => {
                    size += data.len();
                    chunk.push(data);
                }
                Ok(None) => break Some(None),
                Err(what) => {
                    let place = before + chunk.len() as u64 + 1;
                    break Some(Some(what.context(format!("message {place} of {named}"))));
                }
            }
            // What a person types, or a program says now and then, is not held back.
            if size >= CHUNK || chunk.len() >= 1000 || !has_more(&input, end) {
                break None;
            }
        };
        before += chunk.len() as u64;
        // Fails if the command has ended.
        if !chunk.is_empty() && chunks.blocking_send(Ok(chunk)).is_err() {
            return;
        }
        if let Some(how) = over {
            if let Some(error) = how {
                let _ = chunks.blocking_send(Err(error));
            }
            return;
        }
    }
}

/// Whether another message has been read from the input already, in whole.
fn has_more(input: &Input, end: Option<u8>) -> bool {
    end.is_some_and(|end| input.buffer().contains(&end))
}

fn message(input: &mut Input, end: Option<u8>) -> anyhow::Result<Option<Bytes>> {
    let mut data = Vec::new();
    // One more byte for what ends it, and one to see that there is too much.
    let mut limited = input.take(MESSAGE as u64 + 2);
    let read = match end {
        Some(end) => limited.read_until(end, &mut data),
        None => limited.read_to_end(&mut data),
    };
    read.context("it cannot be read")?;
    if data.is_empty() {
        return Ok(None);
    }
    if let Some(end) = end {
        data.pop_if(|last| *last == end);
    }
    ensure!(data.len() <= MESSAGE, "it is longer than {MESSAGE} bytes, the most that a message can have");
    Ok(Some(data.into()))
}

/// Shows what happens to the writer's sessions.
async fn warn(mut events: tokio::sync::broadcast::Receiver<WriterEvent>, bar: indicatif::ProgressBar) {
    while let Ok(event) = events.recv().await {
        if let WriterEvent::Lost(failure) = event {
            bar.suspend(|| tracing::warn!("{failure}; trying again"));
        }
    }
}

/// Ends when there was no session for so long.
async fn impatience(writer: &TopicWriter, patience: Duration) {
    let mut since = Instant::now();
    while since.elapsed() < patience {
        if writer.is_open() {
            since = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
