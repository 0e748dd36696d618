//! What is judged of recordings alone, and what they are forgiven.

use super::*;

#[test]
fn a_recording_may_begin_in_the_middle() {
    for mut case in Case::both() {
        let told = if case.0.recording.is_some() { Ok(()) } else { Err(COMMITS_ASKED_FOR) };
        assert_eq!(case.next_at(7), told);
    }
    let mut case = Case::recording();
    assert_eq!(case.next_at(7), Ok(()));
    assert_eq!(case.clone().next_at(6), Err(COMMITS_LAST));
    assert_eq!(case.next_at(8), Err(COMMITS_ASKED_FOR));
    // A stream that nobody has seen begin.
    assert_eq!(case.acks(77, &[written(1, 0)]), Ok(()));
    assert_eq!(case.shows(77, 5, ("p", 1), "a"), Ok(()));
}

#[test]
fn a_start_forgets_what_was_asked_for_and_keeps_what_was_confirmed() {
    let mut case = Case::recording().at_three();
    case.commits(9, 3, 5);
    case.0.started();
    assert_eq!(case.clone().next_at(2), Err(COMMITS_LAST));
    assert_eq!(case.clone().next_at(5), Ok(()));
    assert_eq!(case.0.readers.len(), 0);
    assert_eq!(case.next_at(8), Ok(()), "somebody may have committed while nobody looked");
}

#[test]
fn what_was_given_up_need_not_be_committed() {
    for mut case in Case::both() {
        let told = if case.0.recording.is_some() { Ok(()) } else { Err(COMMITS_ASKED_FOR) };
        case.reader(1, "c");
        case.commits(1, 4, 6);
        assert_eq!(case.next_at(6), told);
    }
}

#[test]
fn a_call_moves_a_position_in_either_direction() {
    for offset in [1, 8] {
        let mut case = Case::recording().at_three();
        case.calls(&commit(offset), &Response::Done);
        // Told on the way out, of the time before.
        case.committed(9, 3);
        case.stop(9, false, offset);
        assert_eq!(case.clone().next_at(offset), Ok(()));
        assert_eq!(case.clone().next_at(offset - 1), Err(COMMITS_LAST));
        assert_eq!(case.next_at(offset + 1), Err(COMMITS_ASKED_FOR));
    }
}

#[test]
fn a_commit_that_is_under_way_may_follow_a_call() {
    let mut case = Case::recording().at_three();
    case.commits(9, 3, 5);
    case.calls(&commit(8), &Response::Done);
    assert_eq!(case.clone().next_at(5), Ok(()));
    assert_eq!(case.clone().next_at(8), Ok(()));
    assert_eq!(case.clone().next_at(9), Err(COMMITS_ASKED_FOR));
    assert_eq!(case.next_at(2), Err(COMMITS_LAST));
}

#[test]
fn a_call_without_an_outcome_is_held_against_nobody() {
    let refused = Case::recording().at_three();
    for unknown in [true, false] {
        let mut case = refused.clone();
        case.0.called(call(0), &commit(8));
        match unknown {
            true => case.0.replied(call(0), &Response::Refused(Refusal::Unknown)),
            false => case.0.lost(call(0)),
        }
        assert_eq!(case.clone().next_at(3), Ok(()));
        assert_eq!(case.next_at(8), Ok(()));
    }
    let mut case = refused;
    case.calls(&commit(8), &Response::Refused(Refusal::Full));
    assert_eq!(case.next_at(8), Err(COMMITS_ASKED_FOR));
}

#[test]
fn a_consumer_that_is_dropped_begins_anew() {
    let mut case = Case::recording().at_three();
    let alter = |name: &str| Request::Alter {
        path: "t".into(),
        change: Change { drop_consumers: vec![name.into()], ..Change::default() },
    };
    case.calls(&alter("other"), &Response::Done);
    assert_eq!(case.clone().next_at(0), Err(COMMITS_LAST));
    case.calls(&alter("c"), &Response::Done);
    assert_eq!(case.next_at(0), Ok(()));
}

#[test]
fn a_topic_that_is_made_again_is_another_one() {
    let told = || {
        let mut case = Case::recording().at_three();
        case.0.known(&"t".into(), 5);
        case.writer(1, "t", "p");
        case.writes(1, &[(1, "a"), (2, "b")]);
        assert_eq!(case.acks(1, &[written(1, 0)]), Ok(()));
        case
    };
    let judge = |mut case: Case| {
        assert_eq!(case.acks(1, &[written(2, 1)]), Ok(()), "an older stream");
        case.0.closed(conn(9));
        let begins = case.next_at(0);
        case.writer(2, "t", "q");
        case.writes(2, &[(7, "x")]);
        case.acks(2, &[written(7, 0)]).and(begins)
    };
    assert_eq!(judge(told()), Err(OFFSETS_STABLE));
    let mut case = told();
    case.calls(&Request::Drop { path: "t".into() }, &Response::Done);
    assert_eq!(case.shows(9, 0, ("p", 1), "a"), Ok(()), "on the way out");
    case.calls(&create(), &Response::Done);
    assert_eq!(judge(case), Ok(()));
    let mut case = told();
    case.0.known(&"t".into(), 5);
    assert_eq!(judge(case), Err(OFFSETS_STABLE));
    let mut case = told();
    case.0.known(&"t".into(), 6);
    assert_eq!(judge(case), Ok(()));
    let mut case = told();
    case.0.only([("t".into(), 5)].into_iter());
    assert_eq!(judge(case), Err(OFFSETS_STABLE));
    let mut case = told();
    case.0.only([("u".into(), 5)].into_iter());
    assert_eq!(judge(case), Ok(()));
}

