//! A validator of three real processes: whoever of them signs is killed, and documents are notarized by the others.

use std::time::{Duration, Instant};

use super::members::{Members, SIZE, until};
use crate::net::Net;

/// How long a state may take: longer than any should, on a machine that is busy with others.
const LONG: Duration = Duration::from_secs(60);
/// How often the signer is killed.
const ROUNDS: usize = 4;

#[test]
fn documents_are_notarized_whichever_member_signs_and_its_receipts_verify_when_all_are_gone() {
    let net = Net::empty();
    net.launcher(&["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    let members = Members::of(&net);
    let signer = |by: usize| -> Result<usize, String> {
        let view = members.get(by, "/v1/cluster").ok_or("no answer")?;
        let signer = view["signer"].as_u64().ok_or_else(|| format!("nobody signs: {view}"))?;
        (0..SIZE).find(|node| members.id(*node) == Some(signer)).ok_or_else(|| format!("member {signer} has no node"))
    };
    let mut receipts = Vec::new();
    for round in 0..ROUNDS {
        // Before that none of them may be lost.
        until(LONG, "all members have everything", || members.full());
        let killed = until(LONG, "a member signs", || signer(round % SIZE));
        // One of them loses its disk too: the founder's, if it is its turn.
        let wiped = round == ROUNDS - 1;
        net.launcher(&["fault", "kill", members.name(killed)]).expect(0);
        if wiped {
            net.launcher(&["fault", "wipe", members.name(killed)]).expect(0);
        }
        let begin = Instant::now();
        for by in (0..SIZE).filter(|by| *by != killed) {
            let (document, receipt) = (format!("{round}-{by}.txt"), format!("{round}-{by}.json"));
            net.write(&document, format!("document of round {round} by {by}"));
            net.wallet(by, &["notarize", &document, "--out", &receipt]).expect(0);
            receipts.push((document, receipt));
        }
        println!("round {round}: without {} two receipts after {:?}", members.name(killed), begin.elapsed());
        net.launcher(&["fault", "restart", members.name(killed)]).expect(0);
        let back =
            |at: u64| if net.height(killed) >= at { Ok(()) } else { Err(format!("height {}", net.height(killed))) };
        let height = net.height((killed + 1) % SIZE);
        until(LONG, "it follows the chain", || back(height));
    }
    until(LONG, "all members are up", || members.up());
    net.assert_no_fork(&[0, 1, 2]);
    for node in net.manifest().nodes {
        net.launcher(&["fault", "kill", &node.name]).expect(0);
    }
    let genesis = net.genesis();
    for (document, receipt) in &receipts {
        net.wallet(0, &["verify", document, receipt, "--genesis", &genesis]).expect(0);
    }
}
