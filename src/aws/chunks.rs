//! Bytes of a body in memory.
//!
//! They are copied out of the buffers that they were read into: those serve again for the next read, where a share of
//! them would hold on to all of each, however small the piece that came in it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes of a chunk.
const CHUNK: usize = 128 * 1024;

/// Bytes of a body, in chunks that serve again after a [`clear`](Chunks::clear).
#[derive(Debug, Default)]
pub(in crate::aws) struct Chunks {
    /// Those that are full, the one that is being filled, and those that wait to serve again.
    chunks: Vec<BytesMut>,
    /// How many are full.
    full: usize,
    length: u64,
}

impl Chunks {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.full == self.chunks.len() {
                self.chunks.push(BytesMut::with_capacity(CHUNK));
            }
            let Some(chunk) = self.chunks.get_mut(self.full) else { return };
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - chunk.len()));
            chunk.extend_from_slice(now);
            self.full += usize::from(chunk.len() == CHUNK);
            bytes = later;
        }
    }

    /// Forgets the bytes and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.chunks.iter_mut().for_each(BytesMut::clear);
        (self.full, self.length) = (0, 0);
    }

    /// How many bytes there are.
    pub(in crate::aws) fn length(&self) -> u64 {
        self.length
    }

    /// One chunk after the other.
    pub(in crate::aws) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(AsRef::as_ref).take_while(|chunk: &&[u8]| !chunk.is_empty())
    }

    /// The bytes, with their memory.
    pub(super) fn into_bytes(self) -> VecDeque<Bytes> {
        self.chunks.into_iter().map(BytesMut::freeze).take_while(|chunk| !chunk.is_empty()).collect()
    }
}

impl From<Bytes> for Chunks {
    fn from(bytes: Bytes) -> Chunks {
        let mut chunks = Chunks::default();
        chunks.push(&bytes);
        chunks
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Chunks};

    fn of(sizes: &[usize]) -> (Chunks, Vec<u8>) {
        let (mut chunks, mut all) = (Chunks::default(), Vec::new());
        for (number, size) in sizes.iter().enumerate() {
            let bytes = vec![u8::try_from(number % 251).unwrap(); *size];
            chunks.push(&bytes);
            all.extend(bytes);
        }
        (chunks, all)
    }

    #[test]
    fn the_bytes_come_back_in_their_order() {
        for sizes in [&[][..], &[1], &[CHUNK], &[1, CHUNK, 2, 3], &[CHUNK - 1, 1, 1], &[3 * CHUNK + 7, 0, 5]]
        {
            let (mut chunks, all) = of(sizes);
            assert_eq!(chunks.length(), all.len() as u64);
            assert!(chunks.iter().collect::<Vec<_>>().concat() == all, "{sizes:?}");
            chunks.clear();
            assert_eq!((chunks.length(), chunks.iter().count()), (0, 0));
            chunks.push(&all);
            assert_eq!(chunks.length(), all.len() as u64);
            let pieces = chunks.into_bytes();
            assert!(pieces.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().concat() == all, "{sizes:?}");
        }
    }

    /// A sender of single bytes must not make the service hold more than the bytes.
    #[test]
    fn small_pieces_are_put_together() {
        let (chunks, _) = of(&vec![1; 2 * CHUNK]);
        assert_eq!(chunks.into_bytes().len(), 2);
    }

    #[test]
    fn the_memory_serves_again() {
        let (mut chunks, all) = of(&[2 * CHUNK + 1]);
        let before: Vec<*const u8> = chunks.chunks.iter().map(|chunk| chunk.as_ptr()).collect();
        chunks.clear();
        chunks.push(&all);
        let after: Vec<*const u8> = chunks.chunks.iter().map(|chunk| chunk.as_ptr()).collect();
        assert_eq!(before, after);
    }
}
