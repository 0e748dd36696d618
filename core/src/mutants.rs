//! Known bugs, kept. A mutant is a few lines of a real design's mistake behind a macro `mutant!`, so that
//! a harness can be measured by what it catches. Without the feature `mutants` the macro is the constant `false`
//! and nothing of this remains in a build; with it, one mutant per process is chosen once, before anything runs.

/// What is known of a mutant, for tables and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name in code and on the command line.
    pub name: &'static str,
    /// What the mistake is, in words, with its source.
    pub what: &'static str,
    /// The promise that must be seen broken. A kill by another promise does not count.
    pub kills: &'static str,
}

#[cfg(feature = "mutants")]
static REACHED: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

/// Takes note that the place of the mutant that is switched on was reached.
#[cfg(feature = "mutants")]
#[doc(hidden)]
pub fn reach() {
    REACHED.store(true, core::sync::atomic::Ordering::Relaxed);
}

/// Whether this process has come to a place that the mutant that is switched on changes since this was asked last: in
/// a run that has not, the mutant cannot have mattered.
#[cfg(feature = "mutants")]
pub fn take_reached() -> bool {
    REACHED.swap(false, core::sync::atomic::Ordering::Relaxed)
}

/// Declares a catalogue of mutants: an enum, their descriptions, and the switch.
#[macro_export]
macro_rules! mutants {
    ($(#[$meta:meta])* $vis:vis enum $catalogue:ident { $( $(#[doc = $what:literal])+ $name:ident => $kills:literal ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $vis enum $catalogue { $( $(#[doc = $what])+ $name ),* }

        impl $catalogue {
            /// Every mutant, in the order of declaration.
            $vis const ALL: &'static [$catalogue] = &[$( $catalogue::$name ),*];

            /// What is known of it.
            $vis const fn about(self) -> $crate::mutants::About {
                match self { $( $catalogue::$name => $crate::mutants::About {
                    name: stringify!($name), what: concat!($($what, "\n"),+), kills: $kills,
                } ),* }
            }

            /// What switches this mutant on for the whole process, and every other of its catalogue off: to be called
            /// once, before any machine exists. It does nothing in a build without mutants.
            $vis const fn switch_on(self) -> fn() {
                match self { $( $catalogue::$name => || {
                    #[cfg(feature = "mutants")]
                    $catalogue::$name.activate();
                } ),* }
            }

            #[cfg(feature = "mutants")]
            fn switch() -> &'static core::sync::atomic::AtomicUsize {
                static ACTIVE: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(usize::MAX);
                &ACTIVE
            }

            /// Whether this mutant is switched on in this process.
            #[cfg(feature = "mutants")]
            #[inline]
            $vis fn active(self) -> bool {
                let active = Self::switch().load(core::sync::atomic::Ordering::Relaxed) == self as usize;
                if active {
                    $crate::mutants::reach();
                }
                active
            }

            /// Switches this mutant on, and every other of its catalogue off, for the whole process. To be called
            /// once, before any machine exists.
            #[cfg(feature = "mutants")]
            $vis fn activate(self) {
                Self::switch().store(self as usize, core::sync::atomic::Ordering::Relaxed);
            }
        }
    };
}

/// Whether a known bug of this crate is switched on: constantly `false` unless the feature `mutants` is.
#[macro_export]
#[doc(hidden)]
macro_rules! mutant_in {
    ($catalogue:path, $name:ident) => {{
        #[cfg(feature = "mutants")]
        {
            use $catalogue as Catalogue;
            Catalogue::$name.active()
        }
        #[cfg(not(feature = "mutants"))]
        {
            use $catalogue as Catalogue;
            let _ = Catalogue::$name;
            false
        }
    }};
}
