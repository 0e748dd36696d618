//! How the system's errors become [`DiskError`]s. Decides the mapping alone; what the vocabulary has no word for is
//! told to the log with the system's own words.

use onceward_core::{DiskError, Path};
use rustix::io::Errno;
use std::io;

/// The word for an error on a path, told to the log; quietly, if it is the one of before.
pub(super) fn map(path: &Path, error: &io::Error, full: bool) -> DiskError {
    let word = word(error);
    match word {
        DiskError::NoSpace if full => tracing::debug!(%path, %error, "disk operation refused again"),
        // Machines probe for names: not worth a line.
        DiskError::NotFound | DiskError::Exists => tracing::debug!(%path, %error, "disk operation refused"),
        DiskError::NoSpace => tracing::warn!(%path, %error, "disk operation refused for want of space"),
        DiskError::Io | DiskError::Invalid => tracing::error!(%path, %error, "disk operation failed"),
    }
    word
}

fn word(error: &io::Error) -> DiskError {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => DiskError::NoSpace,
        Some(Errno::NOENT) => DiskError::NotFound,
        Some(Errno::EXIST) => DiskError::Exists,
        // The operation does not fit the thing, whatever the device's state.
        Some(
            Errno::ISDIR
            | Errno::NOTDIR
            | Errno::INVAL
            | Errno::LOOP
            | Errno::ACCESS
            | Errno::PERM
            | Errno::ROFS
            | Errno::NAMETOOLONG
            | Errno::NOTEMPTY
            | Errno::BUSY
            | Errno::TXTBSY
            | Errno::XDEV
            | Errno::OVERFLOW,
        ) => DiskError::Invalid,
        // EIO, and what nobody foresaw: a machine takes it for a device that cannot be trusted.
        Some(_) => DiskError::Io,
        None => match error.kind() {
            io::ErrorKind::AlreadyExists => DiskError::Exists,
            io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => DiskError::Invalid,
            _ => DiskError::Io,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promised_error_has_its_word() {
        for (errno, expected) in [
            (Errno::NOSPC, DiskError::NoSpace),
            (Errno::DQUOT, DiskError::NoSpace),
            (Errno::FBIG, DiskError::NoSpace),
            (Errno::NOENT, DiskError::NotFound),
            (Errno::EXIST, DiskError::Exists),
            (Errno::IO, DiskError::Io),
            (Errno::MFILE, DiskError::Io),
            (Errno::ISDIR, DiskError::Invalid),
            (Errno::ROFS, DiskError::Invalid),
        ] {
            assert_eq!(word(&errno.into()), expected, "{errno:?}");
        }
    }
}
