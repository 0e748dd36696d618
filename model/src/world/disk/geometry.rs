//! The fixed properties of a device.

/// What kind of device a disk is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Geometry {
    /// Bytes that are written as one: 512 in simulations, fewer where every image is enumerated. At least 1.
    pub sector: u32,
    /// Bytes that all files together may take, in whole sectors; none for no limit.
    pub capacity: Option<u64>,
    /// Bytes that one file may have; more is answered with `NoSpace`. Below 4 GiB. What lies below the last byte
    /// that was written takes memory.
    pub max_file: u32,
    /// Whether a power loss may also leave a growing file with a length between the old and the new one, at the end
    /// of a sector.
    pub tear_lengths: bool,
}

impl Geometry {
    /// The device of simulations: 512-byte sectors, files up to 64 MiB, lengths may be torn.
    pub const SIMULATED: Geometry =
        Geometry { sector: 512, capacity: None, max_file: 64 << 20, tear_lengths: true };

    /// The device of exhaustive checks: small sectors and no lengths in between.
    pub const fn checked(sector: u32) -> Geometry {
        Geometry { sector, capacity: None, max_file: 1 << 20, tear_lengths: false }
    }

    pub(super) fn bounded(mut self) -> Geometry {
        self.sector = self.sector.max(1);
        // Sums of offsets and sectors then never leave the range of numbers.
        self.max_file = self.max_file.min(u32::MAX - self.sector);
        self
    }
}

impl Default for Geometry {
    fn default() -> Geometry {
        Geometry::SIMULATED
    }
}
