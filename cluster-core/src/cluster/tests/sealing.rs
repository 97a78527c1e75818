//! What counts of what comes over a link.

use super::world::{World, runtime};
use crate::PartitionId;
use crate::cluster::Envelope;
use crate::member::Note;
use crate::raft::{Hello, Life};
use crate::replication::MemberId;

#[test]
fn nothing_counts_of_who_is_not_the_member_any_more_or_speaks_to_another_one() {
    runtime(async {
        let world = World::new(2).await;
        let (one, two) = (world.cluster(0), world.cluster(1));
        let hello = two.groups().hello();
        let note = || Envelope::Note { partition: PartitionId(1), note: Note::Fetch { from: 0, stubs: false } };
        let lead = || Envelope::Lead { partition: PartitionId(1) };
        let counts = |to: MemberId, hello: Hello, envelope: Envelope| {
            one.unsealed(two.id(), Envelope::From { to, hello, envelope: Box::new(envelope) }).is_some()
        };
        assert!(counts(one.id(), hello, note()));
        assert!(one.unsealed(two.id(), note()).is_none(), "it does not say who speaks");
        assert!(!counts(MemberId(9), hello, note()), "it is for who was here before");
        // The key at the other end is the same.
        assert!(!counts(one.id(), Hello { member: MemberId(9), ..hello }, note()));
        assert!(!counts(one.id(), Hello { incarnation: [1; 16], ..hello }, note()));
        // It was started again elsewhere.
        let old = Life { number: hello.next.number - 1, nonce: [1; 16] };
        assert!(!counts(one.id(), Hello { previous: old, next: old, ..hello }, note()));
        // It starts: that may be an old copy.
        let next = Life { number: hello.next.number + 1, nonce: [1; 16] };
        let starting = Hello { next, ..hello };
        assert!(!counts(one.id(), starting, note()));
        assert!(counts(one.id(), starting, lead()));
        world.end().await;
    });
}
