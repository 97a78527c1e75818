//! Making the nodes of a segment again from its records.

use std::path::PathBuf;
use std::sync::Arc;

use pyralog_crypto::{Blake3, Frontier};

use super::nodes::Nodes;
use super::view::Part;
use super::{PartitionTree, roots};
use crate::Error;
use crate::notary::nodes::{FlatFile, NodeFile};
use crate::segment::Stored;
use crate::stub::leaf_of;

/// Bytes of nodes that are compared at once.
const PART_BYTES: usize = 1 << 20;

impl PartitionTree {
    /// Checks the nodes of a segment against its records and puts those right that are wrong; answers the name of the file where one was.
    /// Shows to `seen` what it reads.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the records cannot be read or have another root, [`Error::NoSuchRecord`] where they were removed, and
    /// what the disk answered.
    pub(super) fn remake(&self, part: &Part, seen: &mut dyn FnMut(&Stored<'_>)) -> Result<Option<PathBuf>, Error> {
        let _turn = self.turn();
        self.require_kept(&part.leaf)?;
        let nodes = match &part.nodes {
            Some(nodes) => Arc::clone(nodes),
            None => self.store.make(part.leaf.first)?,
        };
        let Nodes::File(NodeFile(file)) = nodes.as_ref() else { return Ok(None) };
        let mut wrong = self.compare(part, file, seen)?;
        // The last segment may have grown in the meantime.
        let end = NodeFile::bytes(part.leaf.records());
        if part.nodes.is_none() && file.len()? > end {
            file.cut(end)?;
            wrong = true;
        }
        Ok(wrong.then(|| file.path().to_owned()))
    }

    /// Compares a file with the nodes that it should have, and writes those that it has not.
    fn compare(&self, part: &Part, file: &FlatFile, seen: &mut dyn FnMut(&Stored<'_>)) -> Result<bool, Error> {
        let mut frontier = Frontier::<Blake3>::new();
        let (mut bytes, mut at, mut wrong) = (Vec::new(), 0, false);
        let mut compare = |bytes: &mut Vec<u8>| -> Result<(), Error> {
            wrong |= file.put_right(bytes, at)?;
            at += bytes.len() as u64;
            bytes.clear();
            Ok(())
        };
        let mut outcome = Ok(());
        self.records.read(part.leaf.first, &mut |record| {
            seen(&record);
            bytes.extend(frontier.append(leaf_of(record.bytes)).flat_map(|(_, _, node)| node.0));
            if bytes.len() >= PART_BYTES {
                outcome = compare(&mut bytes);
            }
            outcome.is_ok() && record.offset + 1 < part.leaf.next
        })?;
        outcome?;
        compare(&mut bytes)?;
        if frontier.root() == part.leaf.root {
            Ok(wrong)
        } else {
            Err(self.contradiction(part, "the records of the segment have another root"))
        }
    }

    /// The error of a segment that contradicts its root.
    pub(super) fn contradiction(&self, part: &Part, why: impl Into<String>) -> Error {
        roots::contradiction(self.store.dir(), part.number, why)
    }
}
