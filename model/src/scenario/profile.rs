//! Profiles: named sets of latencies and odds for random faults, each value of which can be overridden on the same
//! line: `profile rough loss=5% disk=50us..5ms untimed=yes`. This module holds the values and their text; who draws
//! from them, and how, is decided elsewhere. Invariant: a profile's text reads back as the same profile, as long as
//! its name is one of [`Profile::NAMES`].

use super::{
    line::{bare, problem},
    suggest,
    values::Value,
};
use crate::system::{Problem, Word};
use onceward_core::Dur;

/// Latencies and the odds of random faults. All odds are in millionths; all is drawn from causal keys.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Profile {
    /// Its name in scenario text; a name stands for a whole set of values, single ones may be overridden.
    pub name: String,
    /// Network latency, log-uniform between the two.
    pub network: (Dur, Dur),
    /// Disk latency, log-uniform between the two; syncs take the upper half.
    pub disk: (Dur, Dur),
    /// How often a latency is drawn from the heavy tail instead: up to `tail_max`.
    pub tail: u32,
    /// The longest latency of the tail.
    pub tail_max: Dur,
    /// Bytes per second of a link, 0: without limit.
    pub bandwidth: u64,
    /// Datagrams lost.
    pub loss: u32,
    /// Datagrams doubled.
    pub duplicate: u32,
    /// Deliveries after which an old datagram arrives again.
    pub replay: u32,
    /// Datagrams damaged.
    pub corrupt: u32,
    /// Deliveries on a connection after which one side sees it break.
    pub break_off: u32,
    /// Writes that fail.
    pub write_error: u32,
    /// Writes that are short.
    pub short_write: u32,
    /// Writes that find no space.
    pub no_space: u32,
    /// Reads that fail.
    pub read_error: u32,
    /// Reads that are short.
    pub short_read: u32,
    /// Syncs that fail, their dirty pages lost for good.
    pub sync_error: u32,
    /// Syncs that lie. Beyond what any protocol can promise: only for scenarios that expect it.
    pub sync_lie: u32,
    /// Steps that are cut short by a kill.
    pub kill_within: u32,
    /// How long nobody asks for anything between the end of faults and new work: whatever falls asleep has time to.
    pub silence: Dur,
    /// Latencies are ignored: among all that is possible, any may be next.
    pub untimed: bool,
    /// Latencies are ignored: each causal chain has a priority, and what is of a higher one comes first.
    pub priorities: bool,
    /// With priorities, happenings from which on their chain comes behind all others; without, nothing.
    pub change: u32,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile::none()
    }
}

/// A key that a `profile` line may override, and what it means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The key.
    pub word: &'static str,
    /// What a value looks like.
    pub value: &'static str,
    /// What it is.
    pub help: &'static str,
}

const fn key(word: &'static str, value: &'static str, help: &'static str) -> Key {
    Key { word, value, help }
}

/// The values of a profile, in the order in which they are written.
const KEYS: [Key; 22] = [
    key("network", "500us..5ms", "latency of a link, spread evenly over magnitudes"),
    key("disk", "50us..5ms", "latency of a disk; syncs take the upper half"),
    key("tail", "1%", "latencies drawn from the heavy tail instead"),
    key("tail-max", "2s", "the longest latency of the tail"),
    key("bandwidth", "10MB/s", "what a link carries, or `unlimited`"),
    key("loss", "2%", "datagrams lost"),
    key("duplicate", "2%", "datagrams doubled"),
    key("replay", "0.5%", "deliveries after which an old datagram arrives again"),
    key("corrupt", "0.5%", "datagrams damaged on their way"),
    key("break", "0.5%", "deliveries on a connection after which one side sees it break"),
    key("write-error", "0.1%", "writes that fail"),
    key("short-write", "1%", "writes that are short"),
    key("no-space", "0.1%", "writes that find no space"),
    key("read-error", "0.1%", "reads that fail"),
    key("short-read", "1%", "reads that are short"),
    key("sync-error", "0.5%", "syncs that fail, what they should have made durable lost for good"),
    key("sync-lie", "0.01%", "syncs that lie: beyond what any protocol can promise"),
    key("kill-within", "0.1%", "steps that a kill cuts short"),
    key("silence", "6h", "how long nobody asks for anything between the end of faults and new work"),
    key("untimed", "yes", "whether latencies are ignored: any of all that is possible may be next"),
    key(
        "priorities",
        "yes",
        "whether latencies are ignored, and chains of cause and effect have priorities instead",
    ),
    key("change", "0.5%", "with priorities: happenings from which on their chain comes last"),
];

impl Profile {
    /// The named sets, with what each is for.
    pub const NAMES: [(&'static str, &'static str); 7] = [
        ("none", "nothing random: middling latencies, no faults but those that are written"),
        ("calm", "latencies spread over a magnitude, no faults"),
        ("rough", "a bad day: heavy tails, every fault that a protocol must survive, each rarely"),
        ("stormy", "a very bad day: all of it, often"),
        ("bad-network", "datagrams lost, doubled, late, damaged; connections that break; healthy disks"),
        ("bad-disk", "disks that fail, stall and run full; a healthy network"),
        ("untimed", "calm faults, and time is ignored: any of all that is possible may be next"),
    ];