#[test]
fn acknowledgements_keep_the_order_of_the_messages() {
    let mut case = Case::recording();
    case.writer(1, "t", "p");
    case.writes(1, &[(1, "a"), (2, "b")]);
    assert_eq!(case.clone().acks(1, &[written(2, 0)]), Err(ACKS_IN_ORDER));
    let skipped = Ack { seq_no: 1, status: AckStatus::Skipped };
    assert_eq!(case.acks(1, &[skipped, written(2, 0)]), Ok(()));
    assert_eq!(case.acks(1, &[written(2, 0)]), Err(ACKS_IN_ORDER), "twice");
}

#[test]
fn a_number_is_stored_once_and_in_order() {
    let mut case = Case::recording();
    case.writer(1, "t", "p");
    case.writes(1, &[(4, "a"), (4, "a")]);
    assert_eq!(case.clone().acks(1, &[written(4, 3), written(4, 4)]), Err(STORED_ONCE));
    case.writes(1, &[(3, "b"), (5, "b")]);
    assert_eq!(case.acks(1, &[written(4, 3), Ack { seq_no: 4, status: AckStatus::Skipped }]), Ok(()));
    assert_eq!(case.clone().acks(1, &[written(3, 4)]), Err(PRODUCER_ORDER));
    assert_eq!(case.clone().acks(1, &[written(3, 2), written(5, 1)]), Err(PRODUCER_ORDER));
    assert_eq!(case.acks(1, &[written(3, 2), written(5, 4)]), Ok(()));
}

#[test]
fn what_is_shown_was_written() {
    let mut case = Case::recording();
    case.writer(1, "t", "p");
    case.writes(1, &[(1, "a"), (2, "b")]);
    assert_eq!(case.acks(1, &[written(1, 0)]), Ok(()));
    case.reader(2, "");
    assert_eq!(case.clone().shows(2, 0, ("p", 1), "x"), Err(CONTENT_AS_WRITTEN));
    assert_eq!(case.shows(2, 0, ("p", 1), "a"), Ok(()));
    // Not acknowledged, and said again.
    case.0.closed(conn(1));
    case.opens(3, "t", "p");
    assert_eq!(case.greeted(3, 1), Ok(()));
    case.writes(3, &[(2, "c")]);
    case.0.closed(conn(3));
    assert_eq!(case.clone().shows(2, 1, ("p", 2), "x"), Err(CONTENT_AS_WRITTEN));
    assert_eq!(case.clone().shows(2, 1, ("p", 2), "b"), Ok(()));
    assert_eq!(case.clone().shows(2, 1, ("p", 2), "c"), Ok(()));
    // Somebody else may have written it between two processes.
    case.0.started();
    case.reads(2, "");
    assert_eq!(case.offered(2, 1, 0), Ok(()));
    case.starts_at(2, 1, Some(1), None);
    assert_eq!(case.clone().shows(2, 1, ("p", 2), "x"), Ok(()));
    case.starts(2, 1);
    assert_eq!(case.shows(2, 0, ("p", 1), "x"), Err(CONTENT_AS_WRITTEN), "acknowledged for ever");
}

#[test]
fn a_number_that_was_stored_before_says_nothing_of_its_content() {
    let mut case = Case::recording();
    case.opens(1, "t", "p");
    assert_eq!(case.greeted(1, 5), Ok(()));
    case.writes(1, &[(5, "a")]);
    case.0.closed(conn(1));
    case.reader(2, "");
    assert_eq!(case.shows(2, 4, ("p", 5), "x"), Ok(()));
}

#[test]
fn a_producer_is_told_how_far_it_has_come() {
    let told = |spare| {
        let mut case = Case(remembering(spare));
        case.writer(1, "t", "p");
        case.writes(1, &[(4, "a")]);
        assert_eq!(case.acks(1, &[written(4, 0)]), Ok(()));
        case.0.started();
        case.opens(2, "t", "p");
        case
    };
    assert_eq!(told(2).greeted(2, 4), Ok(()));
    assert_eq!(told(2).greeted(2, 3), Err(NUMBERS_REMEMBERED));
    // As many have come as are remembered: it may have been forgotten, and begins anew.
    let mut case = told(1);
    assert_eq!(case.greeted(2, 0), Ok(()));
    case.writes(2, &[(4, "b")]);
    assert_eq!(case.acks(2, &[written(4, 1)]), Ok(()));
}
