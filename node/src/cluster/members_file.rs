//! `HOME/data/members.json`: who the other members are, for a start that cannot ask anybody yet.

use pyralog_p2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::home::{Home, PUBLIC, read_bounded, write_atomic};

/// Longest such file, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A member, as others reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Its id.
    pub member: u64,
    /// Its libp2p peer id, as text.
    pub peer_id: String,
    /// Where it listens: multiaddresses without `/p2p/`.
    pub addresses: Vec<String>,
}

impl Contact {
    /// The peer, where its id is one.
    pub fn peer(&self) -> Option<PeerId> {
        self.peer_id.parse().ok()
    }

    /// Those of the addresses that are some.
    pub fn multiaddrs(&self) -> Vec<Multiaddr> {
        self.addresses.iter().filter_map(|address| address.parse().ok()).collect()
    }
}

/// The members that were known last; none where there is no file.
///
/// # Errors
/// The file cannot be read.
pub fn read(home: &Home) -> Result<Vec<Contact>> {
    let path = home.members();
    if !path.exists() {
        return Ok(Vec::new());
    }
    let broken = |why: String| {
        Error::home(
            &path,
            format!("{why}; copy the file from another member of the cluster, or remove it on the only one"),
        )
    };
    let contacts: Vec<Contact> =
        serde_json::from_slice(&read_bounded(&path, MAX_BYTES)?).map_err(|e| broken(e.to_string()))?;
    match contacts.iter().find(|contact| contact.peer().is_none()) {
        Some(contact) => Err(broken(format!("{:?} is not a peer id", contact.peer_id))),
        None => Ok(contacts),
    }
}

/// Keeps them.
///
/// # Errors
/// The file cannot be written.
pub fn write(home: &Home, contacts: &[Contact]) -> Result<()> {
    let text = serde_json::to_string_pretty(contacts).map_err(|e| Error::Usage(e.to_string()))?;
    write_atomic(&home.members(), format!("{text}\n").as_bytes(), PUBLIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_it_was_written_and_nonsense_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        assert_eq!(read(&home).unwrap(), []);
        let contact = Contact {
            member: 2,
            peer_id: "12D3KooWBU5zU8sXEwPQN3HSbVRUBnXjKQSuGdEPc7AgBkPRLh8K".into(),
            addresses: vec!["/ip4/127.0.0.1/tcp/26656".into(), "nonsense".into()],
        };
        write(&home, std::slice::from_ref(&contact)).unwrap();
        assert_eq!(read(&home).unwrap(), std::slice::from_ref(&contact));
        assert!(contact.peer().is_some());
        assert_eq!(contact.multiaddrs().len(), 1);
        for text in ["{}", "[{\"member\": 2}]", "[{\"member\": 2, \"peer_id\": \"x\", \"addresses\": []}]"] {
            std::fs::write(home.members(), text).unwrap();
            let why = read(&home).unwrap_err().to_string();
            assert!(why.contains("members.json") && why.contains("copy the file"), "{why}");
        }
    }
}
