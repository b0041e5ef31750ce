//! Bytes in memory, in the pieces that they came in.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A piece of fewer bytes is copied behind those before it: it would keep all the memory that it was read into, which is
/// twice as much and more (the server reads up to 512 KiB at once).
const SMALL: usize = 256 * 1024;
/// Bytes of the memory that small pieces are copied into.
const CHUNK: usize = 256 * 1024;

/// Pieces of a body. They are shared with whoever has them too, and not copied unless they are small.
#[derive(Debug, Default)]
pub(in crate::aws) struct Frames {
    pieces: Vec<Bytes>,
    /// Small ones, put together.
    small: BytesMut,
    length: u64,
}

impl Frames {
    pub(super) fn push(&mut self, mut bytes: Bytes) {
        self.length += bytes.len() as u64;
        if bytes.len() >= SMALL {
            self.end_small();
            self.pieces.push(bytes);
            return;
        }
        while !bytes.is_empty() {
            if self.small.capacity() == 0 && !self.pieces.is_empty() {
                // there will be more: all of it at once, and no more than that
                self.small.reserve(CHUNK);
            }
            let part = bytes.split_to(bytes.len().min(CHUNK - self.small.len()));
            self.small.extend_from_slice(&part);
            if self.small.len() == CHUNK {
                self.end_small();
            }
        }
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(std::mem::take(&mut self.small).freeze());
        }
    }

    /// All their bytes.
    pub(in crate::aws) fn length(&self) -> u64 {
        self.length
    }

    /// One after the other.
    pub(in crate::aws) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let small = (!self.small.is_empty()).then_some(self.small.as_ref());
        self.pieces.iter().map(AsRef::as_ref).chain(small)
    }

    pub(super) fn into_pieces(mut self) -> VecDeque<Bytes> {
        self.end_small();
        self.pieces.into()
    }
}

impl From<Bytes> for Frames {
    fn from(bytes: Bytes) -> Frames {
        Frames { length: bytes.len() as u64, pieces: vec![bytes], small: BytesMut::new() }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{CHUNK, Frames, SMALL};

    fn of(sizes: &[usize]) -> Frames {
        let mut frames = Frames::default();
        for (number, size) in sizes.iter().enumerate() {
            frames.push(vec![u8::try_from(number % 251).unwrap(); *size].into());
        }
        frames
    }

    #[test]
    fn the_order_stays() {
        let sizes = [1, SMALL, 2, 3, SMALL + 1, 4, CHUNK - 4, 5];
        let frames = of(&sizes);
        let wanted: Vec<u8> = (0u8..).zip(sizes).flat_map(|(byte, size)| vec![byte; size]).collect();
        assert_eq!(frames.length(), wanted.len() as u64);
        assert!(frames.iter().collect::<Vec<_>>().concat() == wanted);
        let pieces = frames.into_pieces();
        assert_eq!(pieces.len(), 6, "1 | large | 2, 3 | large | 4, most of a chunk | its rest, 5");
        assert!(pieces.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().concat() == wanted);
    }

    /// A sender of single bytes must not make the service hold a buffer for each of them.
    #[test]
    fn small_pieces_are_put_together() {
        let pieces = of(&vec![1000; CHUNK / 250]).into_pieces();
        let sizes: Vec<usize> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [CHUNK, CHUNK, CHUNK, 261_568]);
    }

    #[test]
    fn large_pieces_are_not_copied() {
        let bytes = Bytes::from(vec![7; SMALL]);
        let mut frames = Frames::default();
        frames.push(bytes.clone());
        assert_eq!(frames.into_pieces()[0].as_ptr(), bytes.as_ptr());
    }
}
