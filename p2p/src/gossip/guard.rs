//! Exact size limits by topic, and nothing at all on topics that are not ours.

use std::{collections::HashMap, io};

use libp2p::gossipsub::{DataTransform, Message, RawMessage, TopicHash};

#[cfg(test)]
mod tests;

/// Passes data through unchanged where its topic is known and its size within the topic's limit. What fails on the way
/// in counts as an invalid message of the peer that sent it; gossipsub would otherwise keep messages of unknown topics.
#[derive(Clone, Debug)]
pub(crate) struct SizeGuard(HashMap<TopicHash, usize>);

impl SizeGuard {
    pub(crate) fn new(limits: impl IntoIterator<Item = (TopicHash, usize)>) -> Self {
        Self(limits.into_iter().collect())
    }

    fn check(&self, topic: &TopicHash, size: usize) -> io::Result<()> {
        match self.0.get(topic) {
            Some(max) if size <= *max => Ok(()),
            Some(max) => Err(io::Error::other(format!("{size} bytes are over the topic's limit of {max}"))),
            None => Err(io::Error::other("unknown topic")),
        }
    }
}

impl DataTransform for SizeGuard {
    fn inbound_transform(&self, raw: RawMessage) -> io::Result<Message> {
        self.check(&raw.topic, raw.data.len())?;
        Ok(Message { source: raw.source, data: raw.data, sequence_number: raw.sequence_number, topic: raw.topic })
    }

    fn outbound_transform(&self, topic: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        self.check(topic, data.len())?;
        Ok(data)
    }
}
