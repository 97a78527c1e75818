//! The global state: what it gives, what it refuses, and that it is the same everywhere.

use std::collections::BTreeSet;

use proptest::prelude::*;
use pyralog_crypto::{Decode, Encode};

use super::*;
use crate::raft::{Life, Stranger};
use crate::replication::NodeSet;

pub(in crate::raft) fn new_member(number: u8) -> NewMember {
    NewMember {
        name: format!("member {number}"),
        peer: vec![number; 4],
        addresses: vec![format!("/ip4/10.0.0.{number}/udp/51820")],
        incarnation: [number; 16],
        life: Life::default(),
    }
}

fn new_log(name: &str, partitions: u32, replication: u8, copies: u8) -> NewLog {
    let name = name.parse().unwrap();
    NewLog {
        name,
        spec: vec![1, 2],
        partitions,
        spread: Spread::whole(replication, copies),
        weak: false,
        healthy: BTreeSet::new(),
        adopt: None,
    }
}

fn cluster(members: u8) -> GlobalState {
    let mut state = GlobalState::default();
    for number in 1..=members {
        let answer = state.apply(&GlobalCommand::AddMember(new_member(number)));
        assert_eq!(answer, GlobalAnswer::Added { member: MemberId(number.into()) });
    }
    state
}

fn refusal(state: &mut GlobalState, command: GlobalCommand) -> GlobalRefusal {
    match state.apply(&command) {
        GlobalAnswer::Refused(why) => why,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn records_are_spread_over_as_many_members_as_the_log_says() {
    let mut state = cluster(5);
    let spread = Spread { nodeset: 4, replication: 2, copies: 2, coordinator_only: true };
    let new = NewLog { spread, ..new_log("a", 3, 0, 0) };
    let command = GlobalCommand::CreateLog(new);
    assert_eq!(GlobalCommand::from_bytes(&command.to_bytes()).unwrap(), command);
    assert!(matches!(state.apply(&command), GlobalAnswer::Created { .. }));
    let nodesets = |state: &GlobalState| state.partitions().map(|(_, place)| place.nodeset.clone()).collect::<Vec<_>>();
    let numbers = |of: &NodeSet| (of.members().len(), of.replication(), of.copies());
    assert!(nodesets(&state).iter().all(|of| numbers(of) == (4, 2, 2) && of.is_sparse()));
    assert_eq!(GlobalState::from_bytes(&state.to_bytes()).unwrap(), state);
    assert_eq!(state.to_bytes()[0], 2);
    // A member that goes is replaced, and the numbers stay.
    let gone = nodesets(&state)[0].members()[0];
    assert_eq!(state.apply(&GlobalCommand::RemoveMember { member: gone }), GlobalAnswer::Done);
    let up: BTreeSet<MemberId> = state.live().map(|(id, _)| id).collect();
    for member in &up {
        state.apply(&GlobalCommand::SetRole { member: *member, role: Role::Voter });
    }
    for (partition, nodeset) in state.better_places(&up) {
        assert_eq!(numbers(&nodeset), (4, 2, 2));
        assert_eq!(state.apply(&GlobalCommand::MovePartition { partition, nodeset }), GlobalAnswer::Done);
    }
    assert!(nodesets(&state).iter().all(|of| !of.contains(gone) && numbers(of) == (4, 2, 2)));
    // Where all members have all records nothing is written otherwise than it was.
    let mut whole = cluster(3);
    whole.apply(&GlobalCommand::CreateLog(new_log("a", 1, 3, 2)));
    assert_eq!((whole.to_bytes()[0], GlobalState::from_bytes(&whole.to_bytes()).unwrap()), (1, whole.clone()));
}

#[test]
fn members_that_are_too_few_for_the_copies_are_refused() {
    let mut state = cluster(5);
    for (nodeset, replication, coordinator_only) in [(2, 3, false), (3, 3, true), (33, 3, false)] {
        let spread = Spread { nodeset, replication, copies: 2, coordinator_only };
        let create = GlobalCommand::CreateLog(NewLog { spread, ..new_log("a", 1, 0, 0) });
        let why = refusal(&mut state, create);
        assert_eq!(why, GlobalRefusal::Nodeset { nodeset, replication });
        assert!(why.to_string().starts_with(&format!("{nodeset} members for {replication} copies")), "{why}");
        assert_eq!(GlobalRefusal::from_bytes(&why.to_bytes()).unwrap(), why);
    }
}

#[test]
fn an_id_is_never_given_twice() {
    let mut state = cluster(3);
    let add = |number| GlobalCommand::AddMember(new_member(number));
    assert_eq!(refusal(&mut state, add(2)), GlobalRefusal::AlreadyMember { member: MemberId(2) });
    let same_peer = NewMember { incarnation: [9; 16], ..new_member(3) };
    let same_peer = GlobalCommand::AddMember(same_peer);
    assert_eq!(refusal(&mut state, same_peer.clone()), GlobalRefusal::AlreadyMember { member: MemberId(3) });
    assert_eq!(state.apply(&GlobalCommand::RemoveMember { member: MemberId(3) }), GlobalAnswer::Done);
    let why = GlobalRefusal::Stranger { member: MemberId(3), why: Stranger::Removed };
    assert_eq!(refusal(&mut state, add(3)), why, "the disk of a removed member");
    assert_eq!(refusal(&mut state, GlobalCommand::RemoveMember { member: MemberId(3) }), why);
    assert_eq!(state.apply(&same_peer), GlobalAnswer::Added { member: MemberId(4) }, "a new disk, the same key");
    assert!(state.may_be_given(MemberId(5)) && !state.may_be_given(MemberId(3)));
}

#[test]
fn the_last_member_stays() {
    let mut state = cluster(1);
    let why = refusal(&mut state, GlobalCommand::RemoveMember { member: MemberId(1) });
    assert_eq!(why, GlobalRefusal::LastMember { member: MemberId(1) });
}

#[test]
fn a_life_is_replaced_by_compare_and_set() {
    let mut state = cluster(1);
    let life = |number| Life { number, nonce: [number as u8; 16] };
    let start = |incarnation, previous, next| GlobalCommand::Start { member: MemberId(1), incarnation, previous, next };
    let why = |why| GlobalRefusal::Stranger { member: MemberId(1), why };
    let disk = [1; 16];
    assert_eq!(state.apply(&start(disk, Life::default(), life(1))), GlobalAnswer::Started);
    assert_eq!(state.apply(&start(disk, Life::default(), life(1))), GlobalAnswer::Started, "asked again");
    assert_eq!(state.apply(&start(disk, life(1), life(2))), GlobalAnswer::Started);
    assert_eq!(refusal(&mut state, start(disk, life(1), Life { number: 2, nonce: [9; 16] })), why(Stranger::OldCopy));
    assert_eq!(refusal(&mut state, start(disk, life(2), life(7))), why(Stranger::OldCopy), "numbers do not jump");
    assert_eq!(refusal(&mut state, start([3; 16], life(2), life(3))), why(Stranger::OtherIncarnation));
    assert_eq!(state.member(MemberId(1)).unwrap().life, life(2));
    let nobody = GlobalCommand::Start { member: MemberId(9), incarnation: disk, previous: life(2), next: life(3) };
    assert_eq!(refusal(&mut state, nobody), GlobalRefusal::Stranger { member: MemberId(9), why: Stranger::Unknown });
}

#[test]
fn roles_and_addresses_change() {
    let mut state = cluster(1);
    let member = MemberId(1);
    assert_eq!(state.apply(&GlobalCommand::SetRole { member, role: Role::Voter }), GlobalAnswer::Done);
    let addresses = vec!["a".to_owned()];
    assert_eq!(state.apply(&GlobalCommand::SetAddresses { member, addresses: addresses.clone() }), GlobalAnswer::Done);
    let found = state.member(member).unwrap();
    assert_eq!((found.role, &found.addresses), (Role::Voter, &addresses));
}

#[test]
fn logs_have_incarnations_and_partitions_of_their_own() {
    let mut state = cluster(3);
    let create = GlobalCommand::CreateLog(new_log("a", 4, 3, 2));
    assert_eq!(state.apply(&create), GlobalAnswer::Created { incarnation: 1 << 32, first_partition: 1 });
    let why = refusal(&mut state, create.clone());
    assert_eq!(why, GlobalRefusal::LogExists { name: "a".parse().unwrap(), incarnation: 1 << 32 });
    assert_eq!(state.partition(4).unwrap().nodeset.members().len(), 3);
    let name: LogName = "a".parse().unwrap();
    let old = state.clone();
    assert_eq!(state.apply(&GlobalCommand::DeleteLog { name: name.clone() }), GlobalAnswer::Done);
    assert_eq!(
        refusal(&mut state, GlobalCommand::DeleteLog { name }),
        GlobalRefusal::NoSuchLog { name: "a".parse().unwrap() }
    );
    assert_eq!(state.partitions().count(), 0);
    assert_eq!(state.apply(&create), GlobalAnswer::Created { incarnation: (1 << 32) + 1, first_partition: 5 });
    let deleted = |state: &GlobalState| (1..=9).filter(|id| state.is_deleted(*id)).collect::<Vec<u64>>();
    assert_eq!(deleted(&state), [1, 2, 3, 4]);
    assert!(deleted(&old).is_empty(), "what an old state does not know of yet is not deleted");
}

#[test]
fn numbers_that_lose_records_are_refused_in_words() {
    let mut state = cluster(4);
    let mut create = |replication, copies, weak| {
        let new = NewLog { weak, ..new_log("a", 1, replication, copies) };
        match state.apply(&GlobalCommand::CreateLog(new)) {
            GlobalAnswer::Refused(why) => Err(why),
            _ => {
                state.apply(&GlobalCommand::DeleteLog { name: "a".parse().unwrap() });
                Ok(())
            }
        }
    };
    for (replication, copies) in [(1, 1), (3, 2), (4, 3), (5, 3), (5, 4)] {
        assert_eq!(create(replication, copies, false), Ok(()), "{replication} {copies}");
    }
    for (nodeset, copies) in [(2, 1), (2, 2), (3, 1), (3, 3), (5, 1), (5, 5)] {
        let why = create(nodeset, copies, true).unwrap_err();
        assert_eq!(why, GlobalRefusal::HeldUp { nodeset, copies });
        assert!(why.to_string().contains("one lost disk would hold the log up for ever"), "{why}");
        let number = if copies == 1 { "1 copy,".to_owned() } else { format!("{copies} copies,") };
        assert!(why.to_string().contains(&number), "{why}");
        assert_eq!(GlobalRefusal::from_bytes(&why.to_bytes()).unwrap(), why);
    }
    for (replication, copies) in [(4, 2), (6, 3), (7, 2)] {
        let why = create(replication, copies, false).unwrap_err();
        assert_eq!(why, GlobalRefusal::Weak { replication, copies });
        assert!(why.to_string().contains(&format!("after {copies} of {replication} copies")), "{why}");
        assert_eq!(create(replication, copies, true), Ok(()));
    }
    let instead = |nodeset, replication| {
        let spread = Spread { nodeset, ..Spread::whole(replication, 1) };
        spread.instead()
    };
    assert_eq!(instead(3, 3), "take copies 2 of 3");
    assert_eq!(instead(5, 5), "take copies 3 to 4 of 5");
    assert_eq!(instead(5, 2), "take copies 2 of 2");
    assert!(instead(2, 2).contains("nodeset 3") && instead(3, 1).contains("replication 2"));
    for (replication, copies) in [(0, 0), (3, 4), (3, 0), (33, 20)] {
        assert_eq!(create(replication, copies, true), Err(GlobalRefusal::Numbers { replication, copies }));
    }
}

#[test]
fn a_log_that_a_member_has_alone_is_adopted_as_it_is() {
    let mut state = cluster(3);
    let adopt = |name, member, incarnation| {
        GlobalCommand::CreateLog(NewLog { adopt: Some((MemberId(member), incarnation)), ..new_log(name, 2, 3, 2) })
    };
    let created = GlobalAnswer::Created { incarnation: 7, first_partition: 1 };
    assert_eq!(state.apply(&adopt("a", 2, 7)), created);
    let alone = NodeSet::new([MemberId(2)], 1, 1).unwrap();
    assert!((1..=2).all(|id| state.partition(id).unwrap().nodeset == alone));
    assert_eq!(refusal(&mut state, adopt("b", 2, 7)), GlobalRefusal::Incarnation { incarnation: 7 });
    assert_eq!(refusal(&mut state, adopt("b", 2, 1 << 32)), GlobalRefusal::Incarnation { incarnation: 1 << 32 });
    let unknown = GlobalRefusal::Stranger { member: MemberId(9), why: Stranger::Unknown };
    assert_eq!(refusal(&mut state, adopt("b", 9, 8)), unknown);
    let created = GlobalAnswer::Created { incarnation: 1 << 32, first_partition: 3 };
    assert_eq!(state.apply(&GlobalCommand::CreateLog(new_log("b", 1, 3, 2))), created);
}

/// Of the only partition.
fn better_place(state: &GlobalState, up: &BTreeSet<MemberId>) -> Option<NodeSet> {
    state.better_places(up).into_iter().next().map(|(_, nodeset)| nodeset)
}

#[test]
fn a_log_of_a_small_cluster_grows_with_it() {
    let mut state = cluster(1);
    state.apply(&GlobalCommand::SetRole { member: MemberId(1), role: Role::Voter });
    state.apply(&GlobalCommand::CreateLog(new_log("a", 1, 3, 2)));
    let set =
        |members: &[u64], copies| NodeSet::new(members.iter().map(|id| MemberId(*id)), members.len(), copies).unwrap();
    assert_eq!(state.partition(1).unwrap().nodeset, set(&[1], 1));
    let up: BTreeSet<MemberId> = (1..=9).map(MemberId).collect();
    let join = |state: &mut GlobalState, id: u8, nodeset: Option<NodeSet>| {
        state.apply(&GlobalCommand::AddMember(new_member(id)));
        // A learner may be gone tomorrow, and who is away gets nothing new.
        assert_eq!(better_place(state, &up), None);
        state.apply(&GlobalCommand::SetRole { member: MemberId(id.into()), role: Role::Voter });
        assert_eq!(better_place(state, &[MemberId(1)].into()), None);
        assert_eq!(better_place(state, &up), nodeset);
        if let Some(nodeset) = nodeset {
            assert_eq!(state.apply(&GlobalCommand::MovePartition { partition: 1, nodeset }), GlobalAnswer::Done);
        }
    };
    join(&mut state, 2, Some(set(&[1, 2], 2)));
    join(&mut state, 3, Some(set(&[1, 2, 3], 2)));
    // There are as many as are wanted, until one is gone for ever; nobody else is moved.
    join(&mut state, 4, None);
    assert_eq!(state.apply(&GlobalCommand::RemoveMember { member: MemberId(2) }), GlobalAnswer::Done);
    assert_eq!(better_place(&state, &up), Some(set(&[1, 3, 4], 2)));
    assert_eq!(state.apply(&GlobalCommand::RemoveMember { member: MemberId(4) }), GlobalAnswer::Done);
    // The two that are left acknowledge as they would without it; the last one could not.
    assert_eq!(better_place(&state, &up), None);
    assert_eq!(state.apply(&GlobalCommand::RemoveMember { member: MemberId(3) }), GlobalAnswer::Done);
    assert_eq!(better_place(&state, &up), Some(set(&[1], 1)));
}

#[test]
fn one_new_member_takes_one_place_where_two_are_empty() {
    let mut state = cluster(5);
    let up: BTreeSet<MemberId> = (1..=9).map(MemberId).collect();
    for id in 1..=5 {
        state.apply(&GlobalCommand::SetRole { member: MemberId(id), role: Role::Voter });
    }
    state.apply(&GlobalCommand::CreateLog(new_log("a", 1, 5, 3)));
    for id in [2, 5] {
        assert_eq!(state.apply(&GlobalCommand::RemoveMember { member: MemberId(id) }), GlobalAnswer::Done);
    }
    // The three that are left acknowledge.
    assert_eq!(better_place(&state, &up), None);
    for (id, all) in [(6, &[1, 3, 4, 6][..]), (7, &[1, 3, 4, 6, 7])] {
        state.apply(&GlobalCommand::AddMember(new_member(id)));
        state.apply(&GlobalCommand::SetRole { member: MemberId(id.into()), role: Role::Voter });
        let nodeset = NodeSet::new(ids(all), all.len(), 3).unwrap();
        assert_eq!(better_place(&state, &up), Some(nodeset.clone()));
        assert_eq!(state.apply(&GlobalCommand::MovePartition { partition: 1, nodeset }), GlobalAnswer::Done);
    }
}

#[test]
fn a_partition_moves_to_live_members_with_the_numbers_of_its_log() {
    let mut state = cluster(4);
    state.apply(&GlobalCommand::CreateLog(new_log("a", 1, 3, 2)));
    let set = |members: [u64; 3], copies| NodeSet::new(members.map(MemberId), 3, copies).unwrap();
    let to = |nodeset| GlobalCommand::MovePartition { partition: 1, nodeset };
    assert_eq!(state.apply(&to(set([2, 3, 4], 2))), GlobalAnswer::Done);
    assert_eq!(state.partition(1).unwrap().nodeset, set([2, 3, 4], 2));
    assert_eq!(refusal(&mut state, to(set([2, 3, 4], 3))), GlobalRefusal::Numbers { replication: 3, copies: 3 });
    let unknown = GlobalRefusal::Stranger { member: MemberId(9), why: Stranger::Unknown };
    assert_eq!(refusal(&mut state, to(set([2, 3, 9], 2))), unknown);
    let nowhere = GlobalCommand::MovePartition { partition: 9, nodeset: set([2, 3, 4], 2) };
    assert_eq!(refusal(&mut state, nowhere), GlobalRefusal::NoSuchPartition { partition: 9 });
}

#[test]
fn a_number_is_held_by_one_member_and_comes_back_with_a_higher_incarnation() {
    let mut state = cluster(3);
    let lease =
        |state: &mut GlobalState, member| match state.apply(&GlobalCommand::LeaseNumber { member: MemberId(member) }) {
            GlobalAnswer::Leased { number, incarnation } => (number, incarnation),
            answer => panic!("{answer:?}"),
        };
    assert_eq!([lease(&mut state, 1), lease(&mut state, 2), lease(&mut state, 1)], [(0, 1), (1, 2), (0, 1)]);
    state.apply(&GlobalCommand::RemoveMember { member: MemberId(1) });
    let why = refusal(&mut state, GlobalCommand::LeaseNumber { member: MemberId(1) });
    assert_eq!(why, GlobalRefusal::Stranger { member: MemberId(1), why: Stranger::Removed });
    assert_eq!(lease(&mut state, 3), (2, 3), "numbers that nobody had come first");
    state.apply(&GlobalCommand::ReleaseNumber { member: MemberId(3) });
    for number in 3..NODE_NUMBERS {
        state.leases.insert(number, Lease { member: Some(MemberId(2)), incarnation: 1 });
    }
    assert_eq!(lease(&mut state, 3), (0, 4), "given back first");
    let new = state.apply(&GlobalCommand::AddMember(new_member(9)));
    assert_eq!(new, GlobalAnswer::Added { member: MemberId(4) });
    assert_eq!(lease(&mut state, 4), (2, 5));
    state.apply(&GlobalCommand::AddMember(new_member(10)));
    assert_eq!(refusal(&mut state, GlobalCommand::LeaseNumber { member: MemberId(5) }), GlobalRefusal::NoNumbers);
}

#[test]
fn scores_and_places_stay_what_they_are() {
    let scores = [(1, 1), (1, 2), (2, 1), (u64::MAX, 7)].map(|(partition, member)| score(partition, MemberId(member)));
    assert_eq!(scores.map(|score| format!("{score:032x}")), SCORES.map(str::to_owned));
    let members: BTreeSet<MemberId> = (1..=5).map(MemberId).collect();
    let places = [1, 2, 3].map(|partition| {
        place(partition, &members, &BTreeSet::new(), 3).into_iter().map(|member| member.0).collect::<Vec<_>>()
    });
    assert_eq!(places, PLACES);
}

const SCORES: [&str; 4] = [
    "6829ced3d83a530f13b23832ae011d27",
    "a17a98b931d6fad50dde86234cf2afcb",
    "d0b285f5232a329ccdaecc0968eb2c9d",
    "0b19b0efee82b178e48de3f04de62e38",
];
const PLACES: [[u64; 3]; 3] = [[2, 3, 4], [1, 4, 5], [1, 3, 4]];

fn ids(members: &[u64]) -> BTreeSet<MemberId> {
    members.iter().copied().map(MemberId).collect()
}

#[test]
fn healthy_members_come_first() {
    let all = ids(&[1, 2, 3, 4, 5]);
    for partition in 0..50 {
        let chosen = place(partition, &all, &ids(&[2, 4]), 3);
        assert!(chosen.is_superset(&ids(&[2, 4])) && chosen.len() == 3);
    }
}

fn any_command() -> impl Strategy<Value = GlobalCommand> {
    let member = || (0..6u64).prop_map(MemberId);
    let name = || prop::sample::select(vec!["a", "b", "c"]).prop_map(|name| name.parse::<LogName>().unwrap());
    let life = || (0..4u64).prop_map(|number| Life { number, nonce: [0; 16] });
    prop_oneof![
        3 => (1..8u8).prop_map(|number| GlobalCommand::AddMember(new_member(number))),
        1 => member().prop_map(|member| GlobalCommand::RemoveMember { member }),
        1 => (member(), any::<bool>()).prop_map(|(member, voter)| {
            GlobalCommand::SetRole { member, role: if voter { Role::Voter } else { Role::Learner } }
        }),
        1 => (member(), prop::collection::vec("[a-z]{0,5}", 0..3))
            .prop_map(|(member, addresses)| GlobalCommand::SetAddresses { member, addresses }),
        1 => (member(), 0..8u8, life(), life()).prop_map(|(member, incarnation, previous, next)| {
            GlobalCommand::Start { member, incarnation: [incarnation; 16], previous, next }
        }),
        2 => (name(), 1..6u32, 0..5u8, 0..5u8, any::<bool>(), prop::collection::btree_set(member(), 0..3)).prop_map(
            |(name, partitions, replication, copies, weak, healthy)| {
                let log = new_log(name.as_str(), partitions, replication, copies);
                GlobalCommand::CreateLog(NewLog { weak, healthy, ..log })
            }
        ),
        1 => name().prop_map(|name| GlobalCommand::DeleteLog { name }),
        1 => (0..9u64, 1..4u64)
            .prop_map(|(partition, n)| GlobalCommand::MovePartition { partition, nodeset: crate::raft::shard::tests::nodeset(n) }),
        1 => member().prop_map(|member| GlobalCommand::LeaseNumber { member }),
        1 => member().prop_map(|member| GlobalCommand::ReleaseNumber { member }),
    ]
}

proptest! {
    #[test]
    fn the_same_commands_give_the_same_state(commands in prop::collection::vec(any_command(), 0..60), cut: prop::sample::Index) {
        let (mut one, mut other) = (GlobalState::default(), GlobalState::default());
        let cut = cut.index(commands.len() + 1);
        for (at, command) in commands.iter().enumerate() {
            if at == cut {
                other = GlobalState::from_bytes(&one.to_bytes()).unwrap();
            }
            prop_assert_eq!(&GlobalCommand::from_bytes(&command.to_bytes()).unwrap(), command);
            let before = one.clone();
            let answer = one.apply(command);
            if matches!(answer, GlobalAnswer::Refused(_)) {
                prop_assert_eq!(&before, &one, "a refusal changed something");
            }
            prop_assert_eq!(&GlobalAnswer::from_bytes(&answer.to_bytes()).unwrap(), &answer);
            prop_assert_eq!(other.apply(command), answer);
        }
        prop_assert_eq!(one.to_bytes(), other.to_bytes());
        let back = GlobalState::from_bytes(&one.to_bytes()).unwrap();
        prop_assert_eq!(back, one);
    }

    #[test]
    fn a_member_that_comes_or_goes_moves_only_what_must_move(
        members in prop::collection::btree_set(1..40u64, 2..10),
        partition: u64,
        count in 1..5usize,
    ) {
        let all: BTreeSet<MemberId> = members.iter().copied().map(MemberId).collect();
        let before = place(partition, &all, &BTreeSet::new(), count);
        prop_assert_eq!(before.len(), count.min(all.len()));
        for gone in &all {
            let mut left = all.clone();
            left.remove(gone);
            let after = place(partition, &left, &BTreeSet::new(), count);
            let kept: BTreeSet<_> = before.iter().filter(|member| *member != gone).copied().collect();
            prop_assert!(after.is_superset(&kept), "what did not need to move has moved");
            if !before.contains(gone) {
                prop_assert_eq!(&after, &before);
            }
        }
    }

    #[test]
    fn changed_snapshots_have_no_second_encoding(at: prop::sample::Index, to: u8) {
        let mut state = cluster(3);
        state.apply(&GlobalCommand::CreateLog(new_log("a", 2, 3, 2)));
        state.apply(&GlobalCommand::LeaseNumber { member: MemberId(2) });
        let mut bytes = state.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(found) = GlobalState::from_bytes(&bytes) {
            prop_assert_eq!(found.to_bytes(), bytes);
        }
    }
}

#[test]
fn vectors() {
    let check = |command: GlobalCommand, expected: &str| {
        let bytes = command.to_bytes();
        assert_eq!(hex::encode(&bytes), expected.replace(' ', ""));
        for end in 0..bytes.len() {
            assert!(GlobalCommand::from_bytes(&bytes[..end]).is_err());
        }
        assert!(GlobalCommand::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    };
    let member = MemberId(5);
    let ones = "01010101010101010101010101010101";
    let zeros = "0000000000000000 00000000000000000000000000000000";
    let new = NewMember {
        name: "m".into(),
        peer: vec![2],
        addresses: vec!["a".into()],
        incarnation: [1; 16],
        life: Life::default(),
    };
    check(GlobalCommand::AddMember(new), &format!("00 00000001 6d 00000001 02 00000001 00000001 61 {ones} {zeros}"));
    check(GlobalCommand::RemoveMember { member }, "01 0000000000000005");
    check(GlobalCommand::SetRole { member, role: Role::Voter }, "02 0000000000000005 01");
    check(GlobalCommand::SetAddresses { member, addresses: vec![] }, "03 0000000000000005 00000000");
    let start = GlobalCommand::Start { member, incarnation: [1; 16], previous: Life::default(), next: Life::default() };
    check(start, &format!("04 0000000000000005 {ones} {zeros} {zeros}"));
    check(
        GlobalCommand::CreateLog(new_log("a", 2, 3, 2)),
        "05 00000001 61 00000002 0102 00000002 03 02 00 00000000 00",
    );
    check(GlobalCommand::DeleteLog { name: "a".parse().unwrap() }, "06 00000001 61");
    let nodeset = NodeSet::new([member], 1, 1).unwrap();
    check(
        GlobalCommand::MovePartition { partition: 9, nodeset },
        "07 0000000000000009 00000001 0000000000000005 01 01",
    );
    check(GlobalCommand::LeaseNumber { member }, "08 0000000000000005");
    check(GlobalCommand::ReleaseNumber { member }, "09 0000000000000005");
    let leased = GlobalAnswer::Leased { number: 7, incarnation: 8 };
    assert_eq!(hex::encode(leased.to_bytes()), "0400070000000000000008");
    let empty = GlobalState::default().to_bytes();
    assert_eq!(hex::encode(&empty), format!("01{}", "00".repeat(empty.len() - 1)));
    assert_eq!(empty.len(), 1 + 4 * 4 + 4 * 8);
}
