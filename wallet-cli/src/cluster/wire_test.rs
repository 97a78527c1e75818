use serde_json::{Value, json};

use super::super::testkit::{cluster, member};
use super::*;

fn state(change: impl Fn(&mut Value)) -> PartitionState {
    let mut document = cluster(1);
    change(&mut document);
    let info: ClusterInfo = serde_json::from_value(document).unwrap();
    info.state(&info.partitions[0])
}

#[test]
fn a_partition_is_as_good_as_its_worst_part() {
    assert_eq!(state(|_| {}), PartitionState::Full);
    assert_eq!(state(|info| info["partitions"][0]["behind"] = true.into()), PartitionState::Behind);
    assert_eq!(state(|info| info["members"][2] = member(3, false)), PartitionState::UnderReplicated);
    assert_eq!(
        state(|info| info["members"] = json!([member(1, true), member(2, true)])),
        PartitionState::UnderReplicated
    );
    let worst = |info: &mut Value| {
        info["members"][2] = member(3, false);
        info["partitions"][0]["behind"] = true.into();
        info["partitions"][0]["leader"] = Value::Null;
    };
    assert_eq!(state(worst), PartitionState::NoLeader);
    assert_eq!(state(|info| info["partitions"][0]["records"] = Value::Null), PartitionState::Elsewhere);
    let moves = |info: &mut Value| {
        info["partitions"][0]["records"] = Value::Null;
        info["partitions"][0]["behind"] = true.into();
    };
    assert_eq!(state(moves), PartitionState::Behind, "that is known to all");
    // A member that stores nothing of it does not matter.
    assert_eq!(state(|info| info["members"].as_array_mut().unwrap().push(member(4, false))).words(), "full");
}

#[test]
fn numbers_may_be_missing_where_the_answering_member_stores_nothing() {
    let mut document = cluster(2);
    document["partitions"][1]["records"] = Value::Null;
    document["partitions"][1]["epoch"] = u64::MAX.to_string().into();
    let info: ClusterInfo = serde_json::from_value(document).unwrap();
    assert_eq!((info.partitions[0].records, info.partitions[1].records), (Some(100), None));
    assert_eq!(info.partitions[1].epoch, u64::MAX);
}
