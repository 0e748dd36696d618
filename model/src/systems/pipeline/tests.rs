//! That settings of this system that make no sense are refused.

use super::{super::tests, *};

#[test]
fn settings_are_refused_by_name() {
    let settings = [
        (("partition", "2"), "partitions"),
        (("partitions", "0"), "1 to 64"),
        (("credit", "0"), "nobody"),
        (("batch", "many"), "a number"),
    ];
    tests::refused::<PipelineSystem>(settings.map(|(setting, says)| (header(1, 1, 1, &[setting]), says)));
}
