//! The fair part of a history: everything heals, and then everything must come to an end.

use super::oracle::Invariant;
use super::world::World;

/// Rounds in which all packets are delivered, all disks are done and all sequencers are woken, at most.
const ROUNDS: usize = 120;

/// Heals everything, or all but one member, and goes on until nothing is left to be done.
pub(super) fn heal(world: &mut World) {
    world.network.heal();
    world.prompt = 1000;
    world.change = 0;
    (0..world.hosts.len()).for_each(|place| world.recover(place));
    // One member may be away for ever, where a recovery can do without it.
    if world.can_spare_one() && world.rng.chance(300) {
        let away = world.rng.below(world.hosts.len());
        world.crash(away);
    }
    let last_lives = world.seats.last().is_some_and(|seat| seat.alive);
    if !last_lives || world.rng.chance(500) {
        world.activate();
    }
    // Whoever has lost its disk is replaced.
    for _ in 0..3 {
        if world.has_lost() {
            world.activate();
        }
    }
    // Zombies get their appends as well: whoever gave them must hear something.
    (0..world.seats.len()).for_each(|seat| world.append(seat));
    let mut open = None;
    for _ in 0..ROUNDS {
        round(world);
        if world.oracle.violation().is_some() {
            return;
        }
        open = unfinished(world);
        if open.is_none() {
            return;
        }
    }
    let what = open.unwrap_or_default();
    world.oracle.violate(Invariant::Liveness, format!("after {ROUNDS} fair rounds {what}"));
}

fn round(world: &mut World) {
    if let Some(last) = world.last_seat() {
        world.append_again(last);
    }
    for place in 0..world.hosts.len() {
        if !world.is_storing(world.hosts[place].id) {
            world.poll(place);
        }
        if world.losses() > 0 {
            world.catch_up(place);
        }
    }
    for seat in 0..world.seats.len() {
        if world.seats[seat].alive {
            world.tick(seat);
        }
    }
    for _ in 0..world.network.len() * 2 {
        world.trace.step += 1;
        world.network.thaw(world.trace.step);
        let Some(packet) = world.network.take(&mut world.rng, false) else { break };
        world.deliver(packet);
    }
    (0..world.hosts.len()).for_each(|place| world.sync(place, usize::MAX));
}

/// What is not as it must be in the end.
fn unfinished(world: &mut World) -> Option<String> {
    if world.has_unanswered() {
        return Some("a producer has no answer".to_owned());
    }
    world.check_producers();
    let (last, zombies) = world.seats.split_last()?;
    if !last.sequencer.is_clean() || !last.open.is_empty() {
        return Some(format!("the last sequencer is not done: {:?}", last.sequencer));
    }
    if let Some(seat) = zombies.iter().find(|seat| seat.alive && !seat.open.is_empty() && world.is_heard(seat)) {
        return Some(format!("appends at {:?} have no answer: {:?}", seat.sequencer.epoch(), seat.open));
    }
    let released = last.sequencer.known_good();
    let behind = world
        .hosts
        .iter()
        .find(|host| host.up && world.is_storing(host.id) && host.durable_state().released() != released);
    if let Some(host) = behind {
        return Some(format!("{:?} has not released {released:?}: {:?}", host.id, host.durable_state()));
    }
    let short = world.hosts.iter().find(|host| host.up && world.is_storing(host.id) && host.end() <= released);
    if let Some(host) = short.filter(|_| world.losses() > 0) {
        return Some(format!("{:?} has taken over what is before {:?} of {released:?}", host.id, host.end()));
    }
    let frontier = world.read_all();
    if frontier <= released {
        return Some(format!("nothing can be read at {frontier:?}"));
    }
    world.oracle.unread().map(|lsn| format!("{lsn:?} was acknowledged and never read"))
}
