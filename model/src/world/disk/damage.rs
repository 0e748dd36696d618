//! Damage that a device does by itself, outside any operation: as explicit choices with a text form each. It stays
//! until the sector is written anew. Damage that cannot be done now (there is no such file or sector) is refused
//! without a change.

use super::file::File;
use super::label::Label;
use super::names::{Node, Tree, reachable};
use super::text::{Cursor, Malformed};
use super::{Disk, Image};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

/// Something that happens to the device.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Damage {
    /// `rot 1.seg byte 100 mask 64`: bits of one byte flip on the platter. Reads see it at once, unless the cache
    /// holds a change of that sector.
    Rot {
        /// The file.
        file: Label,
        /// Which byte of the file.
        at: u64,
        /// The bits that flip; none is refused.
        mask: u8,
    },
    /// `lose 1.seg:4`: a sector cannot be read any more, nor be written in part.
    Lose {
        /// The file.
        file: Label,
        /// Which sector.
        sector: u32,
    },
    /// `capacity 65536` or `capacity unlimited`: the space that all files together may take.
    Capacity(Option<u64>),
}

impl Disk {
    /// Does damage. False, and no change, if it is not possible.
    pub fn damage(&mut self, damage: &Damage) -> bool {
        let size = self.geometry.sector;
        match damage {
            Damage::Rot { file, at, mask } => {
                let found = self.labelled(file).filter(|file| *at < file.durable_len && *mask != 0);
                found.map(|file| file.rot(*at, *mask, size)).is_some()
            }
            Damage::Lose { file, sector } => {
                let start = u64::from(*sector) * u64::from(size);
                let Some(file) = self.labelled(file).filter(|file| start < file.durable_len) else {
                    return false;
                };
                let place = file.unreadable.binary_search(sector);
                place.map_err(|at| file.unreadable.insert(at, *sector)).is_err()
            }
            Damage::Capacity(capacity) => {
                self.geometry.capacity = *capacity;
                true
            }
        }
    }

    fn labelled(&mut self, label: &Label) -> Option<&mut File> {
        let at = self.labels().iter().position(|one| one == label)?;
        Some(Arc::make_mut(&mut self.files[at]))
    }

    /// The device puts bytes that were meant for elsewhere into this file, from this sector on.
    pub(super) fn misdirect_write(
        &mut self,
        hit: &Label,
        sector: u32,
        offset: u64,
        data: &[u8],
    ) -> Option<()> {
        let size = self.geometry.sector;
        let at = u64::from(sector) * u64::from(size) + offset % u64::from(size);
        let file = self.labelled(hit)?;
        if data.is_empty() || at == offset && hit.former == 0 || at >= file.durable_len {
            return None;
        }
        let inside = data.len().min((file.durable_len - at) as usize);
        file.overwrite(at, &data[..inside], size);
        Some(())
    }

    /// What a power loss would leave now if nothing that is not durable survived. Undecided sectors show their
    /// oldest state, unreadable ones what they held.
    pub fn durable_image(&self) -> Image {
        self.image(&reachable(&self.names.durable), |file| file.platter.read(0..file.durable_len as usize))
    }

    /// What the cache shows.
    pub fn cache_image(&self) -> Image {
        self.image(&self.names.cache, |file| file.cache.read(0..file.len as usize))
    }

    fn image(&self, tree: &Tree, bytes: impl Fn(&File) -> Vec<u8>) -> Image {
        let mut image = Image::default();
        for (path, node) in tree {
            match node {
                Node::Folder => {
                    image.folders.insert(path.clone());
                }
                Node::File(file) => {
                    image.files.insert(path.clone(), bytes(&self.files[*file as usize]));
                }
            }
        }
        image
    }
}

impl File {
    fn rot(&mut self, at: u64, mask: u8, size: u32) {
        let (sector, within) = ((at / u64::from(size)) as u32, (at % u64::from(size)) as usize);
        self.platter.flip(at as usize, mask);
        self.change_undecided(sector, |held| held[within] ^= mask);
        if self.pieces_of(sector).is_empty() && at < self.len {
            self.cache.flip(at as usize, mask);
        }
    }

    fn overwrite(&mut self, at: u64, data: &[u8], size: u32) {
        self.platter.write(at as usize, data);
        for sector in span(at, data.len() as u64, size) {
            let start = u64::from(sector) * u64::from(size);
            let (from, to) = (at.max(start), (at + data.len() as u64).min(start + u64::from(size)));
            let bytes = &data[(from - at) as usize..(to - at) as usize];
            self.change_undecided(sector, |held| {
                held[(from - start) as usize..(to - start) as usize].copy_from_slice(bytes);
            });
            if self.pieces_of(sector).is_empty() {
                let seen = bytes.len().min(self.len.saturating_sub(from) as usize);
                self.cache.write(from as usize, &bytes[..seen]);
            }
        }
    }
}

/// The sectors that these bytes touch; at least one byte.
pub(super) fn span(offset: u64, len: u64, size: u32) -> RangeInclusive<u32> {
    let sector = |at: u64| (at / u64::from(size)) as u32;
    sector(offset)..=sector(offset + len - 1)
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Rot { file, at, mask } => write!(f, "rot {file} byte {at} mask {mask}"),
            Damage::Lose { file, sector } => write!(f, "lose {file}:{sector}"),
            Damage::Capacity(Some(bytes)) => write!(f, "capacity {bytes}"),
            Damage::Capacity(None) => f.write_str("capacity unlimited"),
        }
    }
}

impl FromStr for Damage {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Damage, Malformed> {
        Cursor::whole(text, |cursor| {
            if cursor.take_word("rot") {
                let file = Label::read(cursor)?;
                cursor.space();
                let at = cursor.after_word("byte", "`byte` and its number")?;
                cursor.space();
                let mask = cursor.after_word("mask", "`mask` and the bits that flip")?;
                Ok(Damage::Rot { file, at, mask })
            } else if cursor.take_word("lose") {
                let file = Label::read(cursor)?;
                if !cursor.take(":") {
                    return Err(cursor.wants("`:` and the number of a sector"));
                }
                Ok(Damage::Lose { file, sector: cursor.number()? })
            } else if cursor.take_word("capacity") {
                let unlimited = cursor.take_word("unlimited");
                Ok(Damage::Capacity(if unlimited { None } else { Some(cursor.number()?) }))
            } else {
                Err(cursor.wants("`rot`, `lose` or `capacity`"))
            }
        })
    }
}
