//! [`Tail`]: the end of the segment that is being written, and how records get there: through the system's cache, or
//! past it.

use std::path::Path;

use crate::disk::volume::{DIRECT_BLOCK, File, Volume, is_refused};
use crate::error::{Error, Result};

const PAGE: u64 = 4096;
const BLOCK: u64 = DIRECT_BLOCK as u64;
/// What a large batch is written in through the cache: whole pages, few enough to stay in the processor's.
const FLUSH_LEN: usize = 128 << 10;
/// And past the cache, where each write waits for the disk.
const DIRECT_FLUSH_LEN: usize = 2 << 20;
/// A buffer that one huge entry has grown is given back.
const KEPT_CAPACITY: usize = 4 << 20;

/// The end of a segment. After an error it must not be used again: what is on disk is then unknown.
pub(super) struct Tail {
    // Holds the lock.
    file: Box<dyn File>,
    // The same file, opened to be written past the cache.
    direct: Option<Box<dyn File>>,
    // Up to here the records are in the file.
    offset: u64,
    // Up to here zeros, if it does not grow as it is written.
    zeroed_to: u64,
    // What stands in the buffer before the records to come. Past the cache only whole blocks are written, from memory
    // that begins where a block could: these are bytes to get there, and those of the block that are in the file.
    lead: usize,
    buffer: Vec<u8>,
}

impl Tail {
    /// Goes on at byte `offset` of `file`, behind which there is nothing but zeros, up to `zeroed_to`.
    pub(super) fn new(file: Box<dyn File>, offset: u64, zeroed_to: u64) -> Self {
        let buffer = Vec::with_capacity(FLUSH_LEN + 2 * PAGE as usize);
        Tail { file, direct: None, offset, zeroed_to, lead: 0, buffer }
    }

    /// Goes on in another file, now that this one is finished.
    pub(super) fn follow(&mut self, file: Box<dyn File>, offset: u64, zeroed_to: u64) {
        (self.file, self.direct, self.offset, self.zeroed_to, self.lead) = (file, None, offset, zeroed_to, 0);
        self.buffer.clear();
    }

    /// Writes past the cache from now on, if the system can do that with this file, which lies at `path`. What is in the
    /// file has to be durable, and nothing waiting.
    ///
    /// Not every file system that lets a file be opened so takes writes: the block that the next records will begin in
    /// is written again as it is, to find out.
    pub(super) fn go_direct(&mut self, volume: &dyn Volume, path: &Path) -> Result<()> {
        let Some(direct) = volume.open_direct(path, true)? else { return Ok(()) };
        let end = self.offset;
        let start = end.saturating_sub(1) / BLOCK * BLOCK;
        self.buffer.resize((end - start) as usize, 0);
        if self.file.read_at(&mut self.buffer, start)? < self.buffer.len() {
            return Err(Error::corrupt(path, end, "the file has shrunk while it was read"));
        }
        self.offset = start;
        match self.write_blocks(&*direct, true) {
            Ok(()) => self.direct = Some(direct),
            Err(error) if is_refused(&error) => {
                (self.offset, self.lead) = (end, 0);
                self.buffer.clear();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether it writes past the cache. Records then wait in memory until they are synced.
    pub(super) fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Where the records end, those that wait in memory included.
    pub(super) fn end(&self) -> u64 {
        self.offset + (self.buffer.len() - self.lead) as u64
    }

    /// Where the file's zeros end; 0 if it grows as it is written.
    pub(super) fn zeroed_to(&self) -> u64 {
        self.zeroed_to
    }

    /// Where records are appended that will be written.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes a part of what waits if that has become much.
    pub(super) fn relieve(&mut self) -> Result<()> {
        let waiting = self.buffer.len() - self.lead;
        if waiting < FLUSH_LEN {
            return Ok(());
        }
        match self.direct.take() {
            Some(direct) if waiting >= DIRECT_FLUSH_LEN => self.with_direct(direct, false),
            None => self.write(false),
            direct => {
                self.direct = direct;
                Ok(())
            }
        }
    }

    /// Hands over to the system what waits. Past the cache only a sync does.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.is_direct() { Ok(()) } else { self.write(true) }
    }

    /// Makes all of it durable.
    pub(super) fn sync(&mut self) -> Result<()> {
        if let Some(direct) = self.direct.take() {
            return self.with_direct(direct, true);
        }
        self.write(true)?;
        self.file.sync_data()
    }

    /// Ends the segment durably behind the last record.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self.direct.take() {
            Some(direct) => self.with_direct(direct, true)?,
            None => self.write(true)?,
        }
        if self.file.len()? > self.offset {
            self.file.set_len(self.offset)?;
        }
        self.file.sync_data()
    }

