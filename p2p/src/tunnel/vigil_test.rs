use super::*;

const PATIENCE: Duration = Duration::from_millis(900);
const REFUSED: Duration = Duration::from_millis(90);

fn after(began: Instant, millis: u64) -> Instant {
    began + Duration::from_millis(millis)
}

#[test]
fn a_quiet_link_is_fine_for_ever() {
    let began = Instant::now();
    let mut vigil = Vigil::default();
    assert_eq!(vigil.tick(after(began, 100_000), PATIENCE), Verdict::Fine);
    vigil.heard(began);
    assert_eq!(vigil.tick(after(began, 100_000), PATIENCE), Verdict::Fine);
}

#[test]
fn silence_after_data_raises_a_doubt_then_three_questions_then_the_end() {
    let began = Instant::now();
    let mut vigil = Vigil::default();
    vigil.spoke(began);
    vigil.spoke(after(began, 500));
    assert_eq!(vigil.tick(after(began, 899), PATIENCE), Verdict::Fine);
    assert_eq!(vigil.tick(after(began, 900), PATIENCE), Verdict::Ask(after(began, 1_200)));
    assert_eq!(vigil.tick(after(began, 1_000), PATIENCE), Verdict::Wait(after(began, 1_200)));
    assert_eq!(vigil.tick(after(began, 1_200), PATIENCE), Verdict::Ask(after(began, 1_500)));
    assert_eq!(vigil.tick(after(began, 1_500), PATIENCE), Verdict::Ask(after(began, 1_800)));
    assert_eq!(vigil.tick(after(began, 1_800), PATIENCE), Verdict::Gone);
    assert_eq!(vigil.tick(after(began, 2_000), PATIENCE), Verdict::Fine);
}

#[test]
fn time_in_which_this_process_stood_still_does_not_count() {
    let began = Instant::now();
    let mut vigil = Vigil::default();
    assert_eq!(vigil.tick(began, PATIENCE), Verdict::Fine);
    vigil.spoke(began);
    assert_eq!(vigil.tick(after(began, 5_000), PATIENCE), Verdict::Fine);
    assert!(matches!(vigil.tick(after(began, 5_900), PATIENCE), Verdict::Ask(_)));
    assert!(matches!(vigil.tick(after(began, 50_000), PATIENCE), Verdict::Ask(_)));
}

#[test]
fn a_report_shortens_the_wait_and_an_answer_ends_the_doubt() {
    let began = Instant::now();
    let mut vigil = Vigil::default();
    vigil.refused(began, REFUSED);
    // Further reports do not put the end off.
    vigil.refused(after(began, 50), REFUSED);
    assert_eq!(vigil.tick(after(began, 50), PATIENCE), Verdict::Ask(after(began, 80)));
    assert_eq!(vigil.tick(after(began, 90), PATIENCE), Verdict::Gone);

    vigil.refused(after(began, 100), REFUSED);
    vigil.heard(after(began, 120));
    assert_eq!(vigil.tick(after(began, 500), PATIENCE), Verdict::Fine);
}

#[test]
fn a_report_cuts_the_long_doubt_of_a_silent_peer_short() {
    let began = Instant::now();
    let mut vigil = Vigil::default();
    vigil.spoke(began);
    assert!(matches!(vigil.tick(after(began, 900), PATIENCE), Verdict::Ask(_)));
    vigil.refused(after(began, 1_000), REFUSED);
    assert_eq!(vigil.tick(after(began, 1_090), PATIENCE), Verdict::Gone);
}
