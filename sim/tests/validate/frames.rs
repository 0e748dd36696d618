//! Chunks taken apart and sealed again, as somebody would who wants to deceive: by the description of the format alone.

use std::{fs, path::Path};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A frame of a chunk.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
}

pub(crate) const MAGIC: usize = "onceward recording 2\n".len();

pub(crate) fn apart(file: &Path) -> Vec<Frame> {
    let bytes = fs::read(file).unwrap();
    let (mut at, mut frames) = (MAGIC, Vec::new());
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        frames.push(Frame { kind: bytes[at + 4], body: bytes[at + 5..at + 4 + length].to_vec() });
        at += 4 + length + 8;
    }
    frames
}

/// Puts frames together with right check sums and, in the end, the right count.
pub(crate) fn seal(file: &Path, frames: &[Frame]) {
    let mut bytes = fs::read(file).unwrap()[..MAGIC].to_vec();
    let mut sum = 0;
    for frame in frames {
        let mut framed = vec![frame.kind];
        framed.extend_from_slice(&frame.body);
        sum = xxh3_64_with_seed(&framed, sum);
        bytes.extend_from_slice(&u32::try_from(framed.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&framed);
        bytes.extend_from_slice(&sum.to_le_bytes());
    }
    fs::write(file, bytes).unwrap();
}

/// The places of the steps that are told something of this kind: 0 boot, 1 disk, 2 timer, 3 call, 6 a new
/// connection, 7 a word, 8 a connection's end.
pub(crate) fn steps(frames: &[Frame], of: u8) -> Vec<usize> {
    let told = |frame: &Frame| frame.kind == b'S' && frame.body[behind(&frame.body, 2)] == of;
    (0..frames.len()).filter(|n| told(&frames[*n])).collect()
}

/// Behind so many numbers of variable length: behind two, a step, behind its clocks, says what was told; behind three,
/// contents of a call, behind that it is one's and its name, say where they are.
pub(crate) fn behind(body: &[u8], numbers: usize) -> usize {
    let mut at = 0;
    for _ in 0..numbers {
        at += body[at..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    }
    at
}

/// Sets the count in the end to that of the steps.
pub(crate) fn count(frames: &mut [Frame]) {
    let steps = frames.iter().filter(|frame| frame.kind == b'S').count() as u64;
    say(frames, steps);
}

/// Sets the count in the end.
pub(crate) fn say(frames: &mut [Frame], steps: u64) {
    let end = frames.last_mut().unwrap();
    let old = end.body.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let mut body = Vec::new();
    let mut left = steps;
    while left >= 0x80 {
        body.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    body.push(left as u8);
    body.extend_from_slice(&end.body[old..]);
    end.body = body;
}
