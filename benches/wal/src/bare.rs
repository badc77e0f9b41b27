//! A file and a loop of writes and syncs: what the disk can do.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use bench_harness::log::{Log, SEGMENT, Times};

const BLOCK: usize = 4096;
const RECORD_HEAD: usize = 8;

/// One way to write; each writes over a file of one segment again and again.
pub(crate) struct Bare {
    file: File,
    payload: Vec<u8>,
    // Begins where a block could.
    memory: Vec<u8>,
    from: usize,
    len: usize,
    offset: u64,
    has_crc: bool,
    is_direct: bool,
    grows: bool,
    is_endless: bool,
}

impl Bare {
    pub(crate) fn new(mode: &str, dir: &Path, size: usize) -> Option<Self> {
        let (has_crc, is_direct, grows) = match mode {
            "zeroed" => (false, false, false),
            "zeroed-crc" => (true, false, false),
            "direct" => (false, true, false),
            "direct-crc" => (true, true, false),
            "fallocated" => (false, false, false),
            "growing" | "file" => (false, false, true),
            _ => return None,
        };
        let path = dir.join("file");
        let mut file = File::create_new(&path).expect("a file");
        match mode {
            // SAFETY: the descriptor is open as long as the file is.
            "fallocated" => assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, SEGMENT as i64) }, 0),
            "growing" | "file" => {}
            _ => fs::write(&path, vec![0; SEGMENT as usize]).expect("room for zeros"),
        }
        file.sync_all().expect("a sync");
        if is_direct {
            let flags = libc::O_DIRECT | libc::O_DSYNC;
            file = OpenOptions::new()
                .write(true)
                .custom_flags(flags)
                .open(&path)
                .expect("a file without a cache");
        }
        let payload = vec![0x5a; size];
        Some(Bare {
            file,
            payload,
            memory: Vec::new(),
            from: 0,
            len: 0,
            offset: 0,
            has_crc,
            is_direct,
            grows,
            is_endless: mode == "file",
        })
    }

    fn turn(&mut self) {
        let room = SEGMENT.saturating_sub(self.offset);
        if self.is_endless || room >= (self.len + BLOCK) as u64 {
            return;
        }
        self.offset = 0;
        if self.grows {
            self.file.set_len(0).expect("a truncation");
            self.file.sync_all().expect("a sync");
        }
    }
}

impl Log for Bare {
    /// Without a checksum even the bytes are there already.
    fn prepare(&mut self, count: u64) {
        self.len = (self.payload.len() + if self.has_crc { RECORD_HEAD } else { 0 }) * count as usize;
        self.turn();
        if self.memory.len() < self.len + 3 * BLOCK {
            self.memory = vec![0x5a; self.len + 3 * BLOCK];
            self.from = self.memory.as_ptr().align_offset(BLOCK);
        }
    }

    fn append(&mut self, sync: bool) {
        // Past the cache the block that was begun is written again.
        let begun = if self.is_direct { self.offset as usize % BLOCK } else { 0 };
        if self.has_crc {
            let mut at = self.from + begun;
            let end = at + self.len;
            while at < end {
                let data = at + RECORD_HEAD..at + RECORD_HEAD + self.payload.len();
                self.memory[data.clone()].copy_from_slice(&self.payload);
                let crc = crc32c::crc32c(&self.memory[data]);
                self.memory[at..at + 4].copy_from_slice(&crc.to_le_bytes());
                self.memory[at + 4..at + 8].copy_from_slice(&(self.payload.len() as u32).to_le_bytes());
                at += RECORD_HEAD + self.payload.len();
            }
        }
        let len = if self.is_direct { (begun + self.len).next_multiple_of(BLOCK) } else { self.len };
        let bytes = &self.memory[self.from..self.from + len];
        self.file.write_all_at(bytes, self.offset - begun as u64).expect("a write");
        if sync && !self.is_direct {
            self.file.sync_data().expect("a sync");
        }
        self.offset += self.len as u64;
    }
}

/// Reads a file from its beginning to its end.
pub(crate) fn read(dir: &Path, size: usize) -> u64 {
    let file = File::open(dir.join("file")).expect("a file");
    let (mut block, mut at) = (vec![0; 1 << 20], 0);
    loop {
        match file.read_at(&mut block, at).expect("a read") {
            0 => return at / size as u64,
            read => at += read as u64,
        }
        std::hint::black_box(&block);
    }
}

/// As many threads, each of which writes a block of its own and waits for the disk.
pub(crate) fn outstanding(dir: &Path, count: usize, wanted: Duration) -> Times {
    let bare = Bare::new("direct", dir, BLOCK).expect("a mode");
    let bare = &bare;
    let begun = Instant::now();
    let times = std::thread::scope(|scope| {
        let work = move |which: usize| {
            let memory = vec![0x5a; 2 * BLOCK];
            let from = memory.as_ptr().align_offset(BLOCK);
            let mut times = Vec::new();
            let mut at = which;
            while begun.elapsed() < wanted {
                let start = Instant::now();
                let offset = (at * BLOCK) as u64 % (SEGMENT / BLOCK as u64 * BLOCK as u64);
                bare.file.write_all_at(&memory[from..from + BLOCK], offset).expect("a write");
                times.push(start.elapsed());
                at += count;
            }
            times
        };
        let threads: Vec<_> = (0..count).map(|which| scope.spawn(move || work(which))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread that ended well")).collect()
    });
    (times, begun.elapsed())
}
