//! Bytes as another implementation of the protocol makes them, for tests: fields are where everybody else has them.

use prost::Message;

/// Bytes from hexadecimal digits.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// A message from hexadecimal digits.
pub(super) fn decoded<M: Message + Default>(hex: &str) -> M {
    M::decode(&*bytes(hex)).unwrap()
}

/// A message as hexadecimal digits.
pub(super) fn encoded(message: &impl Message) -> String {
    message.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
}