    fn with_direct(&mut self, direct: Box<dyn File>, all: bool) -> Result<()> {
        let outcome = if self.buffer.len() > self.lead { self.write_blocks(&*direct, all) } else { Ok(()) };
        self.direct = Some(direct);
        outcome
    }

    /// Writes what waits, all of it or only up to a page's end.
    fn write(&mut self, all: bool) -> Result<()> {
        let end = self.end();
        let end = if all { end } else { end - end % PAGE };
        let len = end.saturating_sub(self.offset) as usize;
        if len == 0 {
            return Ok(());
        }
        let zeros = self.zeros_behind(end);
        self.buffer.resize(self.buffer.len() + zeros, 0);
        self.file.write_at(&self.buffer[..len + zeros], self.offset)?;
        self.buffer.truncate(self.buffer.len() - zeros);
        self.offset = end;
        self.buffer.drain(..len);
        self.give_back();
        Ok(())
    }

    /// How many of the zeros behind `end` are written with what waits, again: those that fill the page in which it ends, if
    /// that begins with it. Of a page that is written in part the system has to read the rest first.
    fn zeros_behind(&self, end: u64) -> usize {
        let (page, next) = (end - end % PAGE, end.next_multiple_of(PAGE));
        let is_begun = self.offset <= page && page < end;
        if is_begun && next <= self.zeroed_to { (next - end) as usize } else { 0 }
    }

    /// Writes the blocks in which lies what waits, durably: all of them, the last one filled up with zeros, or only those
    /// that are full.
    fn write_blocks(&mut self, direct: &dyn File, all: bool) -> Result<()> {
        self.align();
        let begun = self.offset % BLOCK;
        let (from, end) = (self.lead - begun as usize, self.buffer.len());
        let full = end - (end - from) % DIRECT_BLOCK;
        let written = if all { end } else { full };
        let to = from + (written - from).next_multiple_of(DIRECT_BLOCK);
        self.buffer.resize(end.max(to), 0);
        direct.write_at(&self.buffer[from..to], self.offset - begun)?;
        self.offset += (written - self.lead) as u64;
        // The block that is begun is written again with what follows.
        self.buffer.truncate(end);
        self.buffer.drain(from..full);
        self.lead = from + (written - full);
        self.give_back();
        Ok(())
    }

    /// Moves what is in the buffer so that the block in which it begins starts where a block can.
    fn align(&mut self) {
        // With room for the move and for the zeros behind, it stays where it is from here on.
        self.buffer.reserve(2 * DIRECT_BLOCK);
        let begun = (self.offset % BLOCK) as usize;
        let (from, end) = (self.lead - begun, self.buffer.len());
        let wanted = self.buffer.as_ptr().align_offset(DIRECT_BLOCK);
        if wanted == from {
            return;
        }
        self.buffer.resize(end.max(wanted + end - from), 0);
        self.buffer.copy_within(from..end, wanted);
        self.buffer.truncate(wanted + end - from);
        self.lead = wanted + begun;
    }

    fn give_back(&mut self) {
        if self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer.shrink_to(FLUSH_LEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps where each write began and how long it was.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<(u64, usize)>>>);

    impl File for Writes {
        fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
            self.0.lock().unwrap().push((offset, buf.len()));
            Ok(())
        }

        fn len(&self) -> Result<u64> {
            Ok(0)
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> Result<usize> {
            Ok(0)
        }

        fn set_len(&self, _: u64) -> Result<()> {
            Ok(())
        }

        fn sync_data(&self) -> Result<()> {
            Ok(())
        }

        fn sync_all(&self) -> Result<()> {
            Ok(())
        }

        fn try_lock(&self) -> Result<bool> {
            Ok(true)
        }
    }

    #[test]
    fn the_first_write_to_a_page_fills_it_as_far_as_there_are_zeros() {
        let writes = Writes::default();
        let mut tail = Tail::new(Box::new(writes.clone()), 100, 3 * PAGE);
        for len in [8, 4096, 8, 3980, 8, 4096, 8] {
            tail.buffer().resize(len, 7);
            tail.flush().unwrap();
        }
        let expected = [
            // In the page that was there before, and into the next one, to its end.
            (100, 8),
            (108, 4096 + 4096 - 108),
            (4204, 8),
            // Up to a page's end, and behind it.
            (4212, 3980),
            (8192, 4096),
            // Where there are no zeros, only what there is.
            (8200, 4096),
            (12296, 8),
        ];
        assert_eq!(*writes.0.lock().unwrap(), expected);
        assert_eq!(tail.end(), 12304);
    }
}
