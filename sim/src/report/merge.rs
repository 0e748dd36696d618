//! Reports of the shards of one batch, put together: what one machine would have reported that had run all of them. It
//! sums, and judges the sums by the same rules; it never runs anything, so that what a shard found is taken as it is.
//! Reports that are not the shards of one batch, each once, are refused.

use super::{FindingReport, LaneReport, MarkReport, Report, reasons_of};
use crate::explore::Strategy;

/// Why reports cannot be put together.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("no report")]
    Nothing,
    /// Two are not of one batch.
    #[error("{second} is not of the batch that {first} is of: {what}")]
    Another {
        /// The file of the first report.
        first: String,
        /// The file of the other.
        second: String,
        /// In what they differ.
        what: &'static str,
    },
    /// One part of the seeds stands in two of them.
    #[error("{first} and {second} are the same shard, {shard} of {of}")]
    Twice {
        /// The file of the first report.
        first: String,
        /// The file of the other.
        second: String,
        /// The part, counted from 1.
        shard: u64,
        /// Of how many.
        of: u64,
    },
    /// Parts of the seeds are in none.
    #[error("of {of} shards, {missing:?} are missing")]
    Missing {
        /// The parts, counted from 1.
        missing: Vec<u64>,
        /// Of how many.
        of: u64,
    },
}

/// Puts together the reports of all shards of one batch, each with the name of its file. Random plans that are at least
/// `enough` must have reached every mark.
///
/// # Errors
/// They are not that.
pub fn merge(reports: Vec<(String, Report)>, enough: u64) -> Result<Report, MergeError> {
    let mut reports = reports.into_iter();
    let (first, mut all) = reports.next().ok_or(MergeError::Nothing)?;
    let mut shards = vec![(all.shard.0, first.clone())];
    for (second, report) in reports {
        if let Some(what) = differ(&all, &report) {
            return Err(MergeError::Another { first, second, what });
        }
        if let Some((shard, first)) = shards.iter().find(|(shard, _)| *shard == report.shard.0) {
            let (shard, of) = (shard + 1, report.shard.1);
            return Err(MergeError::Twice { first: first.clone(), second, shard, of });
        }
        shards.push((report.shard.0, second));
        all.jobs += report.jobs;
        all.seconds = all.seconds.max(report.seconds);
        all.known.extend(report.known);
        all.lanes.iter_mut().zip(report.lanes).for_each(|(lane, more)| add(lane, more));
    }
    let of = all.shard.1;
    let missing: Vec<u64> =
        (0..of).filter(|n| shards.iter().all(|(shard, _)| shard != n)).map(|n| n + 1).collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing { missing, of });
    }
    all.shard = (0, 1);
    for lane in &mut all.lanes {
        let ruled = !lane.swarm || lane.explore.is_default() && lane.runs >= enough;
        lane.marks.iter_mut().for_each(|mark| mark.must = mark.declared && ruled);
    }
    all.reasons = all.lanes.iter().flat_map(reasons_of).collect();
    Ok(all)
}

fn differ(one: &Report, two: &Report) -> Option<&'static str> {
    let lanes = |report: &Report| -> Vec<(String, Strategy, u64)> {
        report.lanes.iter().map(|lane| (lane.name.clone(), lane.explore, lane.first_seed)).collect()
    };
    match () {
        () if one.version != two.version => Some("another version of the harness"),
        () if one.madsim != two.madsim => Some("one had madsim under it, one had not"),
        () if one.optimised != two.optimised => Some("one build is optimised, one is not"),
        () if one.shard.1 != two.shard.1 => Some("another number of shards"),
        () if lanes(one) != lanes(two) => Some("other scenarios, systems or seeds"),
        () => None,
    }
}

fn add(lane: &mut LaneReport, more: LaneReport) {
    lane.runs += more.runs;
    lane.events += more.events;
    lane.simulated += more.simulated;
    lane.failures += more.failures;
    lane.broken_as_expected += more.broken_as_expected;
    lane.differing += more.differing;
    lane.differences.extend(more.differences);
    for mark in more.marks {
        let known = lane.marks.iter_mut().find(|known: &&mut MarkReport| known.mark == mark.mark);
        match known {
            Some(known) => known.times += mark.times,
            None => lane.marks.push(mark),
        }
    }
    for finding in more.findings {
        let same =
            |known: &&mut FindingReport| known.promise == finding.promise && known.what == finding.what;
        match lane.findings.iter_mut().find(same) {
            Some(known) => {
                let times = known.times + finding.times;
                if finding.seed < known.seed {
                    *known = finding;
                }
                known.times = times;
            }
            None => lane.findings.push(finding),
        }
    }
}
