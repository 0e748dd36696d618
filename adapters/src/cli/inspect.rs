//! `onceward log verify`, `stats` and `backup`.

use super::Store;
use super::session::{Session, count};
use anyhow::Context;
use clap::Args;
use onceward::store::Create;
use onceward::{Cut, Damage, Phase, Recovered};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(super) struct Backup {
    /// The store's folder
    store: PathBuf,
    /// The folder to be made
    to: PathBuf,
}

pub(super) fn verify(store: &Store, session: &Session) -> anyhow::Result<()> {
    let store = session.open(&store.store, Create::Never)?;
    let whole = store.verify().wait()?;
    let found = store.recovered().clone();
    store.close()?;
    let text = format!(
        "whole: {} of {} in {}, digest {}",
        count(whole.events, "event", "events"),
        count(whole.entities, "entity", "entities"),
        count(whole.segments.into(), "segment", "segments"),
        whole.digest
    );
    let mut value = json!({
        "events": whole.events,
        "entities": whole.entities,
        "segments": whole.segments,
        "digest": whole.digest.to_string(),
    });
    // What is not there any more cannot be verified: it must not go unsaid.
    tell(&found, &mut value);
    session.result(&(text + &lines(&found)), &value)?;
    Ok(())
}

pub(super) fn stats(store: &Store, session: &Session) -> anyhow::Result<()> {
    let folder = &store.store;
    let store = session.open(folder, Create::Never)?;
    let status = store.status().wait()?;
    let found = store.recovered().clone();
    store.close()?;
    let bytes = size(folder).with_context(|| format!("{} cannot be measured", folder.display()))?;
    let full = matches!(status.phase, Phase::Full);
    let text = format!(
        "state      {}\nevents     {}\nentities   {}\nsegments   {}\nbytes      {bytes}\nclosed     {}",
        if full { "full: no space is left" } else { "ready" },
        status.frontiers.visible,
        status.entities,
        status.segments,
        if found.clean { "cleanly" } else { "not cleanly: recovered" },
    );
    let mut value = json!({
        "state": if full { "full" } else { "ready" },
        "events": status.frontiers.visible,
        "entities": status.entities,
        "segments": status.segments,
        "bytes": bytes,
    });
    tell(&found, &mut value);
    session.result(&(text + &lines(&found)), &value)?;
    Ok(())
}

/// What recovery dropped, doubts or had to make anew, a line each.
fn lines(found: &Recovered) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: &dyn std::fmt::Display| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{name:<10} {what}");
    };
    for Cut { file, offset, bytes } in &found.cut {
        line("cut", &format_args!("{bytes} bytes of unfinished writes, {file} from byte {offset}"));
    }
    for file in &found.removed {
        line("removed", &format_args!("{file}: it was never begun"));
    }
    for file in &found.rebuilt {
        line("rebuilt", file);
    }
    for damage in &found.possibly_acknowledged {
        line("doubtful", &format_args!("{damage}: perhaps it was acknowledged"));
    }
    text
}

/// The same as JSON.
fn tell(found: &Recovered, value: &mut Value) {
    let damage =
        |damage: &Damage| json!({ "file": damage.file, "offset": damage.offset, "what": damage.what });
    let cut = |cut: &Cut| json!({ "file": cut.file, "offset": cut.offset, "bytes": cut.bytes });
    value["clean"] = found.clean.into();
    value["cut"] = found.cut.iter().map(cut).collect();
    value["removed"] = json!(found.removed);
    value["rebuilt"] = json!(found.rebuilt);
    value["possibly_acknowledged"] = found.possibly_acknowledged.iter().map(damage).collect();
}

impl Backup {
    pub(super) fn run(self, session: &Session) -> anyhow::Result<()> {
        let store = session.open(&self.store, Create::Never)?;
        let backup = store.backup(&self.to)?;
        store.close()?;
        let verified = &backup.verified;
        session.result(
            &format!(
                "copied and verified {}, {} bytes, digest {}",
                count(verified.events, "event", "events"),
                backup.bytes,
                verified.digest
            ),
            &json!({ "events": verified.events, "bytes": backup.bytes, "digest": verified.digest.to_string() }),
        )?;
        Ok(())
    }
}

/// Bytes of all files in a folder.
fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
