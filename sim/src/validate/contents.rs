//! What a recording leaves out because it stands in the machine's log anyway: found there and put back. Decides nothing but
//! whether it is there and fits.

use super::{Again, ValidateError};
use bytes::Bytes;
use onceward::trace::{Chunk, Contents, Whose};
use onceward_core::{
    Path as DiskPath,
    recorded::{Bulky, Held, Place, Recorded, Shelf},
};
use onceward_model::{
    system::{NodeOf, RecordedSystem},
    world::disk::Image,
};
use std::{fs, path::Path};

/// The files of a disk as they are now, with those of its folders.
pub(super) fn image(disk: &Path) -> Result<Image, String> {
    let mut image = Image::default();
    let told = |error: std::io::Error| error.to_string();
    let mut folders = vec![(disk.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(folder).map_err(told)? {
            let entry = entry.map_err(told)?;
            let (name, kind) = (entry.file_name(), entry.file_type().map_err(told)?);
            let Some(name) = name.to_str() else { continue };
            if kind.is_dir() {
                folders.push((entry.path(), format!("{prefix}{name}/")));
            } else if kind.is_file() {
                let file = DiskPath::from(&*format!("{prefix}{name}"));
                image.files.insert(file, fs::read(entry.path()).map_err(told)?);
            }
        }
    }
    Ok(image)
}

impl<S: RecordedSystem> Again<'_, S> {
    /// Puts contents back.
    pub(super) fn fill(
        &self,
        chunk: &Chunk<NodeOf<S>>,
        whose: Whose,
        bare: &mut impl Bulky,
        step: u64,
    ) -> Result<(), ValidateError> {
        let wrong = |what| contents(chunk, step, whose, what);
        let contents = match chunk.contents.get(&whose) {
            None => Vec::new(),
            Some(Contents::Here(contents)) => contents.clone(),
            Some(Contents::InLog(places)) => {
                let mut contents = Vec::new();
                for Place { shelf, first, count } in places {
                    for position in *first..first.saturating_add(u64::from(*count)) {
                        contents.push(self.content(*shelf, position).map_err(wrong)?);
                    }
                }
                contents
            }
            Some(Contents::Around(_)) => return Err(wrong("this is nothing that was read".into())),
        };
        if !bare.put_contents(contents) {
            return Err(wrong("they are not as many as it had".into()));
        }
        Ok(())
    }

    /// Puts contents back into what was read from the disk, if any were taken out.
    pub(super) fn fill_read(
        &self,
        chunk: &Chunk<NodeOf<S>>,
        number: u64,
        read: &mut Bytes,
        step: u64,
    ) -> Result<(), ValidateError> {
        let wrong = |what| contents(chunk, step, Whose::Step(number), what);
        let held = match chunk.contents.get(&Whose::Step(number)) {
            None => return Ok(()),
            Some(Contents::Around(held)) => held,
            Some(_) => return Err(wrong("this was read, and not brought".into())),
        };
        let mut whole = Vec::new();
        for Held { at, len, shelf, position } in held {
            let before = (*at as usize).checked_sub(whole.len()).filter(|before| *before <= read.len());
            let content = self.content(*shelf, *position).map_err(wrong)?;
            match before {
                Some(before) if content.len() == *len as usize => {
                    whole.extend_from_slice(&read.split_to(before));
                    whole.extend_from_slice(&content);
                }
                _ => return Err(wrong(format!("position {position} of the log does not fit in there"))),
            }
        }
        whole.extend_from_slice(read);
        *read = whole.into();
        Ok(())
    }

    fn content(&self, shelf: Shelf, position: u64) -> Result<Bytes, String> {
        S::content(&self.archive, shelf, position).ok_or_else(|| {
            format!("position {position} of the log, which they are said to stand at, is not there")
        })
    }
}

/// Contents cannot be had.
fn contents<N: Recorded>(chunk: &Chunk<N>, step: u64, whose: Whose, what: String) -> ValidateError {
    let whose = match whose {
        Whose::Call(call) => format!("call {}", call.number),
        Whose::Step(_) => "what the machine is told".into(),
    };
    ValidateError::Contents { file: chunk.file.clone(), step, whose, what }
}
