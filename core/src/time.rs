//! Time as data. This module names the two clocks that a machine is given and the spans it may ask for; it never
//! reads a clock. Invariants: all units are nanoseconds in `u64`; arithmetic saturates, so that no clock value that
//! a network or a disk hands in can panic.

/// A span of time in nanoseconds.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Dur(pub u64);

/// Local monotonic time in nanoseconds since an origin that each incarnation chooses: it never goes back while the
/// process lives, means nothing after a restart, and is not comparable between nodes.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mono(pub u64);

/// Local wall-clock time in nanoseconds since the Unix epoch. It may step in both directions and differ between
/// nodes by any amount.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Wall(pub u64);

/// Both clocks of one node at the moment of a step.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Clock {
    /// For measuring spans and deadlines within one incarnation.
    pub mono: Mono,
    /// For timestamps that people read. Never for ordering, never for safety.
    pub wall: Wall,
}

/// The bounds within which a driver fires a timer, counted from the step that armed it. A driver draws from the
/// window, so that jitter is explored by a checker and random in production.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Window {
    /// Not before this much local monotonic time has passed.
    pub from: Dur,
    /// A healthy driver fires before this much has passed; a slow one may fire later.
    pub to: Dur,
}

impl Dur {
    /// No time at all.
    pub const ZERO: Dur = Dur(0);
    /// The longest span.
    pub const MAX: Dur = Dur(u64::MAX);

    /// A span of `n` microseconds.
    pub const fn micros(n: u64) -> Dur {
        Dur(n.saturating_mul(1_000))
    }

    /// A span of `n` milliseconds.
    pub const fn millis(n: u64) -> Dur {
        Dur(n.saturating_mul(1_000_000))
    }

    /// A span of `n` seconds.
    pub const fn secs(n: u64) -> Dur {
        Dur(n.saturating_mul(1_000_000_000))
    }
}

impl Mono {
    /// The moment `span` later, at most the end of time.
    pub const fn after(self, span: Dur) -> Mono {
        Mono(self.0.saturating_add(span.0))
    }

    /// The span since `earlier`, zero if that lies ahead.
    pub const fn since(self, earlier: Mono) -> Dur {
        Dur(self.0.saturating_sub(earlier.0))
    }
}

impl Wall {
    /// Whole milliseconds since the Unix epoch, rounded down.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Window {
    /// Exactly `span`, as far as the driver can.
    pub const fn exactly(span: Dur) -> Window {
        Window { from: span, to: span }
    }

    /// As soon as the driver gets to it.
    pub const NOW: Window = Window::exactly(Dur::ZERO);
}
