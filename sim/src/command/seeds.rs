//! Failing seeds that are kept: run first, brought up to date afterwards, listed and forgotten on request.

use super::{Context, Refused, Verdict, args};
use crate::{
    batch::{Lane, Results},
    report::{KnownReport, Report},
    run::Outcome,
    seeds::{Seeds, State, headline},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file of failing seeds, and what has become of those in it.
pub(super) struct Known {
    file: PathBuf,
    seeds: Seeds,
    /// What their runs come to, with the lane of each.
    outcomes: Vec<(usize, Outcome)>,
    /// For reports.
    pub(super) again: Vec<KnownReport>,
}

impl Known {
    /// Reads the file and runs what is known of the systems whose random plans are run. What only fails as a scenario
    /// becomes a lane of its own. Of the shards of a batch the first does that; each keeps what it finds.
    pub(super) fn first(
        context: &Context<'_>,
        lanes: &mut Vec<Lane>,
        args: &args::Batch,
    ) -> Result<Option<Known>, Refused> {
        if !lanes.iter().any(|lane| lane.job.is_swarm()) {
            return Ok(None);
        }
        let file = args.seeds_file.clone().unwrap_or_else(|| context.place.seeds());
        let mut known = Known { seeds: read(&file)?, file, outcomes: Vec::new(), again: Vec::new() };
        if args.shard.is_some_and(|(shard, _)| shard != 0) {
            return Ok(Some(known));
        }
        let swarms = lanes.len();
        for entry in known.seeds.0.iter_mut().filter(|entry| entry.is_for_us()) {
            let system = |lane: &Lane| lane.job.is_swarm() && lane.job.system() == entry.system;
            let Some(lane) = lanes[..swarms].iter().position(system) else { continue };
            let again = entry.run(context.catalog)?;
            if lanes[lane].job.strategy() == entry.explore {
                known.outcomes.push((lane, again.outcome));
            } else if again.outcome.violation.is_some() {
                let job = context.catalog.find(&entry.system)?.exploring(entry.explore);
                lanes.push(Lane { job, seeds: entry.seed..entry.seed.saturating_add(1) });
            }
            if let Some(job) = again.scenario {
                let seed = job.seed();
                lanes.push(Lane { job, seeds: seed..seed.saturating_add(1) });
            }
            known.again.push(KnownReport {
                system: entry.system.clone(),
                seed: entry.seed,
                promise: entry.promise.clone(),
                state: again.state,
            });
        }
        Ok(Some(known))
    }

    /// One line about them; none if there is none.
    pub(super) fn headline(&self) -> Option<String> {
        let states: Vec<State> = self.again.iter().map(|again| again.state).collect();
        (!states.is_empty()).then(|| headline(&states))
    }

    /// Counts their runs among those of the batch.
    pub(super) fn count(&mut self, results: &mut Results) {
        for (lane, outcome) in self.outcomes.drain(..) {
            results.tallies[lane].add(outcome);
        }
    }

    /// Keeps what was found now, and what has become of what was known. The file stays as it is if nothing has changed.
    pub(super) fn keep(mut self, lanes: &[Lane], results: &Results, report: &Report) -> Result<(), Refused> {
        let all = lanes.iter().zip(&results.tallies).zip(&report.lanes);
        for ((ran, tally), lane) in all.filter(|((lane, _), _)| lane.job.is_swarm()) {
            let found = tally.findings.keys().zip(&lane.findings).filter(|(_, finding)| finding.confirmed);
            for (signature, finding) in found {
                let scenario = finding.smaller.as_ref().and_then(|smaller| smaller.scenario());
                let found = (ran.job.strategy(), finding.seed);
                self.seeds.keep(signature, found, scenario.map(|one| &*one.shrunk.text));
            }
        }
        let before = fs::read_to_string(&self.file).unwrap_or_default();
        if before == self.seeds.text() {
            return Ok(());
        }
        Ok(write(&self.file, &self.seeds)?)
    }
}

/// Lists what is kept, or forgets some of it.
pub(super) fn list(context: &mut Context<'_>, args: &args::Seeds) -> Result<Verdict, Refused> {
    let file = args.seeds_file.clone().unwrap_or_else(|| context.place.seeds());
    let mut seeds = read(&file)?;
    let count = |n: usize| format!("{n} failing {}", if n == 1 { "seed" } else { "seeds" });
    if args.forget.is_empty() {
        write!(context.out, "{}", seeds.table())?;
        writeln!(context.out, "{} in {}", count(seeds.0.len()), file.display())?;
        return Ok(Verdict::Passed);
    }
    let before = seeds.0.len();
    for what in &args.forget {
        let kept = seeds.0.len();
        match (&**what, what.parse::<u64>()) {
            ("all", _) => seeds.0.clear(),
            ("mended", _) => seeds.0.retain(|entry| !entry.mended),
            (_, Ok(seed)) => {
                seeds.0.retain(|entry| entry.seed != seed);
                if seeds.0.len() == kept {
                    return Err(Refused(format!("seed {seed} is not in {}", file.display())));
                }
            }
            (other, Err(_)) => {
                return Err(Refused(format!("`{other}` is neither a seed nor `mended` nor `all`")));
            }
        }
    }
    write(&file, &seeds)?;
    let (gone, left) = (before - seeds.0.len(), seeds.0.len());
    writeln!(context.out, "{} forgotten, {left} left in {}", count(gone), file.display())?;
    Ok(Verdict::Passed)
}

/// What a file keeps; nothing if there is no file.
fn read(file: &Path) -> Result<Seeds, Refused> {
    let name = file.display();
    match fs::read_to_string(file) {
        Ok(text) => Ok(Seeds::read(&text).map_err(|error| format!("{name}: {error}"))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seeds::default()),
        Err(error) => Err(Refused(format!("{name} cannot be read: {error}"))),
    }
}

/// Puts a new file in the place of the old one, whole or not at all.
fn write(file: &Path, seeds: &Seeds) -> Result<(), String> {
    let fresh = file.with_extension("new");
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let done = folder.map_or(Ok(()), fs::create_dir_all);
    let done = done.and_then(|()| fs::write(&fresh, seeds.text())).and_then(|()| fs::rename(&fresh, file));
    done.map_err(|error| format!("{} cannot be written: {error}", file.display()))
}
