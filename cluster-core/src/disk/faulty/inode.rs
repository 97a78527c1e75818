//! Bytes of one file: as programs see them, as the platter has them, and what lies between.

const SECTOR: usize = 512;
/// What a drive writes at once.
const PHYSICAL: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) visible: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<ByteOp>,
}

#[derive(Debug)]
pub(super) enum ByteOp {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Inode {
    /// A sync: what was written since the last one becomes durable. What an earlier, failed sync lost stays lost.
    pub(super) fn persist(&mut self) {
        for op in self.pending.drain(..) {
            match op {
                ByteOp::SetLen(len) => self.durable.resize(len as usize, 0),
                ByteOp::Write(offset, bytes) => write(&mut self.durable, offset, &bytes),
            }
        }
    }

    /// A power cut: decides what survives of everything since the last sync, and where `shears` is set, which sector is destroyed.
    pub(super) fn crash(&mut self, random: &mut u64, shears: bool) {
        let pending = std::mem::take(&mut self.pending);
        let sheared = if shears { sheared(&pending, random) } else { None };
        let mode = next_random(random) % 4;
        let survivors = match mode {
            0 => 0,
            1 | 3 => pending.len(),
            _ => (next_random(random) % (pending.len() as u64 + 1)) as usize,
        };
        for (number, op) in pending.into_iter().enumerate().take(survivors) {
            match op {
                ByteOp::SetLen(len) => self.durable.resize(len as usize, 0),
                ByteOp::Write(offset, bytes) if mode == 2 && number + 1 == survivors => {
                    let torn = (next_random(random) % (bytes.len() as u64 + 1)) as usize;
                    write(&mut self.durable, offset, &bytes[..torn]);
                }
                ByteOp::Write(offset, bytes) if mode == 3 => {
                    let end = offset as usize + bytes.len();
                    for (sector, chunk) in bytes.chunks(SECTOR).enumerate() {
                        if next_random(random) & 1 == 0 {
                            write(&mut self.durable, offset + (sector * SECTOR) as u64, chunk);
                        }
                    }
                    if self.durable.len() < end && next_random(random) & 1 == 0 {
                        self.durable.resize(end, 0);
                    }
                }
                ByteOp::Write(offset, bytes) => write(&mut self.durable, offset, &bytes),
            }
        }
        if let Some(sector) = sheared {
            let begin = (sector as usize).min(self.durable.len());
            let end = (begin + PHYSICAL as usize).min(self.durable.len());
            self.durable[begin..end].fill_with(|| next_random(random) as u8);
        }
        self.visible = self.durable.clone();
    }
}

/// A physical sector that one of the writes touched; none half of the time.
fn sheared(pending: &[ByteOp], random: &mut u64) -> Option<u64> {
    let writes = pending.iter().filter_map(|op| match op {
        ByteOp::Write(offset, bytes) if !bytes.is_empty() => Some((*offset, bytes.len() as u64)),
        _ => None,
    });
    let writes: Vec<(u64, u64)> = writes.collect();
    if writes.is_empty() || next_random(random) & 1 == 0 {
        return None;
    }
    let (offset, length) = writes[(next_random(random) % writes.len() as u64) as usize];
    Some((offset + next_random(random) % length) / PHYSICAL * PHYSICAL)
}

pub(super) fn write(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let end = offset as usize + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset as usize..end].copy_from_slice(bytes);
}

/// SplitMix64.
pub(super) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