    /// Nothing random: middling latencies, no faults but those that are written.
    pub fn none() -> Profile {
        Profile {
            name: "none".into(),
            network: (Dur::micros(500), Dur::micros(500)),
            disk: (Dur::micros(100), Dur::micros(100)),
            tail: 0,
            tail_max: Dur::ZERO,
            bandwidth: 0,
            loss: 0,
            duplicate: 0,
            replay: 0,
            corrupt: 0,
            break_off: 0,
            write_error: 0,
            short_write: 0,
            no_space: 0,
            read_error: 0,
            short_read: 0,
            sync_error: 0,
            sync_lie: 0,
            kill_within: 0,
            silence: Dur::ZERO,
            untimed: false,
            priorities: false,
            change: 0,
        }
    }

    /// A named set; none if there is none of that name.
    pub fn named(name: &str) -> Option<Profile> {
        let base = match name {
            "none" => Profile::none(),
            "calm" => Profile::calm(),
            "rough" => Profile::calm().bad_network().bad_disk(),
            "stormy" => Profile::calm().bad_network().bad_disk().times(5),
            "bad-network" => Profile::calm().bad_network(),
            "bad-disk" => Profile::calm().bad_disk(),
            "untimed" => Profile { untimed: true, loss: 10_000, duplicate: 10_000, ..Profile::calm() },
            _ => return None,
        };
        Some(Profile { name: name.to_owned(), ..base })
    }

    fn calm() -> Profile {
        Profile {
            network: (Dur::micros(200), Dur::millis(2)),
            disk: (Dur::micros(20), Dur::micros(500)),
            ..Profile::none()
        }
    }

    /// Heavy tails, and every network fault.
    fn bad_network(self) -> Profile {
        Profile {
            network: (Dur::micros(100), Dur::millis(20)),
            tail: 20_000,
            tail_max: Dur::secs(2),
            loss: 20_000,
            duplicate: 20_000,
            replay: 5_000,
            corrupt: 5_000,
            break_off: 5_000,
            ..self
        }
    }

    /// Heavy tails, and every disk fault but lies.
    fn bad_disk(self) -> Profile {
        Profile {
            disk: (Dur::micros(20), Dur::millis(10)),
            tail: 20_000,
            tail_max: Dur::secs(2),
            write_error: 1_000,
            short_write: 10_000,
            no_space: 1_000,
            read_error: 1_000,
            short_read: 10_000,
            sync_error: 2_000,
            kill_within: 500,
            ..self
        }
    }

    /// All odds so many times higher.
    fn times(mut self, n: u32) -> Profile {
        for key in KEYS {
            if let Some(Value::Odds(odds)) = self.value(key.word) {
                *odds = odds.saturating_mul(n).min(1_000_000);
            }
        }
        self
    }

