use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::kit::{Homes, PASSPHRASE, Running, ask, config, homes, start};
use crate::cluster::{JoinPlan, join};
use crate::home::Home;
use crate::node::Node;

/// Nothing takes so long.
const LONG: Duration = Duration::from_secs(60);

/// A member that runs or not, and who administers it.
pub struct Member {
    pub home: Home,
    pub running: Option<Running>,
}

impl Member {
    pub async fn begin(home: Home) -> Self {
        let running = Some(start(&home, &[]).await);
        Self { home, running }
    }

    pub fn api(&self) -> String {
        self.running.as_ref().unwrap().endpoints.api.clone()
    }

    pub fn token(&self) -> String {
        std::fs::read_to_string(self.home.admin_token()).unwrap().trim().to_owned()
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let headers = [("authorization", format!("Bearer {}", self.token()))];
        ask(method, &format!("{}/v1/cluster{path}", self.api()), body.map(|body| body.to_string()), &headers).await
    }

    pub async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub async fn start(&mut self) {
        self.running = Some(start(&self.home, &[]).await);
    }

    /// Asks until the answer is as wanted.
    pub async fn until(&self, path: &str, what: &str, met: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let (_, answer) = self.ask("GET", path, None).await;
            if met(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < LONG, "{what}: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn append(&self, value: u8) -> u64 {
        let body = json!({"records": [{"value": format!("{value:02x}")}]});
        let begin = Instant::now();
        loop {
            let (status, answer) = self.ask("POST", "/logs/orders/records?partition=0", Some(body.clone())).await;
            if status == 200 {
                return answer["records"][0]["offset"].as_str().unwrap().parse().unwrap();
            }
            // Before the log is known here, and while nobody leads, nothing was taken.
            let nothing = ["no_such_log", "no_leader", "not_started", "busy"];
            assert!(nothing.contains(&answer["error"]["code"].as_str().unwrap_or_default()), "{answer}");
            assert!(begin.elapsed() < LONG, "{answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until its copy has so many records, and answers their values.
    async fn values(&self, count: usize) -> Vec<u8> {
        let path = "/logs/orders/records?partition=0&limit=1000";
        let met = |page: &Value| page["records"].as_array().is_some_and(|records| records.len() >= count);
        let page = self.until(path, "the records", met).await;
        let value = |record: &Value| u8::from_str_radix(record["value"].as_str().unwrap(), 16).unwrap();
        page["records"].as_array().unwrap().iter().map(value).collect()
    }
}

/// Makes and starts a further member.
pub async fn grow(homes: &Homes, by: &Member, name: &str) -> Member {
    let home = Home::new(&homes.path().join(name));
    let plan = |passphrase: &[u8]| JoinPlan {
        api: by.api(),
        token: by.token(),
        name: name.to_owned(),
        settings: BTreeMap::from([
            ("p2p.listen", "/ip4/127.0.0.1/tcp/0".to_owned()),
            ("tunnel.mode", "off".to_owned()),
        ]),
        passphrase: Zeroizing::new(passphrase.to_vec()),
        cheap_kdf: true,
    };
    let (wrong, right, at) = (plan(b"wrong"), plan(PASSPHRASE), home.clone());
    let stale = JoinPlan { token: "0".repeat(64), ..plan(PASSPHRASE) };
    let joined = tokio::task::spawn_blocking(move || {
        let why = join(&at, &stale).err().unwrap();
        assert!(format!("{why:#}").contains("copy data/admin.token"), "{why:#}");
        let why = join(&at, &wrong).err().unwrap();
        assert!(format!("{why:#}").contains("passphrase of the cluster's keys"), "{why:#}");
        join(&at, &right).unwrap()
    });
    let joined = joined.await.unwrap();
    let member = Member::begin(home).await;
    let votes = |view: &Value| {
        let members = view["members"].as_array().unwrap();
        members.iter().any(|of| of["member"] == joined.member && of["role"] == "voter" && of["up"] == true)
    };
    by.until("", "the new member votes", votes).await;
    member
}

/// Whether all members have said that they lack nothing, and nothing else is missing.
pub fn whole(view: &Value) -> bool {
    view["whole"] == true && view["members"].as_array().unwrap().iter().all(|member| member["lacks"] == json!([]))
}

/// Whether all partitions are stored by so many members that are there.
pub fn full(view: &Value, members: usize) -> bool {
    let live: Vec<&Value> = view["members"].as_array().unwrap().iter().map(|member| &member["member"]).collect();
    let stored = |partition: &Value| {
        let by = partition["members"].as_array().unwrap();
        by.len() == members
            && by.iter().all(|member| live.contains(&member))
            && !partition["leader"].is_null()
            && partition["behind"] == false
    };
    view["partitions"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(stored))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_of_three_loses_nothing_whoever_goes_and_comes_back() {
    let homes = homes(1);
    let mut members = vec![Member::begin(homes.homes[0].clone()).await];
    // A log of the first one alone, which the cluster takes over.
    let (status, answer) = members[0].ask("POST", "/logs", Some(json!({"name": "orders"}))).await;
    assert_eq!(status, 201, "{answer}");
    let mut expected: BTreeMap<u64, u8> = BTreeMap::new();
    let mut next = 0_u8;
    for name in ["b", "c"] {
        for _ in 0..5 {
            assert_eq!(expected.insert(members[0].append(next).await, next), None);
            next += 1;
        }
        let member = grow(&homes, &members[0], name).await;
        members.push(member);
    }
    members[0].until("", "three members store it", |view| full(view, 3)).await;
    members[0].until("", "all members are whole", whole).await;
    // Whoever is away, the others go on, and it comes back to the same records.
    for away in 0..3 {
        members[away].stop().await;
        for place in (0..3).filter(|place| *place != away) {
            for _ in 0..3 {
                assert_eq!(expected.insert(members[place].append(next).await, next), None);
                next += 1;
            }
        }
        members[away].start().await;
        members[(away + 1) % 3].until("", "all members are whole", whole).await;
        let wanted: Vec<u8> = expected.values().copied().collect();
        assert_eq!(members[away].values(expected.len()).await, wanted);
    }
    // One loses its disk, and comes back as another member.
    members[2].stop().await;
    std::fs::remove_dir_all(members[2].home.store()).unwrap();
    let height = members[0].running.as_ref().unwrap().height();
    members[2].start().await;
    let view = members[0].until("", "three members store it again", |view| full(view, 3) && whole(view)).await;
    assert!(members[2].running.as_ref().unwrap().height() >= height, "it lacked blocks");
    assert!(view["members"].as_array().unwrap().iter().any(|member| member["member"] == 4), "{view}");
    assert_eq!(expected.insert(members[2].append(next).await, next), None);
    let wanted: Vec<u8> = expected.values().copied().collect();
    for member in &members {
        assert_eq!(member.values(expected.len()).await, wanted);
    }
    assert!(expected.keys().copied().eq(0..expected.len() as u64));
    // Whoever leads hands over, and who is removed is gone.
    let leader = members[0].until("", "a leader", |view| view["leader"].is_u64()).await["leader"].as_u64().unwrap();
    let of = |id: u64| if id == 4 { 2 } else { id as usize - 1 };
    let to = if leader == 4 { 1 } else { 4 };
    let (status, answer) = members[of(leader)].ask("POST", "/leader", Some(json!({"member": to}))).await;
    assert_eq!(status, 200, "{answer}");
    members[of(to)].until("", "it leads", |view| view["leader"] == to).await;
    let begin = Instant::now();
    loop {
        let (status, answer) = members[0].ask("DELETE", "/members/2", None).await;
        if status == 200 {
            assert_eq!(answer, json!({"removed": 2}));
            break;
        }
        // Whoever leads from now on has to bring the partitions together first.
        assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("refused")), "{answer}");
        assert!(begin.elapsed() < LONG, "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let gone = |view: &Value| view["members"].as_array().unwrap().iter().all(|member| member["member"] != 2);
    members[2].until("", "it is gone", gone).await;
    // It is told, and ends; and so it does whenever it is started again.
    let why = members[1].running.take().unwrap().ended().await;
    let remedy = format!("Delete the home {}", members[1].home.root().display());
    assert!(why.contains("the member was removed") && why.contains(&remedy), "{why}");
    let begin = Instant::now();
    let again = loop {
        match Node::start(&members[1].home, &config(&[]), PASSPHRASE).await {
            Ok(node) => break tokio::time::timeout(LONG, node.run(std::future::pending())).await.expect("it runs on"),
            // What ended in this process lets go of its files a moment later.
            Err(error) => assert!(begin.elapsed() < LONG, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(again.unwrap_err().to_string(), why);
    assert!(begin.elapsed() < LONG / 2, "{:?}", begin.elapsed());
    for place in [0, 2] {
        assert_eq!(expected.insert(members[place].append(next).await, next), None);
        next += 1;
    }
    let (status, answer) = members[0].ask("DELETE", "/logs/orders", None).await;
    assert_eq!(status, 200, "{answer}");
    members[2].until("/logs", "it is gone there too", |all| all["logs"].as_array().is_some_and(Vec::is_empty)).await;
    for place in [0, 2] {
        members[place].stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_home_with_the_key_of_a_member_that_runs_is_refused_and_harms_nobody() {
    let homes = homes(1);
    let mut members = vec![Member::begin(homes.homes[0].clone()).await];
    for name in ["b", "c"] {
        members.push(grow(&homes, &members[0], name).await);
    }
    let copy = |of: &Member| {
        let home = Home::new(&homes.path().join("copy"));
        home.create().unwrap();
        let files = [(of.home.genesis(), home.genesis()), (of.home.members(), home.members())];
        let keys = std::fs::read_dir(of.home.keys()).unwrap().map(|key| key.unwrap());
        let keys = keys.map(|key| (key.path(), home.keys().join(key.file_name())));
        for (from, to) in files.into_iter().chain(keys) {
            std::fs::copy(from, to).unwrap();
        }
        home
    };
    let home = copy(&members[1]);
    // In a runtime of its own, which ends with it as a process does.
    let refused = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let refused = runtime.block_on(Node::start(&home, &config(&[]), PASSPHRASE)).err().unwrap().to_string();
        runtime.shutdown_background();
        refused
    });
    let refused = refused.await.unwrap();
    assert!(refused.contains("member 2 runs") && refused.contains("join-cluster"), "{refused}");
    // All are who they were, and go on.
    let whole = |view: &Value| {
        let members = view["members"].as_array().unwrap();
        members.iter().map(|member| member["member"].as_u64()).eq([1, 2, 3].map(Some))
            && members.iter().all(|member| member["up"] == true)
    };
    for member in &members {
        member.until("", "all are up", whole).await;
    }
    let (status, answer) = members[1].ask("POST", "/logs", Some(json!({"name": "orders"}))).await;
    assert_eq!(status, 201, "{answer}");
    members[1].append(7).await;
    for member in &mut members {
        member.stop().await;
    }
}
