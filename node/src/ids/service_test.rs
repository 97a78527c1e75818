use std::path::Path;
use std::time::Instant;

use pyralog_cluster_core::disk::{Disk, FaultyDisk};
use pyralog_cluster_core::{NodeNumber, Scarab};
use serde_json::Value;
use tokio::sync::oneshot;

use super::*;
use crate::error::Error;
use crate::ids::{IdsServer, ListenOn};

/// A served generator pair.
struct Served {
    url: String,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Served {
    async fn over(generators: Generators) -> Self {
        let on = ListenOn::parse("127.0.0.1:0", false, vec!["ids.example".into()]).unwrap();
        let server = IdsServer::start(Arc::new(generators), &on).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let url = server.url();
        let running = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { url, stop, running }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, &[]).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(()).unwrap();
        let ask = move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .timeout_global(Some(Duration::from_secs(30)))
                .http_status_as_error(false)
                .proxy(None)
                .build()
                .into();
            let mut response = agent.run(request).unwrap();
            assert!(response.status() != 200 || response.headers()["cache-control"] == "no-store");
            (response.status().as_u16(), response.body_mut().read_json().unwrap_or_default())
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }
}

fn node() -> NodeNumber {
    NodeNumber::new(7).unwrap()
}

fn message(problem: &Value) -> &str {
    problem["error"]["message"].as_str().unwrap()
}

#[tokio::test]
async fn ids_values_and_probes_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::over(Generators::open(dir.path(), node()).unwrap()).await;
    let (status, answer) = served.get("/v1/ids?count=100000").await;
    assert_eq!((status, &answer["node"], &answer["ids"]["count"]), (200, &json!(7), &json!("100000")), "{answer}");
    let (_, next) = served.get("/v1/ids").await;
    assert_eq!(next["ids"]["count"], "1");
    let ids = serde_json::from_value::<IdsAnswer>(answer).unwrap().range(100_000).unwrap().1;
    let next: Scarab = next["ids"]["first"].as_str().unwrap().parse().unwrap();
    assert!(ids.last().unwrap() < next);

    let (_, values) = served.get("/v1/counter?count=3").await;
    let (_, more) = served.get("/v1/counter").await;
    let first = |span: &Value| span["first"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!((first(&more) - first(&values), &values["count"], &more["count"]), (3, &json!("3"), &json!("1")));

    assert_eq!(served.get("/livez").await, (200, json!({"live": true})));
    let (status, ready) = served.get("/readyz").await;
    assert_eq!(
        (status, &ready["ready"], &ready["node"], &ready["reasons"]),
        (200, &json!(true), &json!(7), &json!([]))
    );
    served.stop.send(()).unwrap();
    served.running.await.unwrap().unwrap();
    // What was served is closed: the directory is free.
    Generators::open(dir.path(), node()).unwrap();
}

#[tokio::test]
async fn wrong_questions_are_refused_with_the_remedy_and_draw_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::over(Generators::open(dir.path(), node()).unwrap()).await;
    let (_, before) = served.get("/v1/counter").await;
    for query in ["count=0", "count=1048577", "count=-1", "count=x", "count=", "count=99999999999999999999", "n=5"] {
        for path in ["/v1/ids", "/v1/counter"] {
            let (status, problem) = served.get(&format!("{path}?{query}")).await;
            assert_eq!((status, &problem["error"]["code"]), (400, &json!("bad_request")), "{query}: {problem}");
            assert!(problem["error"]["remedy"].as_str().unwrap().contains("1 to 1048576"), "{query}: {problem}");
        }
    }
    let (_, after) = served.get("/v1/counter").await;
    let first = |span: &Value| span["first"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(first(&before) + 1, first(&after));
    assert_eq!(served.get("/v1/ids?count=1048576").await.0, 200);
    assert_eq!(served.get("/v1/id").await.0, 404);
    assert_eq!(served.ask("POST", "/v1/ids", &[]).await.0, 405);
}

#[tokio::test]
async fn pages_and_names_of_others_are_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::over(Generators::open(dir.path(), node()).unwrap()).await;
    for (name, value, why) in [
        ("host", "evil.example", "Host header"),
        ("origin", "http://evil.example", "may not call"),
        ("origin", "http://localhost:3000", "may not call"),
        ("sec-fetch-site", "cross-site", "pages of other sites"),
        ("sec-fetch-site", "same-site", "pages of other sites"),
    ] {
        for path in ["/v1/ids", "/v1/counter", "/readyz"] {
            let (status, problem) = served.ask("GET", path, &[(name, value)]).await;
            assert_eq!(status, 403, "{name}: {value}");
            assert!(message(&problem).contains(why), "{problem}");
        }
    }
    for (name, value) in [("host", "ids.example:26661"), ("host", "localhost"), ("sec-fetch-site", "none")] {
        assert_eq!(served.ask("GET", "/v1/ids", &[(name, value)]).await.0, 200, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_failed_disk_is_said_to_all_and_ends_the_server() {
    let disk = FaultyDisk::new(1);
    let dir = Path::new("/ids");
    disk.create_dir(dir).unwrap();
    let generators = Arc::new(Generators::open_with(dir, node(), &disk).unwrap());
    let service = IdsService::new(Arc::clone(&generators), &[]);
    disk.fail_sync_after(0);
    // Four seconds of ids are reserved: a million are an eighth of one.
    let until = Instant::now() + Duration::from_secs(20);
    while generators.failure().is_none() {
        let _ = generators.scarabs(MAX_RANGE);
        assert!(Instant::now() < until, "the planted fault is not met");
    }
    let Err(problem) = service.draw(|generators| generators.scarabs(1)).await else { panic!("an id left") };
    assert_eq!((problem.status.as_u16(), problem.code.as_str()), (503, "no_ids"));
    assert!(problem.message.contains("did not confirm a write"), "{}", problem.message);
    let ready = readyz(State(Arc::clone(&service))).await;
    assert_eq!(ready.status(), 503);
    let body = axum::body::to_bytes(ready.into_body(), 1 << 16).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert!(body["ready"] == false && body["reasons"][0].as_str().unwrap().contains("did not confirm"), "{body}");
    drop(service);

    let served = Served::over(Arc::into_inner(generators).unwrap()).await;
    let ended = served.running.await.unwrap().unwrap_err();
    assert!(matches!(&ended, Error::Storage(why) if why.contains("check the disk")), "{ended}");
}

#[test]
fn a_clock_that_leapt_is_a_reason_to_ask_again_later_and_a_failure_is_not() {
    let leapt = refusal(core::Error::ClockLeapt { ahead_ms: 1 });
    assert_eq!((leapt.status.as_u16(), leapt.retry_after), (503, Some(5)));
    let failed = refusal(core::Error::IdsExhausted { file: "/ids".into() });
    assert_eq!((failed.status.as_u16(), failed.retry_after), (503, None));
}
