//! `onceward topic read`: messages go to standard output, and are committed once they are there.

use crate::cli::session::{Session, count};
use crate::cli::signal::Signal;
use anyhow::{Context, ensure};
use clap::Args;
use onceward::topic::{
    Batch, Codec, Commit, CommitError, ReadMessage, ReaderEvent, ReaderOptions, TopicClient, TopicReader,
};
use onceward_core::Dur;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufWriter, Write};
use std::time::Duration;

pub(super) const HELP: &str = "\
Each message is printed as it is, and a newline; messages of one partition in their order. With --json, each is an object \
with its offset, number, producer and times; a payload that is not UTF-8 is payload_hex.

With --consumer, what was printed is committed after standard output was flushed, and the next run begins behind it. A \
run that is killed in between prints some messages again when it is repeated; within one run, none is printed twice. \
Without --consumer, everything that is there is printed, and nothing committed.

It ends behind the last message that was there when it began, with --follow when it is interrupted, in both cases in \
order: commits are answered before it ends. If whoever reads standard output goes away, what was not taken is not \
committed.";

#[derive(Args, Debug)]
pub(super) struct Read {
    /// The topic
    topic: String,
    /// Who reads: commits are kept for it, and partitions shared among its readers
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// Go on when everything is read, and wait for more
    #[arg(long)]
    follow: bool,
    /// How many messages at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only this partition; may be given many times
    #[arg(long, value_name = "NUMBER")]
    partition: Vec<u32>,
    /// What to print behind each message: one byte, or one of \n \t \r \0
    #[arg(long, value_name = "BYTE", default_value = "\\n", value_parser = super::delimiter)]
    delimiter: u8,
}

/// How many commits may wait for their answers before no more is read.
const COMMITS: usize = 64;
/// How long nothing may come before the server is asked whether other readers have gone on.
const QUIET: Duration = Duration::from_secs(1);

/// How far each partition is, and is to be.
struct Progress {
    /// The next offset of each partition.
    next: BTreeMap<u32, u64>,
    /// The offset behind the last message of each partition that is to be read.
    end: BTreeMap<u32, u64>,
}

impl Progress {
    fn is_over(&self) -> bool {
        self.end.iter().all(|(partition, end)| self.next.get(partition).is_some_and(|next| next >= end))
    }

    fn advance(&mut self, partition: u32, next: u64) {
        let known = self.next.entry(partition).or_insert(0);
        *known = next.max(*known);
    }
}

impl Read {
    pub(super) async fn run(self, client: &TopicClient, session: &Session) -> anyhow::Result<()> {
        let signal = Signal::catch().context("signals cannot be caught")?;
        let mut progress = self.look(client).await?;
        if !self.follow && progress.is_over() {
            return Ok(());
        }
        let reader = client.reader(self.options(&progress))?;
        let warnings = tokio::spawn(warn(reader.events()));
        let mut commits = VecDeque::new();
        let result = tokio::select! {
            result = self.print(client, &reader, &mut progress, &mut commits, session) => result,
            () = signal.wait() => Ok(()),
        };
        let mut lost = 0;
        for commit in commits {
            lost += u64::from(is_lost(commit.await)?);
        }
        warnings.abort();
        if result.is_ok() {
            reader.close().await?;
        }
        if lost > 0 {
            tracing::warn!(
                "{} not confirmed: their messages may come again",
                count(lost, "commit was", "commits were")
            );
        }
        result
    }

    /// Finds out what there is to be read.
    async fn look(&self, client: &TopicClient) -> anyhow::Result<Progress> {
        let topic = client.describe(&self.topic).await?;
        for partition in &self.partition {
            let there = topic.partitions.iter().any(|it| it.number == *partition);
            ensure!(there, "{} has no partition {partition}", self.topic);
        }
        let mut progress = Progress { next: BTreeMap::new(), end: BTreeMap::new() };
        for partition in &topic.partitions {
            if self.partition.is_empty() || self.partition.contains(&partition.number) {
                progress.end.insert(partition.number, partition.available.end);
                progress.next.insert(partition.number, partition.available.start);
            }
        }
        self.others(client, &mut progress).await?;
        Ok(progress)
    }

    /// Finds out what is committed.
    async fn others(&self, client: &TopicClient, progress: &mut Progress) -> anyhow::Result<()> {
        if let Some(consumer) = &self.consumer {
            for (partition, committed) in client.describe_consumer(&self.topic, consumer).await?.partitions {
                progress.advance(partition.number, committed);
            }
        }
        Ok(())
    }

