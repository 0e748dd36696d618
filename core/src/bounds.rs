//! Bounds of settings: one check, one error that names the setting, what it is, and what it may be.

/// Why a configuration cannot be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
#[error("{field} is {is}, it must lie between {least} and {most}{note}")]
pub struct ConfigError {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub is: u64,
    /// The least allowed.
    pub least: u64,
    /// The most allowed.
    pub most: u64,
    /// A further demand, a unit or where a bound comes from, in words that go on from the most.
    pub note: &'static str,
}

/// The most that a setting of 32 bits may be.
pub(crate) const MANY: u64 = u32::MAX as u64;

/// Checks that a setting is not out of its bounds.
pub(crate) fn within(
    field: &'static str,
    is: u64,
    least: u64,
    most: u64,
    note: &'static str,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&is) { Ok(()) } else { Err(ConfigError { field, is, least, most, note }) }
}
