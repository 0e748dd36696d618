//! What each engine can perform of the scenario language. This is the one place that says so: replays refuse by it, and
//! the table of verbs is made from it. An engine refuses what it cannot perform, it never leaves it out.

use crate::real::{self, RealError};
use onceward_core::Dur;
use onceward_model::{
    scenario::{self, Entry, Places, Planned, Profile, Scenario, ScenarioError},
    system::System,
    world::{Choice, ClockChange, Landed, Protocol, disk::Damage},
};
use std::fmt::Write as _;

/// An engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// One event loop over a simulated world.
    #[default]
    Loop,
    /// The real driver in a simulated world.
    Shell,
    /// Exact steps, as an exhaustive check performs them: without healing afterwards.
    Check,
    /// Real processes, files and signals, in real time.
    Real,
}

impl Kind {
    /// All, as tables list them.
    pub const ALL: [Kind; 4] = [Kind::Loop, Kind::Shell, Kind::Check, Kind::Real];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Loop => "loop",
            Kind::Shell => "shell",
            Kind::Check => "check",
            Kind::Real => "real",
        }
    }
}

/// Whether an engine performs something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// It does.
    Yes,
    /// It does, in its own way.
    As(&'static str),
    /// It does not, for this reason.
    No(&'static str),
}

/// Something that a scenario can ask for, as far as engines tell it apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// A call, in a system's own words.
    Call,
    /// A process starts.
    Boots,
    /// A process is killed.
    Killed,
    /// A process is killed, and it is said what of its operations took effect.
    KilledLanding,
    /// A process is killed within its next step.
    KilledWithin,
    /// A process is not scheduled.
    Pauses,
    /// It is again.
    Resumes,
    /// A computer loses power.
    LosesPower,
    /// A disk is emptied.
    Wiped,
    /// Bits of a file flip.
    Rots,
    /// A sector cannot be read.
    LosesSector,
    /// A disk has so much room.
    Capacity,
    /// A coming operation ends in some way.
    Next,
    /// A clock drifts or steps, stops or runs steadily.
    Clock,
    /// A link is cut, healed, held or released.
    Link,
    /// A connection breaks.
    Break,
    /// An exact step.
    Step,
    /// Random latencies and faults.
    Profile,
    /// A time in which nothing is asked for, before the last phase of a run.
    Silence,
}

use Support::{As, No, Yes};

const NO_POWER: &str = "the power of this computer stays on";
const NO_FAULTS: &str = "real devices do not fail on demand";
const NO_AIM: &str = "what it would hit depends on how far the machine has come by then";
const NO_CLOCK: &str = "the clocks of this computer are not ours to change";
const NO_NETWORK: &str = "its nodes have no network between them";
const DRIVER_DECIDES: &str = "the driver decides which step comes next";
const NO_CHANCE: &str = "exact steps leave nothing to chance";
const REAL_CHANCE: &str = "chance there is not drawn from a seed";

impl Deed {
    /// All, in the order of the table.
    pub const ALL: [Deed; 19] = [
        Deed::Call,
        Deed::Boots,
        Deed::Killed,
        Deed::KilledLanding,
        Deed::KilledWithin,
        Deed::Pauses,
        Deed::Resumes,
        Deed::LosesPower,
        Deed::Wiped,
        Deed::Rots,
        Deed::LosesSector,
        Deed::Capacity,
        Deed::Next,
        Deed::Clock,
        Deed::Link,
        Deed::Break,
        Deed::Step,
        Deed::Profile,
        Deed::Silence,
    ];

