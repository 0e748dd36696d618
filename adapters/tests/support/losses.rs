//! Power losses of what a real driver did: its file operations are performed again on the simulated disk, which loses power
//! before, in and after each of them.

use onceward::driver::record::Recorded;
use onceward_core::{DiskOp, OpId};
use onceward_model::world::disk::{Disk, Geometry, Image, Outcome};
use std::path::{Path, PathBuf};

/// A driver's lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Lie {
    None,
    /// No file is synced.
    FileSyncs,
    /// No folder is synced.
    FolderSyncs,
}

impl Lie {
    fn about(self, op: &DiskOp) -> bool {
        match op {
            DiskOp::Sync { .. } => self == Lie::FileSyncs,
            DiskOp::SyncDir(_) => self == Lie::FolderSyncs,
            _ => false,
        }
    }
}

/// Chances that come again.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A place for files that need not last.
pub fn memory() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() }
}

/// Everything in a folder.
pub fn read_back(folder: &Path) -> Image {
    let mut image = Image::default();
    add(folder, folder, &mut image);
    image
}

fn add(root: &Path, folder: &Path, image: &mut Image) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().into();
        if path.is_dir() {
            image.folders.insert(name);
            add(root, &path, image);
        } else {
            image.files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

/// Makes a folder what an image says.
pub fn write_out(image: &Image, folder: &Path) {
    for path in &image.folders {
        std::fs::create_dir_all(folder.join(path.as_str())).unwrap();
    }
    for (path, bytes) in &image.files {
        std::fs::write(folder.join(path.as_str()), bytes).unwrap();
    }
}

/// What a power loss left.
pub struct Loss {
    /// How many operations were performed before it.
    pub at: usize,
    pub left: Image,
    /// It left anything but the durable state.
    pub torn: bool,
}

/// Loses power before, in and after each operation, and asks each time what comes of what is left.
pub fn losses(
    before: &Image,
    operations: &[Recorded],
    lie: Lie,
    dice: &mut Dice,
    judge: &mut dyn FnMut(&mut Dice, Loss) -> Result<(), String>,
) -> Result<(), String> {
    let mut disk = Disk::from_image(Geometry::SIMULATED, before);
    for at in 0..=operations.len() {
        // Power goes before this operation is done: it was asked for, or not even that.
        let mut lost = disk.clone();
        if at < operations.len() && dice.roll(2) == 0 {
            lost.submit(OpId(0), operations[at].0.clone());
        }
        let (bias, seed) = (1 + dice.roll(4), dice.roll(1 << 30) as u64);
        let fates = lost.draw_fates(Some(seed), &mut |slot| {
            // From "hardly anything survives" to "anything may".
            if dice.roll(4) < bias { dice.roll(slot.fates.len()) } else { 0 }
        });
        let durable = lost.durable_image();
        lost.power_loss(&fates);
        let left = lost.durable_image();
        let torn = durable != left;
        judge(dice, Loss { at, left, torn })
            .map_err(|what| format!("power lost at operation {at}, {fates}: {what}"))?;

        if let Some((op, result)) = operations.get(at).filter(|(op, _)| !lie.about(op)) {
            disk.submit(OpId(0), op.clone());
            let simulated = disk.complete(OpId(0), &Outcome::Ok);
            assert_eq!(simulated, *result, "the simulated disk answers as the real one did: {op:?}");
        }
    }
    Ok(())
}
