//! One hash over everything that the engines ask for, in order: two runs of a seed must agree in it.

use pyralog_consensus::engine::Effect;
use pyralog_crypto::{Blake3, Hash, MerkleHash, Writer, codec::Encode};

/// The running hash.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    hash: Hash,
    /// Effects so far.
    pub(super) effects: u64,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { hash: Blake3::empty(), effects: 0 }
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// Takes in one effect of a node at a virtual time.
    pub(super) fn record(&mut self, at: u64, node: usize, effect: &Effect) {
        let mut w = Writer::new();
        w.put(&self.hash).u64(at).u64(node as u64);
        match effect {
            Effect::WalAppend { ticket, bytes } => w.u8(1).u64(ticket.0).bytes(bytes),
            Effect::WalReset { height } => w.u8(2).u64(*height),
            Effect::Mark { ticket, mark } => w.u8(3).u64(ticket.0).bytes(&mark.to_bytes()),
            Effect::Commit { ticket, block } => {
                w.u8(4).u64(ticket.0).u64(block.height).bytes(&block.block_bytes).bytes(&block.commit_bytes());
                w.put(&block.app_hash).bool(block.synced)
            }
            Effect::Gossip { bytes } => w.u8(5).bytes(bytes),
            Effect::Verdict { id, verdict } => w.u8(6).u64(id.0).u8(*verdict as u8),
            Effect::Schedule { timer, after_ns } => w.u8(7).bytes(format!("{timer:?}").as_bytes()).u64(*after_ns),
            Effect::Cancel(timer) => w.u8(8).bytes(format!("{timer:?}").as_bytes()),
            Effect::NeedSync { height, target } => w.u8(9).u64(*height).u64(*target),
            Effect::PenalisePeer { peer, reason } => w.u8(10).u64(peer.0).bytes(reason.as_bytes()),
            Effect::NewHeight { height } => w.u8(11).u64(*height),
            Effect::TxAnswer { reply, result } => {
                w.u8(12).u64(*reply).u32(result.as_ref().err().map_or(0, |error| error.code()))
            }
            Effect::Fatal(error) => w.u8(13).bytes(error.to_string().as_bytes()),
            Effect::Report(report) => w.u8(14).bytes(format!("{report:?}").as_bytes()),
        };
        self.effects += 1;
        self.hash = Blake3::digest(w.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyralog_consensus::engine::Ticket;

    #[test]
    fn order_time_and_node_count() {
        let effects =
            [Effect::WalReset { height: 1 }, Effect::WalAppend { ticket: Ticket(1), bytes: b"x".to_vec().into() }];
        let run = |order: [usize; 2], at: u64, node: usize| {
            let mut trace = Trace::new();
            order.iter().for_each(|i| trace.record(at, node, &effects[*i]));
            assert_eq!(trace.effects, 2);
            trace.hash()
        };
        assert_eq!(run([0, 1], 5, 2), run([0, 1], 5, 2));
        assert_ne!(run([0, 1], 5, 2), run([1, 0], 5, 2));
        assert_ne!(run([0, 1], 5, 2), run([0, 1], 6, 2));
        assert_ne!(run([0, 1], 5, 2), run([0, 1], 5, 3));
    }
}
