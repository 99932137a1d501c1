//! Unpacking of the data that the services carry.

use std::io::Read;

use flate2::read::GzDecoder;

/// Unpacks gzip-compressed text that was built into the program.
pub fn unpack(bytes: &'static [u8]) -> String {
    let mut text = String::new();
    let read = GzDecoder::new(bytes).read_to_string(&mut text);
    debug_assert!(read.is_ok(), "data that was built in is whole");
    text
}