    /// How it is written.
    pub fn usage(self) -> &'static str {
        match self {
            Deed::Call => "a system's own verbs",
            Deed::Boots => "NODE boots [as CONFIG]",
            Deed::Killed => "NODE is killed",
            Deed::KilledLanding => "NODE is killed, landing ...",
            Deed::KilledWithin => "NODE is killed within N actions",
            Deed::Pauses => "NODE pauses",
            Deed::Resumes => "NODE resumes",
            Deed::LosesPower => "NODE loses power ...",
            Deed::Wiped => "NODE is wiped",
            Deed::Rots => "NODE's disk rots ...",
            Deed::LosesSector => "NODE's disk loses ...",
            Deed::Capacity => "NODE's disk has capacity ...",
            Deed::Next => "next OPERATION of NODE ...",
            Deed::Clock => "NODE's clock ...",
            Deed::Link => "cut, heal, hold, release ...",
            Deed::Break => "break connection ...",
            Deed::Step => "step LABEL",
            Deed::Profile => "profile, other than `none`",
            Deed::Silence => "profile ... silence=...",
        }
    }

    /// What an entry of a plan asks for.
    pub fn of<P: Protocol>(planned: &Planned<P>) -> Deed {
        match planned {
            Planned::Step(_) => Deed::Step,
            Planned::Next(..) => Deed::Next,
            Planned::Do(choice) => match choice {
                Choice::Call(..) => Deed::Call,
                Choice::Boot(..) => Deed::Boots,
                Choice::Kill(_, Landed::Nothing) => Deed::Killed,
                Choice::Kill(..) => Deed::KilledLanding,
                Choice::KillWithin(..) => Deed::KilledWithin,
                Choice::Pause(_) => Deed::Pauses,
                Choice::Resume(_) => Deed::Resumes,
                Choice::PowerLoss(..) => Deed::LosesPower,
                Choice::Wipe(_) => Deed::Wiped,
                Choice::Damage(_, Damage::Rot { .. }) => Deed::Rots,
                Choice::Damage(_, Damage::Lose { .. }) => Deed::LosesSector,
                Choice::Damage(_, Damage::Capacity(_)) => Deed::Capacity,
                Choice::Clock(
                    _,
                    ClockChange::Drift(_) | ClockChange::Step(_) | ClockChange::Freeze | ClockChange::Steady,
                ) => Deed::Clock,
                Choice::Cut(..) | Choice::Heal(..) | Choice::Hold(..) | Choice::Release(..) => Deed::Link,
                Choice::Break(..) => Deed::Break,
                // Things that happen by themselves: a plan can only ask for them as steps.
                Choice::Disk(..)
                | Choice::Deliver(..)
                | Choice::Advance(..)
                | Choice::Fire(..)
                | Choice::Drop(..)
                | Choice::Duplicate(..)
                | Choice::Replay(..)
                | Choice::Corrupt(..) => Deed::Step,
            },
        }
    }

    /// Whether an engine performs it.
    pub fn support(self, engine: Kind) -> Support {
        match engine {
            Kind::Loop => Yes,
            Kind::Shell => match self {
                Deed::Step => No(DRIVER_DECIDES),
                _ => Yes,
            },
            Kind::Check => match self {
                Deed::Next => No("there, the step itself says how an operation ends"),
                Deed::Profile => No(NO_CHANCE),
                Deed::Silence => No("there, nothing comes behind the last step"),
                _ => Yes,
            },
            Kind::Real => match self {
                Deed::Call | Deed::Boots | Deed::Wiped => Yes,
                Deed::Killed => As("SIGKILL; the kernel decides what of its operations takes effect"),
                Deed::Pauses => As("SIGSTOP"),
                Deed::Resumes => As("SIGCONT"),
                Deed::Capacity => As("RLIMIT_FSIZE: the limit is that of each single file"),
                Deed::KilledLanding | Deed::KilledWithin => No("a real kill cannot be aimed so"),
                Deed::Rots => No(NO_AIM),
                Deed::LosesPower => No(NO_POWER),
                Deed::LosesSector | Deed::Next => No(NO_FAULTS),
                Deed::Clock => No(NO_CLOCK),
                Deed::Link | Deed::Break => No(NO_NETWORK),
                Deed::Step => No("real steps have no order that could be given"),
                Deed::Profile => No(REAL_CHANCE),
                Deed::Silence => No("there, time does not pass any faster"),
            },
        }
    }
}

