//! A body that was compressed for its way: unpacked as far as it may be long, and no further.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

/// Why there is no body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// It is no gzip, or not all of it.
    Broken,
    /// More would come out than is taken.
    TooLong,
}

/// What comes out of gzip (RFC 1952), up to a limit: a few bytes can stand for many.
pub fn unpacked(packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Unusable> {
    let mut body = Vec::with_capacity(limit_bytes.min(packed.len().saturating_mul(8)));
    let within = (limit_bytes as u64).saturating_add(1);
    MultiGzDecoder::new(packed).take(within).read_to_end(&mut body).map_err(|_| Unusable::Broken)?;
    if body.len() > limit_bytes { Err(Unusable::TooLong) } else { Ok(body) }
}
