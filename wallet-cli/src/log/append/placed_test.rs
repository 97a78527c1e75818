use super::*;

fn places(partition: u32, offsets: impl IntoIterator<Item = u64>) -> Vec<Placement> {
    offsets.into_iter().map(|offset| Placement { partition, offset }).collect()
}

#[test]
fn a_few_records_have_a_line_each_and_many_one_for_each_partition() {
    let mut placed = Placed::new(false);
    assert_eq!(placed.text(), "");
    placed.add(&places(1, 7..9)).unwrap();
    placed.add(&places(0, [3])).unwrap();
    assert_eq!(placed.text(), "1 7\n1 8\n0 3");
    placed.add(&places(0, 10..17)).unwrap();
    assert_eq!(placed.text().lines().count(), 10);
    placed.add(&places(1, [20])).unwrap();
    assert_eq!(placed.text(), "partition 0: offsets 3 to 16, 8 records\npartition 1: offsets 7 to 20, 3 records");
    assert_eq!((placed.count(), placed.last()), (11, Some(Placement { partition: 1, offset: 20 })));
    assert_eq!(placed.document(), json!([]), "places are kept where they are wanted");
}

#[test]
fn the_document_has_every_place_in_the_order_of_the_records() {
    let mut placed = Placed::new(true);
    for offset in 0..1_000 {
        placed.add(&places(0, [offset])).unwrap();
    }
    placed.add(&[places(1, [5]), places(0, [1_000, 1_002]), places(1, [6])].concat()).unwrap();
    let run = |partition: u32, first: u64, last: u64| {
        let count = last - first + 1;
        json!({ "partition": partition, "first": first.to_string(), "last": last.to_string(), "count": count })
    };
    let runs = [run(0, 0, 999), run(1, 5, 5), run(0, 1_000, 1_000), run(0, 1_002, 1_002), run(1, 6, 6)];
    assert_eq!(placed.document(), json!(runs));
}

#[test]
fn offsets_that_do_not_grow_are_refused_as_a_whole() {
    let mut placed = Placed::new(true);
    placed.add(&places(0, 5..8)).unwrap();
    for bad in [places(0, [7]), places(0, [3]), places(0, [9, 9]), places(0, [10, 9]), places(1, [1, 0])] {
        assert!(placed.add(&bad).unwrap_err().contains("after a higher one"), "{bad:?}");
    }
    assert_eq!(placed.count(), 3);
    placed.add(&places(0, [u64::MAX])).unwrap();
    assert_eq!(placed.document()[1]["last"], "18446744073709551615");
}