/// Refuses what an engine cannot perform of a scenario.
///
/// # Errors
/// Every line that it cannot perform, with the verb and the reason.
pub fn refuse<S: System>(
    engine: Kind,
    text: &str,
    scenario: &Scenario<S::Protocol>,
    places: &Places,
) -> Result<(), ScenarioError> {
    let mut reasons = Vec::new();
    let mut look = |deed: Deed, place: &scenario::Place| {
        if let No(why) = deed.support(engine) {
            let what = format!("the {} engine cannot perform `{}`: {why}", engine.name(), deed.usage());
            reasons.push((place.clone(), what));
        }
    };
    let silence = scenario.profile.silence;
    let chance = match engine {
        // Whatever it is, there is no other.
        Kind::Real => scenario.profile != Profile { silence, ..Profile::none() },
        _ => !scenario.profile.is_certain(),
    };
    if let Some(place) = &places.profile {
        let asked = [(Deed::Profile, chance), (Deed::Silence, silence > Dur::ZERO)];
        asked.into_iter().filter(|(_, is)| *is).for_each(|(deed, _)| look(deed, place));
    }
    for (entry, place) in scenario.entries.iter().zip(&places.entries) {
        look(Deed::of(&entry.what), place);
    }
    if engine == Kind::Real {
        if let Some(place) = places.system.clone().filter(|_| !real::can_host::<S>()) {
            reasons.push((place, RealError::NotHosted(S::NAME).to_string()));
        }
        let late = |entry: &Entry<S::Protocol>| entry.at > real::LONGEST;
        let late = scenario.entries.iter().zip(&places.entries).find(|(entry, _)| late(entry));
        if let Some((_, place)) = late {
            let what =
                "the real engine waits for every second of a scenario, and not for more than 60 of them";
            reasons.push((place.clone(), what.into()));
        }
    }
    let exact = scenario.entries.iter().any(|entry| matches!(entry.what, Planned::Step(_)));
    if engine == Kind::Check
        && !exact
        && let Some(place) = places.system.clone()
    {
        let what = "the check engine performs exact steps alone, and this scenario has no `step`: what its lines set \
                    off would never happen";
        reasons.push((place, what.into()));
    }
    scenario::refusal(text, &reasons).map_or(Ok(()), Err)
}

/// Refuses engines that no random plan can be performed in.
///
/// # Errors
/// What stands in the way.
pub fn refuse_swarm(engine: Kind) -> Result<(), String> {
    match Deed::Profile.support(engine) {
        No(why) => Err(format!("the {} engine cannot perform random plans: {why}", engine.name())),
        _ => Ok(()),
    }
}

/// The table of what each engine performs, as text for a terminal and for a page alike.
pub fn table() -> String {
    let mut notes: Vec<String> = Vec::new();
    let mut text = String::from("| |");
    for engine in Kind::ALL {
        let _ = write!(text, " {} |", engine.name());
    }
    text.push_str("\n|---|");
    Kind::ALL.iter().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for deed in Deed::ALL {
        let _ = write!(text, "| `{}` |", deed.usage().replace('`', ""));
        for engine in Kind::ALL {
            let (sign, note) = match deed.support(engine) {
                Yes => ("yes", None),
                As(how) => ("yes", Some(how)),
                No(why) => ("no", Some(why)),
            };
            let number = note.map(|note| {
                let known = notes.iter().position(|other| other == note).unwrap_or_else(|| {
                    notes.push(note.to_owned());
                    notes.len() - 1
                });
                format!(" ({})", known + 1)
            });
            let _ = write!(text, " {sign}{} |", number.unwrap_or_default());
        }
        text.push('\n');
    }
    text.push('\n');
    for (n, note) in notes.iter().enumerate() {
        let _ = writeln!(text, "{}. {note}", n + 1);
    }
    text
}
