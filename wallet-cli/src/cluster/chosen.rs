//! The member that a command line names, by its number or its name.

use super::client::Client;
use super::wire::{ClusterInfo, called};
use crate::error::{Failure, Result};
use crate::node::NodeFault;
use crate::output::{note, safe};

/// A member to do something with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its number.
    pub id: u64,
    /// Its name, where the cluster could be asked.
    pub name: Option<String>,
    /// How the cluster was before.
    pub cluster: Option<ClusterInfo>,
}

impl Chosen {
    /// Asks who `word` is. A number counts as one, also where a member has it as its name. A node that does not describe the cluster now may
    /// do what is asked of it nevertheless: then the number is enough.
    pub fn find(client: &Client, word: &str) -> Result<Self> {
        let number: Option<u64> = word.parse().ok();
        let cluster = match (client.status(), number) {
            (Ok((cluster, _)), _) => cluster,
            (Err(NodeFault::Busy { message, .. }), Some(id)) => {
                note(&format!("{} does not describe the cluster: {}", client.url(), safe(&message)));
                return Ok(Self { id, name: None, cluster: None });
            }
            (Err(fault), _) => return Err(client.failure(fault)),
        };
        let is_meant = |id: u64, name: &str| number.map_or(name == word, |number| number == id);
        let mut found = cluster.members.iter().filter(|member| is_meant(member.id, &member.name));
        match (found.next(), found.next()) {
            (Some(member), None) => {
                Ok(Self { id: member.id, name: Some(member.name.clone()), cluster: Some(cluster.clone()) })
            }
            (None, _) => {
                let all: Vec<String> = cluster.members.iter().map(|member| cluster.called(member.id)).collect();
                Err(Failure::error(format!("there is no member {}; there are {}", safe(word), all.join(", ")))
                    .next(client.command("status")))
            }
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("several members have the name {}: name one by its number", safe(word)))
                    .next(client.command("status")))
            }
        }
    }

    /// `member 2 (node1)`.
    pub fn called(&self) -> String {
        called(self.id, self.name.as_deref())
    }
}

#[cfg(test)]
#[path = "chosen_test.rs"]
mod tests;
