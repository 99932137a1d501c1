//! The protobuf wire format: a reader over bytes, and a writer that fills its buffer from the back, so that the length of a
//! message is known when its prefix is written.

/// A field as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32,
}

/// Reads the fields of one message.
pub struct Reader<'a> {
    rest: &'a [u8],
}

const TRUNCATED: &str = "unexpected EOF";

impl<'a> Reader<'a> {
    /// Over the bytes of a message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field and its number; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| (1..1 << 29).contains(n));
        let number = number.ok_or_else(|| format!("proto: illegal tag {} (wire type {})", tag >> 3, tag & 7))?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().unwrap_or_default())),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| TRUNCATED.to_string())?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Fixed32)?,
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        Ok(Some((number, wire)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for (i, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { TRUNCATED.into() } else { "proto: integer overflow".into() })
    }
}

/// Writes a message from its last field to its first.
#[derive(Default)]
pub struct Writer {
    /// In reverse.
    bytes: Vec<u8>,
}

impl Writer {
    /// The bytes in their right order.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.reverse();
        self.bytes
    }

    /// How much is written so far: hand it to [`Writer::close`].
    pub fn mark(&self) -> usize {
        self.bytes.len()
    }

    /// Puts tag and length before what was written since `mark`.
    pub fn close(&mut self, number: u32, mark: usize) {
        self.raw_varint((self.bytes.len() - mark) as u64);
        self.tag(number, 2);
    }

    /// A varint field.
    pub fn varint(&mut self, number: u32, value: u64) {
        self.raw_varint(value);
        self.tag(number, 0);
    }

    /// A field of eight bytes.
    pub fn fixed64(&mut self, number: u32, value: u64) {
        self.bytes.extend(value.to_be_bytes());
        self.tag(number, 1);
    }

    /// A field of bytes.
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        let mark = self.mark();
        self.raw(value);
        self.close(number, mark);
    }

    /// Bytes as they are.
    pub fn raw(&mut self, value: &[u8]) {
        self.bytes.extend(value.iter().rev());
    }

    fn tag(&mut self, number: u32, wire_type: u32) {
        self.raw_varint(u64::from(number << 3 | wire_type));
    }

    fn raw_varint(&mut self, value: u64) {
        let mut buffer = [0_u8; 10];
        let (mut rest, mut length) = (value, 0);
        loop {
            buffer[length] = (rest & 0x7f) as u8 | if rest > 0x7f { 0x80 } else { 0 };
            length += 1;
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
        self.raw(&buffer[..length]);
    }
}
