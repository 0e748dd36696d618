//! What becomes of processes.

use super::rig::{Rig, power_loss};
use onceward_core::{Dur, Input, NodeId};
use onceward_model::{
    toy::{Msg, Request, Response, SERVER, Timer, Toy},
    world::{Applied, Choice, disk::Landed},
};

const CLIENT: NodeId = NodeId(1);

#[test]
fn a_process_dies_between_two_actions_of_one_step() {
    // To ask means: send the question, then arm the timer.
    for (actions, sent) in [(0, 0), (1, 1), (2, 1)] {
        let mut rig = Rig::new(1);
        rig.does(&Choice::KillWithin(CLIENT, actions));
        rig.calls(1, Request::Add);
        assert_eq!(rig.world.net().bag().count(), sent, "{actions}");
        assert!(rig.world.host(CLIENT).node.is_none() && rig.world.host(CLIENT).timers().is_empty());
        rig.calm();
        assert_eq!(rig.received(SERVER, &Msg::Add(1)), sent);
        assert_eq!(rig.heard.replies, [], "its caller never hears");
        rig.does(&Choice::Boot(CLIENT, 0));
        assert_eq!(rig.sum(), Ok(sent as u32), "unknown to the caller, and done or not");
    }
}

#[test]
fn a_process_starts_again_and_its_memory_is_gone() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.asks(1, Request::Add), Some(Response::Added));
    let before = rig.server().cloned();
    rig.does(&Choice::Kill(SERVER, Landed::Nothing));
    assert!(rig.server().is_none());
    rig.calls(1, Request::Add);
    rig.calm();
    assert_eq!(rig.heard.replies.len(), 1, "nobody is there to answer");
    rig.passes(Dur::secs(1));
    rig.does(&Choice::Boot(SERVER, 0));
    assert_ne!(rig.server().cloned(), before);
    let server = |node: NodeId| rig.world.clock(node, rig.now).mono;
    assert!(server(SERVER) < server(CLIENT), "its monotonic clock starts anew");
    rig.calm();
    rig.retries(1);
    assert_eq!(rig.sum(), Ok(2));
}

#[test]
fn a_paused_process_takes_nothing_in_and_goes_on_where_it_stood() {
    let mut rig = Rig::new(1);
    rig.calls(1, Request::Add);
    rig.does(&Choice::Pause(SERVER));
    assert_eq!(rig.tries(&Choice::Deliver(CLIENT, SERVER, Msg::Add(1))), Ok(Applied::Blocked));
    rig.passes(Dur::secs(60));
    let stood = rig.server().cloned();
    rig.does(&Choice::Fire(CLIENT, Timer::Retry));
    assert_eq!(rig.server().cloned(), stood);
    rig.does(&Choice::Resume(SERVER));
    rig.calm();
    assert_eq!(rig.heard.replies.last().unwrap().1, Response::Added);
    assert_eq!(rig.sum(), Ok(1));
}

#[test]
fn a_node_loses_its_whole_disk() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.asks(1, Request::Add), Some(Response::Added));
    assert_eq!(rig.tries(&Choice::Wipe(SERVER)), Ok(Applied::Stale), "not while it runs");
    rig.does(&power_loss("dropping everything"));
    rig.does(&Choice::Wipe(SERVER));
    assert!(rig.world.host(SERVER).disk.durable_image().files.is_empty());
    rig.does(&Choice::Boot(SERVER, 0));
    rig.calm();
    assert_eq!(rig.sum(), Err("reads-see-acked"), "there was one copy");
}

#[test]
fn a_node_starts_under_another_configuration() {
    let lease = Dur::millis(100);
    for config in [0, 1] {
        let mut rig = Rig::with(Toy { lease, ..Toy::untimed(1) });
        rig.passes(lease);
        rig.does(&Choice::Fire(SERVER, Timer::Lease));
        rig.does(&Choice::Kill(CLIENT, Landed::Nothing));
        rig.does(&Choice::Boot(CLIENT, config));
        assert_eq!(rig.world.host(CLIENT).config, config);
        assert_eq!(rig.asks(1, Request::Read), Some(Response::Sum(0)));
        // Without leases, the second read asks as well.
        assert_eq!(rig.asks(1, Request::Read), Some(Response::Sum(0)));
        assert_eq!(rig.received(SERVER, &Msg::Fetch), 1 + usize::from(config));
    }
}

/// Both processes of a pair, at once and alone: nothing of one process is in another.
#[test]
fn a_crash_touches_one_process() {
    let mut rig = Rig::new(2);
    rig.calls(2, Request::Add);
    rig.does(&Choice::Kill(CLIENT, Landed::Nothing));
    rig.calm();
    assert_eq!(rig.heard.replies.last().unwrap().1, Response::Added);
    assert!(rig.heard.inputs.iter().all(|(node, input)| *node != CLIENT || *input == Input::Boot));
}