    /// The values that a line may override.
    pub fn keys() -> &'static [Key] {
        &KEYS
    }

    /// Whether nothing is left to chance.
    pub fn is_certain(&self) -> bool {
        let Profile { network, disk, untimed, priorities, .. } = self;
        let mut copy = self.clone();
        let no_odds =
            KEYS.iter().all(|key| !matches!(copy.value(key.word), Some(Value::Odds(odds)) if *odds > 0));
        no_odds && !untimed && !priorities && network.0 == network.1 && disk.0 == disk.1
    }

    fn value(&mut self, key: &str) -> Option<Value<'_>> {
        Some(match key {
            "network" => Value::Range(&mut self.network),
            "disk" => Value::Range(&mut self.disk),
            "tail" => Value::Odds(&mut self.tail),
            "tail-max" => Value::Span(&mut self.tail_max),
            "bandwidth" => Value::Rate(&mut self.bandwidth),
            "loss" => Value::Odds(&mut self.loss),
            "duplicate" => Value::Odds(&mut self.duplicate),
            "replay" => Value::Odds(&mut self.replay),
            "corrupt" => Value::Odds(&mut self.corrupt),
            "break" => Value::Odds(&mut self.break_off),
            "write-error" => Value::Odds(&mut self.write_error),
            "short-write" => Value::Odds(&mut self.short_write),
            "no-space" => Value::Odds(&mut self.no_space),
            "read-error" => Value::Odds(&mut self.read_error),
            "short-read" => Value::Odds(&mut self.short_read),
            "sync-error" => Value::Odds(&mut self.sync_error),
            "sync-lie" => Value::Odds(&mut self.sync_lie),
            "kill-within" => Value::Odds(&mut self.kill_within),
            "silence" => Value::Span(&mut self.silence),
            "untimed" => Value::Flag(&mut self.untimed),
            "priorities" => Value::Flag(&mut self.priorities),
            "change" => Value::Odds(&mut self.change),
            _ => return None,
        })
    }

    /// Reads the words of a `profile` line after the keyword.
    pub(super) fn read(words: &[Word], keyword: &Word) -> Result<Profile, Problem> {
        let Some(name) = words.first() else {
            let names = Profile::NAMES.map(|(name, _)| name).join(", ");
            return Err(problem(format!("which profile? There is {names}"), keyword.from, keyword.to));
        };
        let mut profile = Profile::named(&name.text).ok_or_else(|| {
            let known = Profile::NAMES.iter().map(|(name, _)| *name);
            problem(suggest::unknown("profile", &name.text, known), name.from, name.to)
        })?;
        let mut seen = Vec::new();
        for word in &words[1..] {
            let at = |what: String| problem(what, word.from, word.to);
            let Some((key, text)) = word.text.split_once('=') else {
                return Err(at(format!("`{}` is no override: one looks like `loss=2%`", word.text)));
            };
            let value = profile.value(key).ok_or_else(|| {
                at(suggest::unknown("value of a profile", key, KEYS.iter().map(|key| key.word)))
            })?;
            value.read(text).map_err(at)?;
            if seen.contains(&key) {
                return Err(at(format!("`{key}` is there twice")));
            }
            seen.push(key);
        }
        Ok(profile)
    }

    /// The words of a `profile` line after the keyword: the name, and what differs from the named set.
    pub(super) fn print(&self) -> String {
        let mut base = Profile::named(&self.name).unwrap_or_default();
        let mut copy = self.clone();
        let mut text = base.name.clone();
        for key in KEYS {
            if let (Some(ours), Some(theirs)) = (copy.value(key.word), base.value(key.word)) {
                let (ours, theirs) = (ours.print(), theirs.print());
                if ours != theirs {
                    text.push_str(&format!(" {}={}", key.word, bare(&ours)));
                }
            }
        }
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scenario::line::words;
    use proptest::prelude::*;

    /// Any profile with a name that can be read.
    pub(in crate::scenario) fn any_profile() -> impl Strategy<Value = Profile> {
        let odds = prop::collection::vec(0..=1_000_000u32, 16);
        let spans = prop::collection::vec(0..u64::MAX, 6);
        (0..Profile::NAMES.len(), odds, spans, any::<u64>(), any::<u32>(), any::<bool>()).prop_map(
            |(name, odds, spans, rate, which, flag)| {
                let mut profile = Profile::named(Profile::NAMES[name].0).unwrap();
                let (mut odds, mut spans) = (odds.into_iter(), spans.into_iter().map(Dur));
                for (n, key) in KEYS.iter().enumerate().filter(|(n, _)| which >> n & 1 == 1) {
                    match profile.value(key.word).unwrap() {
                        Value::Range(range) => {
                            let (a, b) = (spans.next().unwrap(), spans.next().unwrap());
                            *range = (a.min(b), a.max(b));
                        }
                        Value::Span(span) => *span = spans.next().unwrap(),
                        Value::Rate(value) => *value = rate >> (n % 40),
                        Value::Odds(value) => *value = odds.next().unwrap(),
                        Value::Flag(value) => *value = flag,
                    }
                }
                profile
            },
        )
    }

    fn read(text: &str) -> Result<Profile, Problem> {
        let words = words(text, 0)?;
        Profile::read(&words[1..], &words[0])
    }

    #[test]
    fn every_name_is_a_profile_and_only_none_and_its_overrides_are_certain() {
        for (name, _) in Profile::NAMES {
            let profile = Profile::named(name).unwrap();
            assert_eq!(profile.name, name);
            assert_eq!(profile.is_certain(), name == "none");
            assert_eq!(profile.print(), name);
        }
        assert!(read("profile none network=2ms").unwrap().is_certain());
        assert!(!read("profile none loss=1ppm").unwrap().is_certain());
    }

    #[test]
    fn single_values_are_overridden() {
        let profile = read("profile rough loss=2.5% disk=50us..5ms untimed=yes bandwidth=1MB/s").unwrap();
        let rough = Profile::named("rough").unwrap();
        assert_eq!(
            profile,
            Profile {
                loss: 25_000,
                disk: (Dur::micros(50), Dur::millis(5)),
                untimed: true,
                bandwidth: 1_000_000,
                ..rough
            }
        );
    }

    #[test]
    fn the_examples_of_the_keys_are_right() {
        for key in Profile::keys() {
            read(&format!("profile none {}={}", key.word, key.value)).unwrap();
        }
    }

    proptest! {
        #[test]
        fn profiles_round_trip(profile in any_profile()) {
            prop_assert_eq!(read(&format!("profile {}", profile.print())), Ok(profile));
        }

        #[test]
        fn any_value_is_read_or_refused(key in 0..KEYS.len(), value in ".{0,20}") {
            let _ = read(&format!("profile calm {}={value}", KEYS[key].word));
        }
    }
}
