//! The few forms of MessagePack that records are made of: values out of bytes, and nothing about what they mean. Total: any
//! bytes give a value or none.

/// Bytes, and how far they were read.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn big_endian(&mut self, len: usize) -> Option<u64> {
        Some(self.take(len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(super) fn uint(&mut self) -> Option<u64> {
        match self.byte()? {
            small @ 0..=0x7f => Some(small.into()),
            wide @ 0xcc..=0xcf => self.big_endian(1 << (wide - 0xcc)),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = match self.byte()? {
            short @ 0xa0..=0xbf => u64::from(short & 0x1f),
            wide @ 0xd9..=0xdb => self.big_endian(1 << (wide - 0xd9))?,
            _ => return None,
        };
        std::str::from_utf8(self.take(usize::try_from(len).ok()?)?).ok()
    }

    /// How many values an array has that follow.
    pub(super) fn array(&mut self) -> Option<u64> {
        match self.byte()? {
            short @ 0x90..=0x9f => Some(u64::from(short & 0x0f)),
            wide @ 0xdc..=0xdd => self.big_endian(2 << (wide - 0xdc)),
            _ => None,
        }
    }

    pub(super) fn binary(&mut self) -> Option<&'a [u8]> {
        let wide = self.byte()?.checked_sub(0xc4).filter(|wide| *wide < 3)?;
        let len = self.big_endian(1 << wide)?;
        self.take(usize::try_from(len).ok()?)
    }

    pub(super) fn id(&mut self) -> Option<u128> {
        self.binary()?.try_into().ok().map(u128::from_be_bytes)
    }

    pub(super) fn optional_id(&mut self) -> Option<Option<u128>> {
        if self.peek() == Some(0xc0) {
            self.at += 1;
            return Some(None);
        }
        self.id().map(Some)
    }

    pub(super) fn cursor(&mut self) -> Option<()> {
        self.text()?;
        self.uint().map(|_| ())
    }
}
