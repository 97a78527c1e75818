//! Two members that do not hear each other, while the third hears both and clients append through all of them.

use std::sync::atomic::AtomicBool;

use super::members::{Members, SIZE, until};
use super::oracle::{Ledger, client};
use super::{CLIENTS, LONG, PROGRESS, Stop, compare, down_and_clean, progress};
use crate::apart::{Own, only_apart};
use crate::net::Net;

const NAME: &str =
    "cluster::partition::two_that_do_not_hear_each_other_lose_nothing_and_writes_go_on_through_the_third";

#[test]
fn two_that_do_not_hear_each_other_lose_nothing_and_writes_go_on_through_the_third() {
    if !only_apart(NAME, Own::Network) {
        return;
    }
    let net = Net::empty();
    net.launcher(&["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    let members = Members::of(&net);
    until(LONG, "a log is made", || members.create());
    until(LONG, "the cluster is whole", || members.whole());

    let (ledger, stop) = (Ledger::new(3), AtomicBool::new(false));
    std::thread::scope(|threads| {
        let _stop = Stop(&stop);
        for at in 0..CLIENTS {
            let (members, ledger, stop) = (&members, &ledger, &stop);
            threads.spawn(move || client(members, ledger, stop, at));
        }
        progress(&members, &ledger, "before any partition");
        // First who leads is one of the two, then it is the third.
        for is_leader in [true, false] {
            let leader = until(LONG, "somebody leads", || members.leader().ok_or_else(|| members.views()));
            let [one, other] =
                if is_leader { [leader, (leader + 1) % SIZE] } else { [(leader + 1) % SIZE, (leader + 2) % SIZE] };
            cut(&net, &members, &ledger, [one, other]);
        }
    });
    compare(&members, &ledger);
    down_and_clean(&net);
    println!("{}", ledger.summary());
}

/// Cuts two members off from each other, sees writes go on through the third, and heals.
fn cut(net: &Net, members: &Members<'_>, ledger: &Ledger, [one, other]: [usize; 2]) {
    let names = [members.name(one), members.name(other)];
    let ids = [members.id(one).unwrap(), members.id(other).unwrap()];
    let said = net.launcher(&["fault", "partition", names[0], names[1]]).expect(0);
    assert!(said.err.contains("do not hear each other"), "{}", said.err);
    let when = format!("while {} and {} do not hear each other", names[0], names[1]);
    until(LONG, &format!("the others are gone to both {when}"), || {
        let sees = |node: usize, of: u64| {
            let view = members.view(node).unwrap_or_default();
            view["members"].as_array().is_some_and(|all| all.iter().any(|m| m["member"] == of && m["up"] == true))
        };
        if sees(one, ids[1]) || sees(other, ids[0]) { Err(members.views()) } else { Ok(()) }
    });

    let third = 3 - one - other;
    let wanted = ledger.through()[third] + PROGRESS;
    until(LONG, &format!("writes go on through {} {when}", members.name(third)), || {
        ledger.assert_sound();
        if ledger.through()[third] >= wanted {
            Ok(())
        } else {
            Err(format!("{}\n{}", ledger.summary(), members.views()))
        }
    });
    println!("{when}: {:?} acknowledged through each; {}", ledger.through(), ledger.summary());

    let said = net.launcher(&["fault", "heal"]).expect(0);
    assert!(said.err.contains("hear each other again"), "{}", said.err);
    until(LONG, &format!("the cluster is whole after {} and {} were cut off", names[0], names[1]), || members.whole());
    progress(members, ledger, "after the partition");
}
