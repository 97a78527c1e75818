use super::world::{Plan, World};

pub(super) const CALM: Plan = Plan { members: 3, copies: 2, lose: 0, double: 0, crash: 0, doom: 0, lead: 2, trim: 0 };

pub(super) fn history(seed: u64, plan: Plan, steps: usize) -> World {
    // Shown where something fails.
    let _seed = Seed(seed);
    let mut world = World::new(seed, plan);
    world.run(steps);
    world.heal();
    world
}

struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("in the history of seed {}\n", self.0))
                .unwrap_or(());
        }
    }
}

/// Histories of this test, more where `PYRALOG_SIM_SEEDS` says so.
pub(super) fn seeds(few: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let first = number("PYRALOG_SIM_FIRST").unwrap_or(0);
    first..first + number("PYRALOG_SIM_SEEDS").unwrap_or(few)
}

#[test]
fn three_members_have_the_same_records() {
    let world = history(1, CALM, 4000);
    assert!(world.oracle.acknowledged() > 200 && world.oracle.unknown < 200);
    assert!(world.clients.again > 20, "{} were told again", world.clients.again);
}

#[test]
fn nothing_acknowledged_is_lost_on_a_bad_network() {
    for seed in seeds(12) {
        history(seed, Plan { lose: 100, double: 100, lead: 5, ..CALM }, 4000);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_members_crash_at_any_write() {
    for seed in seeds(24) {
        history(seed, Plan { lose: 50, double: 50, crash: 4, doom: 12, lead: 10, ..CALM }, 4000);
    }
}

#[test]
fn five_members_of_which_three_acknowledge() {
    for seed in seeds(8) {
        let plan = Plan { members: 5, copies: 3, lose: 50, double: 50, crash: 4, doom: 8, lead: 10, trim: 0 };
        history(seed, plan, 6000);
    }
}

#[test]
fn members_remove_old_records_meanwhile() {
    let mut trimmed = 0;
    for seed in seeds(16) {
        let plan = Plan { lose: 200, double: 50, crash: 6, doom: 12, lead: 5, trim: 60, ..CALM };
        trimmed += history(seed, plan, 5000).trimmed;
    }
    assert!(trimmed > 0, "nobody lacked what others had removed");
}

#[test]
fn one_member_alone() {
    for seed in seeds(8) {
        history(
            seed,
            Plan { members: 1, copies: 1, lose: 20, double: 20, crash: 6, doom: 20, lead: 20, trim: 0 },
            3000,
        );
    }
}
