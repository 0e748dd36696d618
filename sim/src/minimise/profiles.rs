//! What of a profile can be switched off. Each part of it is a class of chances, or a latency; switched off, it is as in
//! `profile none`.

use onceward_model::scenario::Profile;

/// Takes over one part of another profile.
pub(crate) type Part = fn(&mut Profile, &Profile);

/// Faults that strike at random.
pub(super) const FAULTS: [Part; 13] = [
    |p, q| p.loss = q.loss,
    |p, q| p.duplicate = q.duplicate,
    |p, q| p.replay = q.replay,
    |p, q| p.corrupt = q.corrupt,
    |p, q| p.break_off = q.break_off,
    |p, q| p.write_error = q.write_error,
    |p, q| p.short_write = q.short_write,
    |p, q| p.no_space = q.no_space,
    |p, q| p.read_error = q.read_error,
    |p, q| p.short_read = q.short_read,
    |p, q| p.sync_error = q.sync_error,
    |p, q| p.sync_lie = q.sync_lie,
    |p, q| p.kill_within = q.kill_within,
];

/// How long things take.
pub(super) const TIMES: [Part; 9] = [
    |p, q| p.silence = q.silence,
    |p, q| p.untimed = q.untimed,
    |p, q| p.priorities = q.priorities,
    |p, q| p.change = q.change,
    |p, q| p.tail = q.tail,
    |p, q| p.tail_max = q.tail_max,
    |p, q| p.bandwidth = q.bandwidth,
    |p, q| p.network = q.network,
    |p, q| p.disk = q.disk,
];

/// All of it.
pub(crate) const PARTS: [Part; 22] = {
    let mut all = [FAULTS[0]; 22];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < FAULTS.len() { FAULTS[at] } else { TIMES[at - FAULTS.len()] };
        at += 1;
    }
    all
};

/// In how many parts two profiles differ, whatever they are called.
pub(super) fn differing(a: &Profile, b: &Profile) -> usize {
    let differs = |part: &&Part| {
        let mut copy = a.clone();
        part(&mut copy, b);
        copy != *a
    };
    FAULTS.iter().chain(&TIMES).filter(differs).count()
}

/// The same latencies, and no faults but those that are written.
pub(super) fn faultless(profile: &Profile) -> Profile {
    let (mut quiet, none) = (profile.clone(), Profile::none());
    FAULTS.iter().for_each(|part| part(&mut quiet, &none));
    quiet.name = none.name;
    quiet
}
