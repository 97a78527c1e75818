use super::*;

#[test]
fn a_fault_gets_worse_and_what_is_renewed_stays_so() {
    let (mut renewal, partition) = (Renewal::default(), PartitionId(3));
    let mut add = |fault| {
        renewal.add(partition, fault);
        renewal.faults[&partition]
    };
    assert_eq!(add(Fault::Unusable), Fault::Unusable);
    assert_eq!(add(Fault::Damaged), Fault::Damaged);
    assert_eq!(add(Fault::Unusable), Fault::Damaged);
    assert_eq!(add(Fault::Renewed), Fault::Renewed);
    assert_eq!(add(Fault::Damaged), Fault::Renewed, "it is marked once");
    assert!(renewal.contains(partition) && !renewal.contains(PartitionId(4)));
}
