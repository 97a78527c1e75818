use super::super::testkit::page;
use super::*;

fn stepped(at: At, page: &Page) -> Result<At, String> {
    let mut cursor = Cursor::new(0, at);
    cursor.step(page, 3).map(|()| cursor.at)
}

#[test]
fn a_question_names_the_place_once() {
    let query = |at| Cursor::new(2, at).query(7, Duration::ZERO, false);
    assert_eq!(query(At::First), "partition=2&limit=7");
    assert_eq!(query(At::Offset(9)), "partition=2&from=9&limit=7");
    assert_eq!(query(At::Time(5)), "partition=2&time=5&limit=7");
    let waiting = Cursor::new(0, At::Offset(0)).query(1, Duration::from_secs(2), true);
    assert_eq!(waiting, "partition=0&from=0&limit=1&wait_ms=2000&proof=1");
}

#[test]
fn a_step_goes_behind_the_records() {
    assert_eq!(stepped(At::First, &page(0, &[4, 5], 6, 9)), Ok(At::Offset(6)));
    assert_eq!(
        stepped(At::Offset(4), &page(0, &[4, 7], 9, 9)),
        Ok(At::Offset(9)),
        "offsets without records are passed"
    );
    assert_eq!(stepped(At::Time(99), &page(0, &[8], 9, 9)), Ok(At::Offset(9)));
    assert_eq!(stepped(At::Offset(9), &page(0, &[], 9, 9)), Ok(At::Offset(9)), "the end");
    assert_eq!(stepped(At::Offset(4), &page(0, &[], 6, 9)), Ok(At::Offset(6)), "a gap");
}

#[test]
fn answers_that_lead_nowhere_or_back_are_refused() {
    let backwards = [
        (At::Offset(5), page(0, &[4], 6, 9), "offset 4 where 5"),
        (At::Offset(5), page(0, &[5, 5], 6, 9), "offset 5 where 6"),
        (At::Offset(5), page(0, &[6, 5], 7, 9), "offset 5 where 7"),
        (At::Offset(5), page(0, &[5], 5, 9), "goes on at offset 5"),
        (At::Offset(5), page(0, &[], 4, 4), "goes on at offset 4"),
        (At::Offset(5), page(0, &[5], 10, 9), "goes on at offset 10"),
        (At::Offset(5), page(0, &[], 5, 9), "gives none from 5 on"),
        (At::Offset(5), page(1, &[5], 6, 9), "partition 1 instead of 0"),
        (At::Offset(5), page(0, &[5, 6, 7, 8], 9, 9), "4 records where 3"),
        (At::First, page(0, &[u64::MAX], u64::MAX, u64::MAX), "no record has"),
    ];
    for (at, page, why) in backwards {
        let error = stepped(at, &page).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_log_of_gaps_alone_comes_to_an_end() {
    let mut cursor = Cursor::new(0, At::Offset(0));
    let steps = (1..).take_while(|next| cursor.step(&page(0, &[], *next, u64::MAX), 3).is_ok()).count();
    assert_eq!(steps, MAX_EMPTY as usize);
    let mut cursor = Cursor::new(0, At::Offset(0));
    for next in 1..1_000 {
        let records = if next % 2 == 0 { vec![next - 1] } else { Vec::new() };
        cursor.step(&page(0, &records, next, u64::MAX), 3).unwrap();
    }
}
