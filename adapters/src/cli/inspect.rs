//! `onceward log verify`, `stats` and `backup`.

use super::Store;
use super::output::Output;
use anyhow::Context;
use clap::Args;
use onceward::store::Create;
use onceward::{Damage, Phase};
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

pub(super) fn verify(store: &Store, output: &Output) -> anyhow::Result<()> {
    let store = super::open(&store.store, Create::Never)?;
    let found = store.verify().wait()?;
    store.close()?;
    output.result(
        &format!(
            "whole: {} events of {} entities in {} segments, digest {}",
            found.events, found.entities, found.segments, found.digest
        ),
        &json!({
            "events": found.events,
            "entities": found.entities,
            "segments": found.segments,
            "digest": found.digest.to_string(),
        }),
    )?;
    Ok(())
}

pub(super) fn stats(store: &Store, output: &Output) -> anyhow::Result<()> {
    let folder = &store.store;
    let store = super::open(folder, Create::Never)?;
    let status = store.status().wait()?;
    let found = store.recovered().clone();
    store.close()?;
    let bytes = size(folder).with_context(|| format!("{} cannot be measured", folder.display()))?;
    let phase = match status.phase {
        Phase::Full => "full: no space is left",
        _ => "ready",
    };
    let mut text = format!(
        "state      {phase}\nevents     {}\nentities   {}\nsegments   {}\nbytes      {bytes}\nclosed     {}",
        status.frontiers.visible,
        status.entities,
        status.segments,
        if found.clean { "cleanly" } else { "not cleanly: recovered" },
    );
    let mut line = |name: &str, what: String| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{name:<10} {what}");
    };
    for cut in &found.cut {
        line(
            "cut",
            format!("{} bytes of unfinished writes, {} from byte {}", cut.bytes, cut.file, cut.offset),
        );
    }
    for file in &found.removed {
        line("removed", format!("{file}: it was never begun"));
    }
    for file in &found.rebuilt {
        line("rebuilt", file.clone());
    }
    for damage in &found.possibly_acknowledged {
        line("doubtful", format!("{damage}: perhaps it was acknowledged"));
    }
    let damage =
        |damage: &Damage| json!({ "file": damage.file, "offset": damage.offset, "what": damage.what });
    output.result(
        &text,
        &json!({
            "state": if matches!(status.phase, Phase::Full) { "full" } else { "ready" },
            "events": status.frontiers.visible,
            "entities": status.entities,
            "segments": status.segments,
            "bytes": bytes,
            "clean": found.clean,
            "cut": found.cut.iter()
                .map(|cut| json!({ "file": cut.file, "offset": cut.offset, "bytes": cut.bytes }))
                .collect::<Vec<Value>>(),
            "removed": found.removed,
            "rebuilt": found.rebuilt,
            "possibly_acknowledged": found.possibly_acknowledged.iter().map(damage).collect::<Vec<Value>>(),
        }),
    )?;
    Ok(())
}

impl Backup {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let store = super::open(&self.store, Create::Never)?;
        let backup = store.backup(&self.to)?;
        store.close()?;
        let verified = &backup.verified;
        output.result(
            &format!("copied and verified {} events, {} bytes, digest {}", verified.events, backup.bytes, verified.digest),
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
