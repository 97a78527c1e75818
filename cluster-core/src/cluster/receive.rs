//! What other members send.

use std::sync::Arc;

use super::envelope::Envelope;
use super::host::Cluster;
use crate::replication::MemberId;

impl Cluster {
    /// An envelope of another member.
    pub fn receive(&self, from: MemberId, envelope: Envelope) {
        let Some(envelope) = self.unsealed(from, envelope) else { return };
        match envelope {
            Envelope::Call { id, group, frame } => {
                let shared = Arc::clone(&self.shared);
                let Ok(place) = Arc::clone(&shared.serving).try_acquire_owned() else {
                    let _sent = shared.links.send(from, Envelope::Answer { id, frame: None });
                    return;
                };
                tokio::spawn(async move {
                    let _place = place;
                    let answer = shared.groups.serve(from, group, frame).await;
                    if let Err(reason) = &answer {
                        tracing::debug!(member = from.0, group, %reason, "a question to a group has no answer");
                    }
                    let _sent = shared.links.send(from, Envelope::Answer { id, frame: answer.ok() });
                });
            }
            Envelope::Answer { id, frame } | Envelope::Told { id, answer: frame } => {
                self.shared.calls.answered(from, id, frame);
            }
            Envelope::Survey { id, partition, from: offset } => self.shared.survey((from, id), partition, offset),
            Envelope::Records { id, partition, from: offset } => {
                self.shared.give_records((from, id), partition, offset)
            }
            Envelope::Leaving { id, member } => self.shared.tell_stock((from, id), member),
            Envelope::Ask { id, question } => self.answer_node(from, id, question),
            Envelope::Note { partition, note } => {
                self.shared.inputs.note(from, partition, note);
            }
            Envelope::Append { id, partition, mode, payload } => {
                self.shared.inputs.append_for((from, id), partition, mode, payload);
            }
            Envelope::Appended { id, acked } => self.shared.forwarded.answered(from, id, acked),
            Envelope::Relay { id, partition, mode, payload } => self.relay((from, id), partition, mode, payload),
            Envelope::Lead { partition } => self.ask(partition),
            Envelope::Hears { members, lacks } => self.told(from, members, lacks),
            Envelope::Join(new) => self.let_in(from, new),
            // This one has its id; and what was sealed is unsealed.
            Envelope::Joined { .. } | Envelope::NotJoined { .. } | Envelope::From { .. } => {}
            Envelope::Removed { member } => {
                self.shared
                    .removed
                    .send_if_modified(|removed| member == self.shared.me && !std::mem::replace(removed, true));
            }
        }
    }

    /// Returns when another member has said that this one was removed: then it is to end, since nobody speaks with it any more.
    pub async fn removed(&self) {
        let mut removed = self.shared.removed.subscribe();
        // The sender stays.
        let _was = removed.wait_for(|removed| *removed).await;
    }

    /// Tells a member that it was removed.
    pub fn tell_removed(&self, member: MemberId) {
        // One that does not hear it hears from nobody, and never starts again.
        let _sent = self.shared.links.send(member, Envelope::Removed { member });
    }
}
