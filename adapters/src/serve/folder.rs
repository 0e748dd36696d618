//! What a broker's folder is. Decides whether a folder is one, and makes an empty one a broker's.

use super::ServeError;
use crate::driver::files;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// The file that every broker's folder has from its creation on.
const MARKER: &str = "onceward.broker";

/// Refuses a folder that holds something else; marks an empty one. The folder must be locked.
pub(super) fn judge(folder: &Path) -> Result<(), ServeError> {
    let os = |source| files::OpenError::Os { folder: folder.to_path_buf(), source };
    let (mut ours, mut foreign) = (false, None);
    for entry in std::fs::read_dir(folder).map_err(os)? {
        let entry = entry.map_err(os)?;
        let name = entry.file_name();
        if name == MARKER {
            ours = true;
        } else {
            foreign.get_or_insert(name);
        }
    }
    match foreign {
        _ if ours => {
            // Files of somebody else, or a read-only disk, are no damage.
            let marker = folder.join(MARKER);
            let refused = |source| files::OpenError::Os { folder: marker.clone(), source };
            OpenOptions::new().read(true).write(true).open(&marker).map_err(refused)?;
            Ok(())
        }
        Some(file) => Err(ServeError::Foreign {
            folder: folder.to_path_buf(),
            file: file.to_string_lossy().into_owned(),
        }),
        None => Ok(mark(folder).map_err(os)?),
    }
}

/// Makes an empty folder a broker's, durably. The contents are for people.
fn mark(folder: &Path) -> std::io::Result<()> {
    let mut file = File::create(folder.join(MARKER))?;
    file.write_all(
        b"An Onceward topic broker. Serve it with `onceward serve`, and leave its files alone.\n",
    )?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_becomes_a_brokers() {
        let folder = tempfile::tempdir().unwrap();
        judge(folder.path()).unwrap();
        std::fs::write(folder.path().join("0.seg"), b"").unwrap();
        judge(folder.path()).unwrap();

        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("onceward.store"), b"").unwrap();
        let error = judge(other.path()).unwrap_err();
        assert!(matches!(&error, ServeError::Foreign { file, .. } if file == "onceward.store"), "{error}");
        assert!(!other.path().join(MARKER).exists());
    }
}