    fn options(&self, progress: &Progress) -> ReaderOptions {
        let mut options = ReaderOptions::new(self.topic.as_str(), self.consumer.as_deref().unwrap_or(""));
        options.core.backoff_max = Dur::secs(5);
        if !self.partition.is_empty() || self.consumer.is_none() {
            for topic in &mut options.core.topics {
                topic.partitions = progress.end.keys().copied().collect();
            }
        }
        options
    }

    async fn print(
        &self,
        client: &TopicClient,
        reader: &TopicReader,
        progress: &mut Progress,
        commits: &mut VecDeque<Commit>,
        session: &Session,
    ) -> anyhow::Result<()> {
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        // What was printed in this run; after a lost session it may come again.
        let mut printed: BTreeMap<u32, u64> = BTreeMap::new();
        while left > 0 && (self.follow || !progress.is_over()) {
            let mut batch = match tokio::time::timeout(QUIET, reader.read()).await {
                Ok(batch) => batch?,
                Err(_) => {
                    // Other readers of the consumer may have what is missing here. A server that is away just now is
                    // the reader's business.
                    let _ = self.others(client, progress).await;
                    continue;
                }
            };
            let seen = printed.get(&batch.partition).copied().unwrap_or(0);
            let mut fresh = 0;
            let keep = batch.messages.iter().take_while(|message| {
                fresh += u64::from(message.offset >= seen);
                fresh <= left
            });
            let keep = keep.count();
            batch.messages.truncate(keep);
            let Some(last) = batch.messages.last().map(|message| message.offset) else { continue };
            for message in batch.messages.iter().filter(|message| message.offset >= seen) {
                self.one(&mut out, &batch, message, session).context("standard output cannot be written")?;
                left -= 1;
            }
            out.flush().context("standard output cannot be written")?;
            printed.insert(batch.partition, seen.max(last + 1));
            progress.advance(batch.partition, last + 1);
            if self.consumer.is_some() {
                commits.push_back(reader.commit(&batch));
            }
            drop(batch);
            if commits.len() >= COMMITS
                && let Some(oldest) = commits.front_mut()
            {
                // Awaited where it stands, so that an interruption finds it there.
                let outcome = oldest.await;
                commits.pop_front();
                if is_lost(outcome)? {
                    tracing::warn!("a commit was not confirmed: its messages may come again");
                }
            }
        }
        Ok(())
    }

    fn one(
        &self,
        out: &mut impl Write,
        batch: &Batch,
        message: &ReadMessage,
        session: &Session,
    ) -> std::io::Result<()> {
        if let Some(flaw) = &message.flaw {
            tracing::warn!(
                partition = batch.partition,
                offset = message.offset,
                "printed as it is stored: {flaw}"
            );
        }
        if session.json {
            return writeln!(out, "{}", object(batch, message));
        }
        out.write_all(&message.data)?;
        out.write_all(&[self.delimiter])
    }
}

/// Whether the messages of a commit may come again.
fn is_lost(outcome: Result<(), CommitError>) -> anyhow::Result<bool> {
    use onceward::topic::ReadRefusal::{Closed, Gone};
    match outcome {
        Ok(()) => Ok(false),
        Err(CommitError::Lost | CommitError::Refused(Gone | Closed)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// A message as JSON.
fn object(batch: &Batch, message: &ReadMessage) -> Value {
    let mut value = json!({
        "topic": &*batch.topic,
        "partition": batch.partition,
        "offset": message.offset,
        "seq_no": message.seq_no,
        "producer": &*message.producer_id,
        "created_millis": message.created_at.millis(),
        "written_millis": message.written_at.millis(),
    });
    if message.codec != Codec::RAW {
        value["codec"] = message.codec.0.into();
    }
    if !message.metadata.is_empty() {
        let metadata = message.metadata.iter().map(|(name, data)| (name.to_string(), text(data)));
        value["metadata"] = metadata.collect::<serde_json::Map<_, _>>().into();
    }
    match std::str::from_utf8(&message.data) {
        Ok(text) => value["payload"] = text.into(),
        Err(_) => value["payload_hex"] = hex(&message.data).into(),
    }
    value
}

fn text(data: &[u8]) -> Value {
    std::str::from_utf8(data).map_or_else(|_| json!({ "hex": hex(data) }), Value::from)
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Shows what happens to the reader's sessions.
async fn warn(mut events: tokio::sync::broadcast::Receiver<ReaderEvent>) {
    while let Ok(event) = events.recv().await {
        if let ReaderEvent::Lost(failure) = event {
            tracing::warn!("{failure}; trying again");
        }
    }
}
