//! `onceward log append`.

use super::session::Session;
use anyhow::Context;
use clap::Args;
use onceward::store::Create;
use onceward::{Expected, Key};
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct Append {
    /// The store's folder
    store: PathBuf,
    /// The stream to append to
    #[arg(long)]
    entity: String,
    /// What happened
    #[arg(long)]
    kind: String,
    /// What belongs together for readers
    #[arg(long, default_value = onceward::Append::SCOPE)]
    scope: String,
    /// What must be true of the entity: any, none (no event yet), some (at least one), or the sequence of its last event
    #[arg(long, default_value = "any", value_parser = expected)]
    expect: Expected,
    /// Makes a retry safe: another append with the same key, entity and contents changes nothing
    #[arg(long)]
    key: Option<String>,
    /// The contents; standard input if it is missing
    #[arg(long)]
    data: Option<String>,
}

fn expected(text: &str) -> Result<Expected, String> {
    match text {
        "any" => Ok(Expected::Any),
        "none" => Ok(Expected::NoStream),
        "some" => Ok(Expected::Exists),
        number => {
            number.parse().map(Expected::Exact).map_err(|_| "wanted any, none, some or a sequence".to_owned())
        }
    }
}

impl Append {
    pub(super) fn run(self, session: &Session) -> anyhow::Result<()> {
        let payload = match self.data {
            Some(data) => data.into_bytes(),
            None => {
                let mut data = Vec::new();
                let limit = u64::from(super::PAYLOAD);
                std::io::stdin()
                    .take(limit + 1)
                    .read_to_end(&mut data)
                    .context("standard input cannot be read")?;
                anyhow::ensure!(data.len() as u64 <= limit, "an event has at most {limit} bytes");
                data
            }
        };
        let mut append = onceward::Append::to(self.entity)
            .scope(self.scope)
            .expecting(self.expect)
            .event(self.kind, payload);
        if let Some(key) = self.key {
            append = append.key(named(&key));
        }
        let store = session.open(&self.store, Create::IfMissing)?;
        let receipt = store.append(append).wait()?;
        store.close()?;
        let again = if receipt.duplicate { " (it was there already)" } else { "" };
        session.result(
            &format!("position {}, sequence {}{again}", receipt.position, receipt.sequence),
            &json!({
                "position": receipt.position,
                "sequence": receipt.sequence,
                "chain": receipt.chain.to_string(),
                "duplicate": receipt.duplicate,
            }),
        )?;
        Ok(())
    }
}

/// The key that a text names.
fn named(text: &str) -> Key {
    let mut key = [0; 16];
    let mut hasher = blake3::Hasher::new_derive_key("onceward 2026 idempotency key of a command line");
    hasher.update(text.as_bytes()).finalize_xof().fill(&mut key);
    Key(u128::from_le_bytes(key))
}
