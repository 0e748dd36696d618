//! Where runs happen: inside a madsim runtime whose clock goes along with simulated time, so that a stray
//! `Instant::now`, `HashMap` order or call for entropy in any dependency is the same in every run of a seed, and a
//! stray thread is refused. Without the cfg `madsim` (a plain `cargo test`) the same loop runs with no net under it.
//!
//! One thing the net does not catch on a thread that is used again: `HashMap`'s keys are drawn once per thread. Batches
//! use threads again all the same, because a fresh one costs as much as a whole short run; whatever a batch reports is
//! first confirmed by a run in a [fresh thread](fresh), and `--twice` compares the two for every seed.

use crate::engine::Ticker;
use onceward_model::world::Time;

/// Whether runs have madsim under them.
pub const MADSIM: bool = cfg!(madsim);

/// Moves madsim's clock along.
pub struct Host {
    #[cfg(madsim)]
    clock: madsim::time::TimeHandle,
    #[cfg(madsim)]
    at: Time,
}

impl Ticker for Host {
    #[inline]
    #[cfg(madsim)]
    fn now(&mut self, at: Time) {
        if at > self.at {
            self.clock.advance(std::time::Duration::from_nanos(at.since(self.at).0));
            self.at = at;
        }
    }

    #[inline]
    #[cfg(not(madsim))]
    fn now(&mut self, _: Time) {}
}

/// Performs a run of a seed under madsim, if this build has it.
#[cfg(madsim)]
pub fn inside<R>(seed: u64, run: impl FnOnce(&mut Host) -> R) -> R {
    let runtime = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.block_on(async {
        let clock = madsim::time::TimeHandle::current();
        run(&mut Host { clock, at: Time(0) })
    })
}

/// Performs a run of a seed under madsim, if this build has it.
#[cfg(not(madsim))]
pub fn inside<R>(_seed: u64, run: impl FnOnce(&mut Host) -> R) -> R {
    run(&mut Host {})
}

/// Runs something in a thread of its own, so that nothing an earlier run left in thread-local state can reach it.
pub fn fresh<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
