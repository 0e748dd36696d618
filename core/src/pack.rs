//! Values in MessagePack, mapped by hand: how records and footers are written and read back. It knows no record.
//! Invariants: encoding is canonical (the shortest form), so that a hash over the bytes is a hash over the value;
//! decoding is total: every byte string gives the value or a [`BadRecord`] that names the byte.

use crate::log::api::BadName;
use bytes::Bytes;
use core::convert::Infallible;
use rmp::{
    Marker,
    decode::{self, RmpRead},
    encode::{self, ByteBuf, ValueWriteError},
};

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("byte {at} of the record: {problem}")]
pub struct BadRecord {
    /// Where in the record, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Problem {
    /// It ends too early.
    #[error("the record ends here")]
    Truncated,
    /// Something else stands there.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A text is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// A text is no name.
    #[error("{0}")]
    Name(BadName),
    /// The record goes on after its end.
    #[error("the record should end here")]
    Trailing,
}

/// Writes a number.
pub(crate) fn put_uint(out: &mut ByteBuf, value: u64) {
    written(encode::write_uint(out, value));
}

/// Writes a text.
pub(crate) fn put_text(out: &mut ByteBuf, text: &str) {
    written(encode::write_str(out, text));
}

/// Writes bytes.
pub(crate) fn put_bin(out: &mut ByteBuf, bytes: &[u8]) {
    written(encode::write_bin(out, bytes));
}

/// Writes that there is nothing.
pub(crate) fn put_nil(out: &mut ByteBuf) {
    match encode::write_nil(out) {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Writing to memory cannot fail; the type says so and this spends it.
fn written<T>(result: Result<T, ValueWriteError<Infallible>>) -> T {
    match result {
        Ok(done) => done,
        Err(ValueWriteError::InvalidMarkerWrite(never) | ValueWriteError::InvalidDataWrite(never)) => {
            match never {}
        }
    }
}

/// Begins an array of so many values.
pub(crate) fn put_array(out: &mut ByteBuf, len: u32) {
    written(encode::write_array_len(out, len));
}

/// Reads values one by one and names the byte where one is not what it should be.
pub(crate) struct Reader<'a> {
    all: &'a Bytes,
    rest: decode::Bytes<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(all: &'a Bytes) -> Reader<'a> {
        Reader { all, rest: decode::Bytes::new(all) }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.remaining_slice().len()
    }

    /// The error for what was read last.
    pub(crate) fn expected(&self, what: &'static str) -> BadRecord {
        self.bad(Problem::Expected(what))
    }

    /// Fails unless everything was read.
    pub(crate) fn end(&self) -> Result<(), BadRecord> {
        if self.left() == 0 { Ok(()) } else { Err(self.bad(Problem::Trailing)) }
    }

    pub(crate) fn at(&self) -> usize {
        self.all.len() - self.rest.remaining_slice().len()
    }

    pub(crate) fn bad(&self, problem: Problem) -> BadRecord {
        BadRecord { at: self.at(), problem }
    }

    /// Runs a reader of the library; where it fails, says what was wanted, at the byte where the value begins.
    pub(crate) fn read<T, E>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut decode::Bytes<'a>) -> Result<T, E>,
    ) -> Result<T, BadRecord> {
        let at = self.at();
        if self.rest.remaining_slice().is_empty() {
            return Err(BadRecord { at, problem: Problem::Truncated });
        }
        read(&mut self.rest).map_err(|_| BadRecord { at, problem: Problem::Expected(what) })
    }

    pub(crate) fn array(&mut self) -> Result<u32, BadRecord> {
        self.read("an array", decode::read_array_len)
    }

    pub(crate) fn uint(&mut self, what: &'static str) -> Result<u64, BadRecord> {
        self.read(what, decode::read_int)
    }

    pub(crate) fn take(&mut self, len: u32) -> Result<&'a [u8], BadRecord> {
        let from = self.at();
        let len = len as usize;
        if self.rest.remaining_slice().len() < len {
            return Err(BadRecord { at: self.all.len(), problem: Problem::Truncated });
        }
        let all: &'a [u8] = self.all;
        let taken = &all[from..from + len];
        self.rest = decode::Bytes::new(&all[from + len..]);
        Ok(taken)
    }

    /// What kind of value comes next, if any does.
    pub(crate) fn next(&self) -> Option<Marker> {
        self.rest.remaining_slice().first().map(|byte| Marker::from_u8(*byte))
    }

    /// Passes over a value that says that there is nothing, if it is one.
    pub(crate) fn nil(&mut self) -> bool {
        self.next() == Some(Marker::Null) && self.rest.read_u8().is_ok()
    }

    /// A text, and the byte where it begins.
    pub(crate) fn text(&mut self) -> Result<(usize, &'a str), BadRecord> {
        let len = self.read("a text", decode::read_str_len)?;
        let at = self.at();
        let text = core::str::from_utf8(self.take(len)?);
        Ok((at, text.map_err(|_| BadRecord { at, problem: Problem::Utf8 })?))
    }

    /// Bytes of any number, shared with what is read.
    pub(crate) fn bytes(&mut self, what: &'static str) -> Result<Bytes, BadRecord> {
        let len = self.read(what, decode::read_bin_len)?;
        let from = self.at();
        self.take(len)?;
        Ok(self.all.slice(from..from + len as usize))
    }

    pub(crate) fn bin<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BadRecord> {
        let at = self.at();
        let len = self.read(what, decode::read_bin_len)?;
        if len as usize != N {
            return Err(BadRecord { at, problem: Problem::Expected(what) });
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(len)?);
        Ok(bytes)
    }

    /// Bytes that may be left out.
    pub(crate) fn optional_bin<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<[u8; N]>, BadRecord> {
        let at = self.at();
        let len = self.read(what, decode::read_bin_len)?;
        let mut bytes = [0; N];
        match len as usize {
            0 => Ok(None),
            len if len == N => {
                bytes.copy_from_slice(self.take(len as u32)?);
                Ok(Some(bytes))
            }
            _ => Err(BadRecord { at, problem: Problem::Expected(what) }),
        }
    }
}
