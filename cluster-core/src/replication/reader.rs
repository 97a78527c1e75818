//! Reading one position.

use std::collections::BTreeSet;

use super::rule::{Rule, broken};
use super::{Content, Found, Lsn, MemberId, Message, NodeSet};

/// What a reader found at a position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A record, a hole or a bridge.
    Found(Content),
    /// q members have no copy of a released position: at least W copies were lost.
    Gap,
}

/// Finds out what stands at one position. One copy is enough, since what is released is final; that there is none, q members must say.
#[derive(Debug)]
pub struct Reader {
    nodeset: NodeSet,
    lsn: Lsn,
    empty: BTreeSet<MemberId>,
}

impl Reader {
    /// A reader of this position.
    #[must_use]
    pub fn new(nodeset: NodeSet, lsn: Lsn) -> Self {
        Self { nodeset, lsn, empty: BTreeSet::new() }
    }

    /// The position.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Questions to the members that did not say yet that they have nothing. May be sent again at any time.
    pub fn questions(&self) -> impl Iterator<Item = (MemberId, Message)> + '_ {
        let silent = self.nodeset.members().iter().filter(|member| !self.empty.contains(member));
        silent.map(|member| (*member, Message::Read { lsn: self.lsn }))
    }

    /// Takes a message; the verdict, once there is one. Answers of others than the nodeset and about other positions do not count, and
    /// neither does "not released": that member may not have heard of it.
    pub fn step(&mut self, from: MemberId, message: &Message) -> Option<Verdict> {
        let Message::Answer { lsn, found } = message else { return None };
        if *lsn != self.lsn || !self.nodeset.contains(from) {
            return None;
        }
        match found {
            Found::Copy(content) => return Some(Verdict::Found(content.clone())),
            Found::NotReleased => return None,
            Found::Nothing => self.empty.insert(from),
        };
        let enough = if broken(Rule::GapOfFew) { 1 } else { self.nodeset.quorum() };
        (self.empty.len() >= enough).then_some(Verdict::Gap)
    }
}

#[cfg(test)]
mod tests;
