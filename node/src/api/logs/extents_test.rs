use super::*;

fn extent(partition: u32, next: u64) -> Extent {
    let held = Held { first: 2, next, bytes: 9, segments: 1, times: Some((5, 6)) };
    let told: Extent = serde_json::from_value(answers::holding(partition, &held)).unwrap();
    assert_eq!(told.held(), held);
    told
}

fn unknown(partition: u32) -> PartitionReport {
    PartitionReport { partition, held: Err("elsewhere".into()), placed: None }
}

#[test]
fn what_others_hold_is_taken_where_it_is_open_and_the_most_of_it() {
    let mut partitions = [unknown(0), unknown(1), unknown(2)];
    let next = |partitions: &[PartitionReport]| -> Vec<Option<u64>> {
        partitions.iter().map(|of| of.held.as_ref().ok().map(|held| held.next)).collect()
    };
    fill(&mut partitions, &[1, 2], &[extent(0, 7), extent(1, 7), extent(9, 7)]);
    assert_eq!(next(&partitions), [None, Some(7), None]);
    fill(&mut partitions, &[1, 2], &[extent(1, 6), extent(2, 0)]);
    assert_eq!(next(&partitions), [None, Some(7), Some(0)]);
    fill(&mut partitions, &[1, 2], &[extent(1, 8)]);
    assert_eq!(next(&partitions), [None, Some(8), Some(0)]);
}
