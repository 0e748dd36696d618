//! What a disk holds, as plain folders and bytes: for oracles that read them with decoders of their own, for
//! writing them to a real folder and for making a disk from given bytes.

use onceward_core::Path;
use std::collections::{BTreeMap, BTreeSet};

/// Folders and files, sorted by name. The root folder is always there and not listed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Image {
    /// Every folder but the root.
    pub folders: BTreeSet<Path>,
    /// The bytes of every file.
    pub files: BTreeMap<Path, Vec<u8>>,
}
