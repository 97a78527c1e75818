//! Who is let in, and which disk counts.

use proptest::prelude::*;

use super::*;
use crate::MemoryTables;
use crate::disk::FaultyDisk;
use crate::raft::{GlobalAnswer, GlobalCommand, Machine, NewMember};

fn life(number: u64) -> Life {
    Life { number, nonce: [number as u8; 16] }
}

/// A cluster with member 1, which has started twice, and member 2, which was removed.
fn state() -> GlobalState {
    let mut state = GlobalState::default();
    for member in [1, 2] {
        let new = NewMember {
            name: String::new(),
            peer: vec![member],
            addresses: Vec::new(),
            incarnation: [member; 16],
            life: life(0),
        };
        state.apply(&GlobalCommand::AddMember(new));
    }
    for number in [1, 2] {
        let (member, incarnation) = (MemberId(1), [1; 16]);
        let start = GlobalCommand::Start { member, incarnation, previous: life(number - 1), next: life(number) };
        assert_eq!(state.apply(&start), GlobalAnswer::Started);
    }
    state.apply(&GlobalCommand::RemoveMember { member: MemberId(2) });
    state
}

fn judged(member: u64, incarnation: u8, previous: u64, next: u64) -> Result<(), Stranger> {
    let incarnation = [incarnation; 16];
    check(&state(), &Hello { member: MemberId(member), incarnation, previous: life(previous), next: life(next) })
}

#[test]
fn each_speaker_is_judged() {
    assert_eq!(judged(1, 1, 2, 2), Ok(()), "it runs");
    assert_eq!(judged(1, 1, 2, 3), Ok(()), "it starts");
    assert_eq!(judged(1, 1, 1, 2), Ok(()), "it has started, and does not know yet");
    assert_eq!(judged(1, 1, 5, 6), Ok(()), "it knows of starts that are not known here");
    assert_eq!(judged(1, 1, 1, 9), Err(Stranger::OldCopy));
    assert_eq!(judged(1, 1, 0, 1), Err(Stranger::OldCopy));
    assert_eq!(judged(1, 9, 2, 3), Err(Stranger::OtherIncarnation));
    assert_eq!(judged(2, 2, 0, 1), Err(Stranger::Removed));
    assert_eq!(judged(3, 3, 0, 1), Ok(()), "it may have been added since");
    assert_eq!(judged(0, 0, 0, 1), Err(Stranger::Unknown));
    let hello = Hello { member: MemberId(7), incarnation: [7; 16], previous: life(0), next: life(1) };
    assert_eq!(check(&GlobalState::default(), &hello), Ok(()), "a new learner knows nobody");
}

#[test]
fn an_old_copy_with_the_same_number_is_told_from_the_disk() {
    let copy = Life { number: 2, nonce: [99; 16] };
    let hello = Hello { member: MemberId(1), incarnation: [1; 16], previous: copy, next: life(3) };
    assert_eq!(check(&state(), &hello), Err(Stranger::OldCopy));
}

#[test]
fn lives_survive_crashes_and_end_never_in_between() {
    let disk = FaultyDisk::new(3);
    let tables = MemoryTables::new(disk.clone());
    assert_eq!(Identity::load(&tables).unwrap(), None);
    let mut identity = Identity::load_or_make(&tables).unwrap();
    assert_eq!(identity.begin(&tables).unwrap(), None, "it has no id");
    identity.assign(&tables, MemberId(4)).unwrap();
    let hello = identity.begin(&tables).unwrap().unwrap();
    assert_eq!((hello.member, hello.next.number), (MemberId(4), 1));
    disk.crash();
    tables.crash();
    let mut again = Identity::load(&tables).unwrap().unwrap();
    assert_eq!(again.begin(&tables).unwrap(), Some(hello), "the same life is asked for");
    again.confirm(&tables).unwrap();
    let mut last = Identity::load(&tables).unwrap().unwrap();
    let next = last.begin(&tables).unwrap().unwrap();
    assert_eq!((next.previous, next.next.number), (hello.next, 2));
    assert_ne!(next.next.nonce, hello.next.nonce);
}

proptest! {
    #[test]
    fn values_come_back_as_they_were(member: Option<u64>, incarnation: [u8; 16], number: u64, nonce: [u8; 16], begun: bool) {
        let life = Life { number, nonce };
        let identity = Identity { member: member.map(MemberId), incarnation, life, next: begun.then_some(life) };
        prop_assert_eq!(Identity::from_bytes(&identity.to_bytes()), Ok(identity));
        let hello = Hello { member: MemberId(number), incarnation, previous: life, next: life };
        prop_assert_eq!(Hello::from_bytes(&hello.to_bytes()), Ok(hello));
    }
}

#[test]
fn vectors() {
    let identity = Identity { member: Some(MemberId(2)), incarnation: [7; 16], life: life(1), next: None };
    let expected = "01000000000000000207070707070707070707070707070707\
                    00000000000000010101010101010101010101010101010100";
    assert_eq!(hex::encode(identity.to_bytes()), expected);
    for (tag, why) in
        [Stranger::Unknown, Stranger::Removed, Stranger::OtherIncarnation, Stranger::OldCopy, Stranger::OtherMember]
            .into_iter()
            .enumerate()
    {
        assert_eq!(why.to_bytes(), [tag as u8]);
        assert_eq!(Stranger::from_bytes(&[tag as u8]), Ok(why));
    }
    assert!(Stranger::from_bytes(&[5]).is_err());
}
