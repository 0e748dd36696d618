//! What becomes of a machine that panics, and of a stream that was dropped.

use super::*;
use std::convert::Infallible;
use tokio::sync::oneshot;

/// Panics when it is asked to, and notes what it was told otherwise.
#[derive(Default)]
struct Glass(Vec<&'static str>);

impl Machine for Glass {
    type Input = &'static str;
    type Action = &'static str;

    fn step(&mut self, _: Clock, input: &'static str, actions: &mut Vec<&'static str>) {
        assert_ne!(input, "fail", "as you wish");
        self.0.push(input);
        actions.push(input);
    }
}

#[derive(Default)]
struct Waiters(Vec<oneshot::Sender<()>>);

impl Side for Waiters {
    type Core = Glass;
    type Input = &'static str;
    type Action = &'static str;
    type Timer = ();
    type Event = ();
    type Stream = u8;
    type Word = ();
    type Heard = &'static str;
    type Why = Infallible;

    fn input(&self, happened: Happened<Self>) -> &'static str {
        match happened {
            Happened::Received(_, said) => said,
            Happened::Opened(_) => "opened",
            Happened::Ended(..) => "ended",
            Happened::Token(_) => "token",
            Happened::Timer(()) => "timer",
        }
    }

    fn wish(&self, action: &'static str) -> Wish<Self> {
        match action {
            "open 1" => Wish::Open(1),
            "open 2" => Wish::Open(2),
            "drop 1" => Wish::Drop(1),
            _ => Wish::Nothing,
        }
    }

    fn tell(&mut self, (): (), _: &mut VecDeque<&'static str>) {}

    fn fail(&mut self) {
        self.0.clear();
    }
}

/// Nothing is ever heard there.
struct Nowhere;

impl Outside<Waiters> for Nowhere {
    type Task = tokio::task::AbortHandle;
    type Line = ();
    type Ears = ();

    fn clock(&self) -> Clock {
        Clock::default()
    }
    fn entropy(&self) -> u64 {
        0
    }
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Self::Task {
        tokio::spawn(task).abort_handle()
    }
    fn abort(task: &Self::Task) {
        task.abort();
    }
    async fn sleep_until(&self, _: Option<Mono>) {
        std::future::pending().await
    }
    async fn connect(&self, _: u8) -> Result<(), Infallible> {
        Ok(())
    }
    async fn exchange(&self, (): (), _: Words<()>) -> Result<(), Infallible> {
        Ok(())
    }
    async fn hear(&self, (): &mut ()) -> Result<&'static str, Option<Infallible>> {
        std::future::pending().await
    }
    async fn token(&self) -> Option<Bytes> {
        None
    }
}

fn on_a_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
}

#[test]
fn whoever_waits_for_a_machine_that_panics_is_let_go_and_it_takes_no_further_step() {
    on_a_runtime(async {
        let driver = Driver::start(Nowhere, Glass::default(), Waiters::default(), "start");
        let wait = || {
            let (waiter, answer) = oneshot::channel();
            driver.lock().side.0.push(waiter);
            answer
        };
        let before = wait();
        driver.step("fail");
        assert!(before.await.is_err() && driver.lock().has_failed());
        let after = wait();
        driver.step("more");
        assert!(after.await.is_err());
        assert_eq!(driver.lock().core.0, ["start"]);
    });
}

#[test]
fn a_stream_that_was_dropped_tells_nothing_more() {
    on_a_runtime(async {
        let driver = Driver::start(Nowhere, Glass::default(), Waiters::default(), "open 1");
        tokio::task::yield_now().await;
        driver.step("drop 1");
        driver.step("open 2");
        driver.tell(1, Happened::Received(1, "late"));
        driver.tell(2, Happened::Received(2, "in time"));
        let told = driver.lock().core.0.clone();
        assert_eq!(told, ["open 1", "opened", "drop 1", "open 2", "in time"]);
    });
}
