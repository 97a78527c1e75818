//! The unfair part of a history: one step after the other, each of them as bad as the plan allows.

use super::super::SequencerInput;
use super::network::{Hold, Kind, Packet};
use super::plan::{Act, Ambush, Plan};
use super::world::World;

/// Packets on their way, at most; sequencers are not woken above it.
const CROWD: usize = 150;

/// One step.
pub(super) fn step(world: &mut World, plan: &mut Plan) {
    world.network.thaw(world.trace.step);
    match plan.acts[world.rng.weighted(&plan.weights)] {
        Act::Deliver => {
            for _ in 0..world.rng.within(1, plan.burst) {
                deliver(world, plan);
            }
        }
        Act::Sync => {
            let (place, writes) = (world.rng.below(world.hosts.len()), world.rng.within(1, 4));
            world.sync(place, writes);
        }
        Act::Append => {
            if let Some(seat) = any_seat(world) {
                world.append(seat);
            }
        }
        Act::Tick => {
            if let Some(seat) = any_seat(world).filter(|_| world.network.len() < CROWD) {
                world.tick(seat);
            }
        }
        Act::Retry => {
            if let Some(seat) = any_seat(world) {
                retry(world, plan, seat);
            }
        }
        Act::Activate => activate(world, plan),
        Act::Kill => {
            if let Some(seat) = any_seat(world) {
                world.kill(seat);
            }
        }
        Act::Restart => {
            if let Some(seat) = any_seat(world).filter(|_| world.seats.len() < plan.seats) {
                world.restart_seat(seat);
            }
        }
        Act::Crash => {
            let place = world.rng.below(world.hosts.len());
            if world.hosts.iter().filter(|host| host.up).count() > 1 {
                world.crash(place);
            }
        }
        Act::Recover => {
            let place = world.rng.below(world.hosts.len());
            world.recover(place);
        }
        Act::Poll => {
            let place = world.rng.below(world.hosts.len());
            world.poll(place);
        }
        Act::CatchUp => {
            for place in 0..world.hosts.len() {
                if world.rng.chance(700) {
                    world.catch_up(place);
                }
            }
        }
        Act::Lose => {
            let place = world.rng.below(world.hosts.len());
            world.lose(place);
        }
        Act::Hold => hold(world, plan),
        Act::Ask => ask(world),
        Act::Check => {
            world.read_all();
        }
    }
}

fn deliver(world: &mut World, plan: &mut Plan) {
    let newest = world.rng.chance(plan.newest);
    let Some(packet) = world.network.take(&mut world.rng, newest) else { return };
    if world.rng.chance(plan.loss(packet.kind())) {
        world.trace.note(&("lost", &packet));
        return;
    }
    if world.rng.chance(plan.doubled) {
        world.network.send(packet.clone());
    }
    if world.rng.chance(plan.freeze(packet.kind())) {
        world.trace.note(&("frozen", &packet));
        let until = world.trace.step + world.rng.within(10, 3 * plan.patience) as u64;
        world.network.freeze(packet, until);
        return;
    }
    let sprung = plan.ambushes.iter().find(|(kind, _)| *kind == packet.kind()).map(|(_, ambush)| *ambush);
    let sprung = sprung.filter(|_| plan.traps > 0 && world.rng.chance(300));
    let seen = sprung.map(|ambush| (ambush, packet.clone()));
    world.deliver(packet);
    if let Some((ambush, packet)) = seen {
        plan.traps -= 1;
        spring(world, plan, ambush, &packet);
    }
}

fn spring(world: &mut World, plan: &Plan, ambush: Ambush, packet: &Packet) {
    let (sender, receiver) = match packet {
        Packet::Peer { from, to, .. } => (Some(*from), Some(*to)),
        Packet::Command { from, .. } => (Some(*from), None),
        Packet::Answer { to, .. } => (None, Some(*to)),
    };
    let until = world.trace.step + world.rng.within(10, plan.patience) as u64;
    let nothing = Hold { kind: None, process: None, until };
    match ambush {
        Ambush::Activate => activate(world, plan),
        Ambush::Replace => {
            (0..world.seats.len()).for_each(|seat| world.kill(seat));
            activate(world, plan);
        }
        Ambush::CrashReceiver => {
            if let Some(place) = world.hosts.iter().position(|host| Some(host.id) == receiver) {
                world.crash(place);
            }
        }
        Ambush::CutReceiver if receiver.is_some() => world.network.hold(Hold { process: receiver, ..nothing }),
        Ambush::CutSender if sender.is_some() => world.network.hold(Hold { process: sender, ..nothing }),
        Ambush::CutReceiver | Ambush::CutSender => {}
        Ambush::HoldKind => world.network.hold(Hold { kind: Some(packet.kind()), ..nothing }),
        Ambush::HoldOther(kind) => world.network.hold(Hold { kind: Some(kind), ..nothing }),
        Ambush::Retry => {
            if let Some(seat) = world.last_seat() {
                retry(world, plan, seat);
            }
        }
    }
}

fn activate(world: &mut World, plan: &Plan) {
    if world.seats.len() >= plan.seats {
        return;
    }
    if !world.rng.chance(plan.zombies) {
        (0..world.seats.len()).for_each(|seat| world.kill(seat));
    }
    for _ in 0..world.rng.below(plan.idle + 1) {
        world.activate();
        if let Some(seat) = world.last_seat() {
            world.kill(seat);
        }
    }
    world.activate();
    if let Some(seat) = world.last_seat() {
        world.tick(seat);
    }
}

/// Another attempt to recover, often with other members than before.
fn retry(world: &mut World, plan: &Plan, seat: usize) {
    world.trace.note(&("retry", seat));
    if world.rng.chance(500) {
        let away = world.rng.below(world.hosts.len());
        let until = world.trace.step + world.rng.within(10, plan.patience) as u64;
        world.network.hold(Hold { kind: None, process: Some(world.hosts[away].id), until });
    }
    world.feed_seat(seat, SequencerInput::Retry);
}

/// Some packets, of one kind or one process or both, wait for a while.
fn hold(world: &mut World, plan: &Plan) {
    let until = world.trace.step + world.rng.within(10, plan.patience) as u64;
    let kind = world.rng.pick(&Kind::ALL).copied();
    let place = world.rng.below(world.hosts.len() + world.seats.len());
    let process = match world.hosts.get(place) {
        Some(host) => Some(host.id),
        None => world.seats.get(place - world.hosts.len()).map(|seat| seat.process),
    };
    let hold = match world.rng.below(3) {
        0 => Hold { kind, process: None, until },
        1 => Hold { kind: None, process, until },
        _ => Hold { kind, process, until },
    };
    world.trace.note(&hold);
    world.network.hold(hold);
}

/// A reader asks for a position that others have read, or for the next one.
fn ask(world: &mut World) {
    let frontier = world.read_all();
    let mut positions = world.oracle.positions();
    positions.push(frontier);
    if let Some(lsn) = world.rng.pick(&positions).copied() {
        world.ask(lsn);
    }
}

/// A sequencer: more often than not the newest one.
fn any_seat(world: &mut World) -> Option<usize> {
    let alive: Vec<usize> = (0..world.seats.len()).filter(|seat| world.seats[*seat].alive).collect();
    if world.rng.chance(400) { alive.last().copied() } else { world.rng.pick(&alive).copied() }
}
