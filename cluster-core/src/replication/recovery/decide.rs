//! What stands at each position of an epoch from now on: the decision of a recovery.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rule::{Rule, broken};
use super::super::{Content, Entry, MemberId, NodeSet};

/// What the members of a digest have behind last known good.
pub(super) type Digests = BTreeMap<MemberId, BTreeMap<u64, Entry>>;

/// The contents of an epoch behind last known good, and where their copies go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Every position up to the bridge, and those behind it that have copies.
    pub contents: BTreeMap<u64, Content>,
    /// The copies to be stored.
    pub copies: BTreeSet<(u64, MemberId)>,
}

/// Rule 7. The copy of the highest precedence counts, and is a hole where a bridge of higher precedence stands before it; positions
/// without one become holes, and the bridge comes behind the last record.
///
/// A recovery that was completed before is found again whole, since its copies are on W members, and is decided the same again: its holes
/// and its bridge outrank the waves that this digest sees and that one did not.
pub(super) fn decide(nodeset: &NodeSet, known_good: u64, digests: &Digests, attempt: u64) -> Decision {
    let mut positions: BTreeMap<u64, Vec<&Entry>> = BTreeMap::new();
    for entries in digests.values() {
        for (number, entry) in entries.range(known_good + 1..) {
            positions.entry(*number).or_default().push(entry);
        }
    }
    let (mut contents, mut tail, mut bridge) = (BTreeMap::new(), known_good, None);
    for (number, copies) in positions {
        let best = copies.iter().copied().reduce(|a, b| if b.precedence.outranks(a.precedence) { b } else { a });
        let outranked = best.is_some_and(|best| Some(best.precedence) < bridge) && !broken(Rule::BridgeIgnored);
        let content = match best {
            Some(Entry { content: Content::Record(bytes), .. }) if !outranked => {
                tail = number;
                Content::Record(bytes.clone())
            }
            _ => Content::Hole,
        };
        contents.insert(number, content);
        let bridges = copies.iter().filter(|entry| entry.content == Content::Bridge);
        bridge = bridge.max(bridges.map(|entry| entry.precedence).max());
    }
    if !broken(Rule::HolesLeft) {
        (known_good + 1..tail).for_each(|number| {
            contents.entry(number).or_insert(Content::Hole);
        });
    }
    if !broken(Rule::BridgeLeft) {
        contents.insert(tail + 1, Content::Bridge);
    }
    let copies = contents.keys().flat_map(|number| targets(nodeset, *number, digests, attempt)).collect();
    Decision { contents, copies }
}

/// Members of the digest that get a copy: as many as a wave would have, others with every number and attempt, and every one that has
/// another copy now.
fn targets(nodeset: &NodeSet, number: u64, digests: &Digests, attempt: u64) -> BTreeSet<(u64, MemberId)> {
    let start = (number.wrapping_add(attempt) % digests.len().max(1) as u64) as usize;
    let fresh = digests.keys().cycle().skip(start).take(nodeset.replication().min(digests.len()));
    let holders = digests.iter().filter(|(_, entries)| entries.contains_key(&number) && !broken(Rule::CopiesLeft));
    fresh.chain(holders.map(|(member, _)| member)).map(|member| (number, *member)).collect()
}

#[cfg(test)]
mod tests;
