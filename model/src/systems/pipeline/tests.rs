//! That random plans of this system can be drawn, built and printed.

use super::*;

#[test]
fn what_is_drawn_can_be_built_and_its_calls_read_back() {
    for seed in 0..200 {
        let key = Key::root(seed, 0);
        let header = PipelineSystem::draw_header(key);
        let pipeline = PipelineSystem::build(&header).unwrap();
        let calls = PipelineSystem::draw_workload(&pipeline, key, 50, Dur::secs(1));
        assert_eq!(calls.len(), 50);
    }
}

#[test]
fn what_is_unknown_is_refused_by_name() {
    let bad = |settings: &[(&str, &str)]| PipelineSystem::build(&header(1, 1, 1, settings)).unwrap_err();
    assert!(bad(&[("partition", "2")]).contains("partitions"), "{}", bad(&[("partition", "2")]));
    assert!(bad(&[("partitions", "0")]).contains("1 to 64"));
    assert!(bad(&[("credit", "0")]).contains("nobody"));
    assert!(bad(&[("batch", "many")]).contains("a number"));
}
