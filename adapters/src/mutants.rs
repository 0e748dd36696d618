//! The known bugs of the glue, kept: each one a mistake that a driver can make without any machine being wrong. The
//! shell simulation must notice each of them.

onceward_core::mutants! {
    /// A bug of the driver.
    pub enum Mutant {
        /// Of several disk operations that are done at the same time, the machine is told of the first only.
        ForgetCompletions => "driver-tells-completions",
        /// When a machine is started anew after a panic, calls that it had not seen yet are dropped without an answer.
        ForgetWaitingCalls => "driver-answers-callers",
        /// A timer that was stopped fires nevertheless.
        KeepDisarmedTimers => "driver-keeps-timers",
        /// The driver sleeps for as long as its last timer wants, not its first.
        SleepUntilLastTimer => "driver-keeps-timers",
        /// The actions of one step are performed in the wrong order.
        ReverseActions => "driver-performs-actions",
        /// Whoever sleeps until the first timer is not told of one that comes sooner.
        SleepOn => "driver-keeps-timers",
        /// A machine is not told that its server has ended a stream.
        EndKept => "driver-keeps-streams",
        /// A stream that a machine has dropped tells it what was under way.
        DroppedSpeaks => "driver-keeps-streams",
    }
}

/// Whether a known bug of the driver is switched on.
macro_rules! mutant {
    ($name:ident) => {
        onceward_core::mutant_in!($crate::mutants::Mutant, $name)
    };
}
pub(crate) use mutant;
