use super::*;

fn places(partition: u32, offsets: impl IntoIterator<Item = u64>) -> Vec<Placement> {
    offsets.into_iter().map(|offset| Placement { partition, offset: Some(offset) }).collect()
}

#[test]
fn a_few_records_have_a_line_each_and_many_one_for_each_partition() {
    let mut placed = Placed::new(false, false);
    assert_eq!(placed.text(), "");
    placed.add(&places(1, 7..9)).unwrap();
    placed.add(&places(0, [3])).unwrap();
    assert_eq!(placed.text(), "1 7\n1 8\n0 3");
    placed.add(&places(0, 10..17)).unwrap();
    assert_eq!(placed.text().lines().count(), 10);
    placed.add(&places(1, [20])).unwrap();
    assert_eq!(placed.text(), "partition 0: offsets 3 to 16, 8 records\npartition 1: offsets 7 to 20, 3 records");
    assert_eq!((placed.count(), placed.last()), (11, Some(places(1, [20])[0])));
    assert_eq!(placed.document(), json!([]), "places are kept where they are wanted");
}

#[test]
fn the_document_has_every_place_in_the_order_of_the_records() {
    let mut placed = Placed::new(true, false);
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
    let mut placed = Placed::new(true, false);
    placed.add(&places(0, 5..8)).unwrap();
    for bad in [places(0, [7]), places(0, [3]), places(0, [9, 9]), places(0, [10, 9]), places(1, [1, 0])] {
        assert!(placed.add(&bad).unwrap_err().contains("after a higher one"), "{bad:?}");
    }
    assert_eq!(placed.count(), 3);
    placed.add(&places(0, [u64::MAX])).unwrap();
    assert_eq!(placed.document()[1]["last"], "18446744073709551615");
}

#[test]
fn what_has_no_offset_yet_is_counted_beside_the_others() {
    let open = |partition| Placement { partition, offset: None };
    let mut placed = Placed::new(true, true);
    placed.add(&[open(1), open(0), places(0, [7])[0]]).unwrap();
    assert_eq!(placed.text(), "1 -\n0 -\n0 7");
    placed.add(&[vec![open(0); 9], places(0, [8, 9])].concat()).unwrap();
    let lines = [
        "partition 0: offsets 7 to 9, 3 records",
        "partition 0: 10 records without an offset yet",
        "partition 1: 1 records without an offset yet",
    ];
    assert_eq!(placed.text(), lines.join("\n"));
    assert_eq!((placed.count(), placed.last()), (14, Some(places(0, [9])[0])));
    let run = |partition: u32, offsets: Option<(u64, u64)>, count: u64| {
        let (first, last) = offsets.map(|(first, last)| (first.to_string(), last.to_string())).unzip();
        json!({ "partition": partition, "first": first, "last": last, "count": count })
    };
    let runs = [run(1, None, 1), run(0, None, 1), run(0, Some((7, 7)), 1), run(0, None, 9), run(0, Some((8, 9)), 2)];
    assert_eq!(placed.document(), json!(runs));
    // Whoever waits until they are durable has offsets.
    let mut placed = Placed::new(true, false);
    assert!(placed.add(&[open(3)]).unwrap_err().contains("partition 3 no offset"));
    assert_eq!(placed.count(), 0);
}
