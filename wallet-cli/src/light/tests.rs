use super::*;

#[test]
fn errors_keep_their_blame() {
    let path = Path::new("/nowhere/x.trusted");
    let time = tendermint::Time::unix_epoch();
    let cases = [
        (LightError::Expired { height: 1, time }, 5),
        (LightError::Unconfirmed { height: 1, reasons: vec!["dead".to_owned()] }, 5),
        (LightError::Options("no".to_owned()), 2),
        (LightError::Store("torn".to_owned()), 1),
        (LightError::Fetch { provider: "p".to_owned(), height: 1, reason: "gone".to_owned() }, 1),
        (LightError::TooMuchWork { provider: "p".to_owned(), limit: 1 }, 1),
    ];
    for (error, code) in cases {
        let text = error.to_string();
        assert_eq!(failure(error, path).code(), code, "{text}");
    }
}
