//! Power cuts at every operation while logs are made, filled and deleted, over several lives of a home.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

use proptest::prelude::*;

use super::tests::{append, expected, read, spec};
use crate::notary::testkit::Rig;
use crate::{Core, Event};

#[derive(Debug, Clone)]
enum Step {
    Append { log: u8, partition: u32, count: u64 },
    Create(u8),
    Delete(u8),
    Drive,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (0u8..2, 0u32..3, 1u64..8).prop_map(|(log, partition, count)| Step::Append { log, partition, count });
    prop::collection::vec(
        prop_oneof![6 => append, 1 => (0u8..2).prop_map(Step::Create), 1 => (0u8..2).prop_map(Step::Delete), 4 => Just(Step::Drive)],
        1..40,
    )
}

/// Of each log that there is, by partition: records acknowledged, and asked for.
type Model = BTreeMap<u8, [(u64, u64); 3]>;

fn name(log: u8) -> String {
    format!("log-{log}")
}

/// What the logs hold is what was acknowledged, and perhaps what was asked for.
fn check(core: &Core, model: &mut Model, uncertain: Option<u8>) {
    for log in 0..2 {
        let found = core.logs().open_log(&name(log));
        if uncertain == Some(log) {
            match found {
                Ok(_) => model.entry(log).or_default(),
                Err(_) => {
                    model.remove(&log);
                    continue;
                }
            };
        }
        let (Ok(found), Some(partitions)) = (core.logs().open_log(&name(log)), model.get_mut(&log)) else {
            assert_eq!((core.logs().open_log(&name(log)).is_ok(), model.contains_key(&log)), (false, false));
            continue;
        };
        for (partition, (acknowledged, asked)) in found.partitions().iter().zip(partitions) {
            let (first, next) = partition.range().unwrap();
            if uncertain == Some(log) {
                // Perhaps deleted and made again.
                (*acknowledged, *asked) = (next.min(*acknowledged), next.max(*asked));
            }
            assert!(first == 0 && next >= *acknowledged && next <= *asked, "{next} is not in {acknowledged}..={asked}");
            assert_eq!(read(partition, 0).unwrap(), expected(0, next));
            (*acknowledged, *asked) = (next, next);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn nothing_acknowledged_is_lost_over_power_cuts(seed: u64, lives in prop::collection::vec((steps(), 0u64..150), 1..4)) {
        let rig = Rig { journal_bytes: 24 << 10, ..Rig::new(seed) };
        let mut model = Model::new();
        let mut uncertain = None;
        for (steps, operations) in lives {
            let (core, _) = rig.open();
            check(&core, &mut model, uncertain.take());
            rig.disk.cut_power_after(operations);
            let mut waiting: Vec<(u8, usize, u64, Receiver<Event>)> = Vec::new();
            for step in steps {
                let done = match step {
                    Step::Append { log, partition, count } => match core.logs().open_log(&name(log)) {
                        Ok(found) => {
                            let asked = &mut model.get_mut(&log).unwrap()[partition as usize].1;
                            append(found.partition(partition).unwrap(), *asked..*asked + count).map(|event| {
                                *asked += count;
                                waiting.push((log, partition as usize, count, event));
                            })
                        }
                        Err(_) => Ok(()),
                    },
                    Step::Create(log) if !model.contains_key(&log) => {
                        uncertain = Some(log);
                        core.logs().create(spec(&name(log))).map(|_| {
                            model.insert(log, Default::default());
                            uncertain = None;
                        })
                    }
                    Step::Delete(log) if model.contains_key(&log) => {
                        while core.drive() {}
                        uncertain = Some(log);
                        core.logs().delete(&name(log)).map(|()| {
                            waiting.retain(|(of, ..)| *of != log);
                            model.remove(&log);
                            uncertain = None;
                        })
                    }
                    Step::Drive => {
                        core.drive();
                        Ok(())
                    }
                    _ => Ok(()),
                };
                waiting.retain(|(log, partition, count, event)| match event.try_recv() {
                    Ok(Event::Durable { .. }) => {
                        model.get_mut(log).unwrap()[*partition].0 += count;
                        false
                    }
                    Ok(_) => false,
                    Err(_) => true,
                });
                if done.is_err() {
                    break;
                }
            }
            drop(core);
            for (log, partition, count, event) in waiting {
                if let Ok(Event::Durable { .. }) = event.try_recv() && let Some(partitions) = model.get_mut(&log) {
                    partitions[partition].0 += count;
                }
            }
            rig.crash();
        }
        let (core, _) = rig.open();
        check(&core, &mut model, uncertain);
        let report = crate::fsck::tests::checked(&rig, core);
        prop_assert!(report.is_sound(), "{:?}", report.findings);
    }
}
