//! The pipeline's bounded worlds: small workloads, few faults, every order of what happens. A scope proves what it says for
//! its bounds and nothing beyond.

use super::Pipeline;
use crate::system::NamedScope;

/// All of them.
pub(super) fn all() -> Vec<NamedScope<Pipeline>> {
    Vec::new()
}
