//! Members that come back at once, without their disk after old records were removed, or not at all.

use std::time::Duration;

use serde_json::json;

use super::members::{Members, number, until};
use crate::net::{Net, lives};

/// How long a state may take: longer than any should, on a machine that is busy with others.
const LONG: Duration = Duration::from_secs(60);
/// The member that all of this happens to.
const NAME: &str = "node0-2";

#[test]
fn a_member_comes_back_at_once_and_without_old_records_and_ends_when_it_is_removed() {
    let net = Net::empty();
    // Logs that are made through a member which was started like this have one copy.
    let one = [("PYRALOG_CLUSTER_REPLICATION", "1"), ("PYRALOG_CLUSTER_COPIES", "1")];
    net.launcher_with(&one, &["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    let members = Members::of(&net);
    until(LONG, "all members are up", || members.up());

    // Whoever does not store a log has its reads answered by who does, also where they are refused.
    until(LONG, "the log is made", || members.post(0, "/v1/cluster/logs", &json!({"name": "single"})));
    let records = "/v1/cluster/logs/single/records";
    for (timestamp, node) in (0..6).zip([0, 1, 2].into_iter().cycle()) {
        let record = json!({"timestamp": timestamp.to_string(), "value": "ab"});
        until(LONG, "a record is taken", || members.post(node, records, &json!({"records": [record]})));
    }
    let read = |node| members.get(node, &format!("{records}?from=2&proof=1")).unwrap_or_default();
    until(LONG, "all members give the records", || {
        let read: Vec<_> = (0..3).map(read).collect();
        let same = read.iter().all(|page| page["records"] == read[0]["records"]);
        if same && read[0]["records"].as_array().is_some_and(|records| records.len() == 4) {
            Ok(())
        } else {
            Err(format!("{read:?}"))
        }
    });
    let refused: Vec<_> = (0..3).map(|node| members.answer(node, &format!("{records}?from=99"))).collect();
    assert!(refused[0].as_ref().is_some_and(|(status, _)| *status == 416), "{refused:?}");
    assert!(refused.windows(2).all(|pair| pair[0] == pair[1]), "{refused:?}");

    // Killed again before the others have missed it: their connections with the dead process lead nowhere, and end by themselves only later.
    for _ in 0..4 {
        net.launcher(&["fault", "kill", NAME]).expect(0);
        net.launcher(&["fault", "restart", NAME]).expect(0);
        until(LONG, "it is back", || members.up());
    }

    // Sealed segments go by retention; a member that has lost its disk takes over what is left.
    let log = json!({"name": "brief", "segment_bytes": (1 << 20).to_string(), "retention": {"max_bytes": "1048576"}});
    until(LONG, "the log is made", || members.post(2, "/v1/cluster/logs", &log));
    let value = "ab".repeat(256 << 10);
    for timestamp in 0..16 {
        let record = json!({"timestamp": timestamp.to_string(), "value": value});
        let path = "/v1/cluster/logs/brief/records?partition=0";
        until(LONG, "a record is taken", || members.post(0, path, &json!({"records": [record]})));
    }
    let trimmed = until(LONG, "old segments are removed everywhere", || {
        let ranges: Vec<_> = (0..3).map(|node| range(&members, node)).collect();
        let all = ranges.iter().all(|range| range.is_some_and(|(first, next)| first > 0 && next == 16));
        if all { Ok(ranges[0]) } else { Err(format!("{ranges:?}")) }
    });
    net.launcher(&["fault", "kill", NAME]).expect(0);
    net.launcher(&["fault", "wipe", NAME]).expect(0);
    net.launcher(&["fault", "restart", NAME]).expect(0);
    until(LONG, "it has what the others have", || {
        members.up()?;
        let found = range(&members, 2);
        if found.is_some() && found == trimmed { Ok(()) } else { Err(format!("{found:?}, and {trimmed:?} elsewhere")) }
    });

    let entry = net.manifest().nodes.swap_remove(2);
    let id = members.id(2).unwrap();
    until(LONG, "it is removed", || members.remove(0, id));
    until(LONG, "it ends", || if entry.pid.is_some_and(lives) { Err("it runs".into()) } else { Ok(()) });
    let said = net.launcher(&["logs", NAME, "--lines", "40"]).expect(0);
    assert!(said.out.contains("the member was removed from its cluster"), "{}", said.out);
}

/// First and next offset of the log's partition at a member.
fn range(members: &Members<'_>, node: usize) -> Option<(u64, u64)> {
    let log = members.get(node, "/v1/cluster/logs/brief")?;
    let partition = &log["partitions"][0];
    Some((number(&partition["first_offset"])?, number(&partition["next_offset"])?))
}
