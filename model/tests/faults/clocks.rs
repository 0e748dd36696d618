//! What clocks do.

use super::rig::Rig;
use onceward_core::{Dur, Mono, NodeId, Wall};
use onceward_model::{
    toy::{Request, Response, Toy},
    world::{Choice, ClockChange, EPOCH},
};

const HOUR: i64 = 3_600_000_000_000;

fn wall(rig: &mut Rig, client: u16) -> Wall {
    match rig.asks(client, Request::Wall) {
        Some(Response::Wall(wall)) => wall,
        other => panic!("asked for the time and got {other:?}"),
    }
}

fn mono(rig: &Rig, client: u16) -> Mono {
    rig.world.clock(NodeId(client), rig.now).mono
}

fn change(rig: &mut Rig, client: u16, change: ClockChange) {
    rig.does(&Choice::Clock(NodeId(client), change));
}

#[test]
fn clocks_are_apart() {
    let mut rig = Rig::new(2);
    change(&mut rig, 1, ClockChange::Step(HOUR));
    assert_eq!(wall(&mut rig, 1).0 - wall(&mut rig, 2).0, HOUR as u64);
}

#[test]
fn clocks_drift() {
    let mut rig = Rig::new(2);
    change(&mut rig, 1, ClockChange::Drift(200_000));
    change(&mut rig, 2, ClockChange::Drift(-500_000));
    rig.passes(Dur::secs(10));
    assert_eq!(wall(&mut rig, 1).0 - EPOCH.0, Dur::secs(12).0);
    assert_eq!(wall(&mut rig, 2).0 - EPOCH.0, Dur::secs(5).0);
    assert_eq!((mono(&rig, 1), mono(&rig, 2)), (Mono(Dur::secs(12).0), Mono(Dur::secs(5).0)));
}

#[test]
fn wall_clocks_step_forwards_and_backwards_and_monotonic_ones_do_not() {
    let mut rig = Rig::new(1);
    let before = (wall(&mut rig, 1), mono(&rig, 1));
    change(&mut rig, 1, ClockChange::Step(-HOUR));
    assert_eq!((wall(&mut rig, 1), mono(&rig, 1)), (Wall(before.0.0 - HOUR as u64), before.1));
    change(&mut rig, 1, ClockChange::Step(2 * HOUR));
    assert_eq!((wall(&mut rig, 1), mono(&rig, 1)), (Wall(before.0.0 + HOUR as u64), before.1));
}

#[test]
fn clocks_stand_still_and_go_on_from_there() {
    let mut rig = Rig::new(1);
    rig.passes(Dur::secs(1));
    change(&mut rig, 1, ClockChange::Freeze);
    let frozen = (wall(&mut rig, 1), mono(&rig, 1));
    rig.passes(Dur::secs(60));
    assert_eq!((wall(&mut rig, 1), mono(&rig, 1)), frozen);
    change(&mut rig, 1, ClockChange::Steady);
    rig.passes(Dur::secs(2));
    assert_eq!(wall(&mut rig, 1).0 - frozen.0.0, Dur::secs(2).0);
}

/// The reader's clock stands still while the server's goes on: a lease that is over is still believed in.
#[test]
fn a_machine_acts_on_what_its_own_clock_says() {
    let lease = Dur::millis(100);
    let mut rig = Rig::with(Toy { lease, ..Toy::untimed(2) });
    // The leases that an earlier incarnation may have granted are over.
    rig.passes(lease);
    rig.does(&Choice::Fire(NodeId(0), onceward_model::toy::Timer::Lease));
    assert_eq!(rig.asks(1, Request::Read), Some(Response::Sum(0)));
    change(&mut rig, 1, ClockChange::Freeze);
    rig.calls(2, Request::Add);
    rig.calm();
    rig.passes(lease);
    rig.does(&Choice::Fire(NodeId(0), onceward_model::toy::Timer::Lease));
    rig.calm();
    assert_eq!(rig.heard.replies.last().unwrap().1, Response::Added);
    let call = onceward_core::CallId { client: onceward_core::ClientId(0), number: 99 };
    let broken = rig.tries(&Choice::Call(NodeId(1), call, Request::Read)).unwrap_err();
    assert_eq!(broken.promise, "reads-see-acked", "no clock may stop: beyond what the toy can promise");
}
