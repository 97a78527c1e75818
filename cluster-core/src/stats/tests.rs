//! Counters add up.

use super::*;

#[test]
fn groups_and_their_times_are_counted() {
    let counters = Counters::default();
    assert_eq!(counters.read(), Stats::default());
    counters.group(Duration::from_millis(3));
    counters.group(Duration::from_millis(1));
    count(&counters.leaves, 5);
    count(&counters.leaves, 6);
    let stats = counters.read();
    assert_eq!((stats.groups, stats.leaves), (2, 11));
    assert_eq!((stats.write_time, stats.write_time_max), (Duration::from_millis(4), Duration::from_millis(3)));
}
