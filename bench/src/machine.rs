//! What the machine under the comparison is like: how long its device takes to sync, where it has a tmpfs, how much
//! memory and disk a run took. This module reads; it decides nothing.

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise, statfs};
use rustix::time::{ClockId, clock_gettime};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Median time, in microseconds, of appending 4 KiB to a file in `dir` and making it durable. Takes about 30 ms, on a
/// slow device as long as five syncs.
pub(crate) fn fdatasync_us(dir: &Path) -> Result<f64> {
    let path = dir.join("probe");
    let mut file = OpenOptions::new().create_new(true).write(true).open(&path)?;
    file.sync_all()?;
    let block = [0x5a; 4096];
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 5 || (start.elapsed() < Duration::from_millis(30) && times.len() < 1000) {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(before.elapsed());
    }
    drop(file);
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6)
}

/// The magic number of tmpfs (`TMPFS_MAGIC` of Linux).
const TMPFS: u64 = 0x0102_1994;

/// Whether a folder is there and lies in memory.
pub(crate) fn is_tmpfs(dir: &Path) -> bool {
    statfs(dir).is_ok_and(|found| found.f_type as u64 == TMPFS)
}

/// The most memory this process has had at a time, in bytes, and what it has now (`VmHWM` and `VmRSS`).
pub(crate) fn memory() -> Result<(u64, u64)> {
    memory_of("self")
}

/// The same of another process, by its number.
pub(crate) fn memory_of(process: &str) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| -> Result<u64> {
        let line =
            status.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
        let kib: u64 =
            line.split_whitespace().nth(1).with_context(|| format!("no number in {line:?}"))?.parse()?;
        Ok(kib << 10)
    };
    Ok((field("VmHWM:")?, field("VmRSS:")?))
}

/// Processor time that all threads of this process have taken so far.
pub(crate) fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Bytes of all files under a folder: by their length, and by the blocks that they take.
pub(crate) fn size(dir: &Path) -> Result<(u64, u64)> {
    let mut sum = (0, 0);
    for path in files(dir)? {
        let metadata = fs::metadata(path)?;
        sum.0 += metadata.len();
        sum.1 += metadata.blocks() * 512;
    }
    Ok(sum)
}

/// Asks the kernel to forget what it has in memory of the files under a folder, so that they are read from the device.
pub(crate) fn forget(dir: &Path) -> Result<()> {
    for path in files(dir)? {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.append(&mut files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}
