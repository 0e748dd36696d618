//! Whole-process comparisons.
fn main() {}
