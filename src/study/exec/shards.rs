//! How a study is divided between processes that share its folder.

use crate::study::config::StudyConfig;
use crate::study::dag::{TaskKind, tasks};

/// A study's tasks, divided between processes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shards {
    /// What other shards wait for: rollouts, vectors, the model's own answers.
    pub first: Vec<String>,
    /// What can then be done side by side: each a task, and after it those that wait for it. A sweep follows the finetune that it
    /// steers, an audit the one that it checks.
    pub then: Vec<Vec<String>>,
}

impl Shards {
    /// Shards out the pieces of a study.
    pub fn of(config: &StudyConfig) -> Self {
        let tasks = tasks(config);
        let mut first = Vec::new();
        let mut then: Vec<Vec<usize>> = Vec::new();
        for (i, task) in tasks.iter().enumerate() {
            if matches!(task.kind, TaskKind::Rollouts(_) | TaskKind::Vector | TaskKind::Selfgen) {
                first.push(task.name.clone());
                continue;
            }
            let (mut own, others): (Vec<_>, Vec<_>) =
                then.into_iter().partition(|shard| shard.iter().any(|j| task.after.contains(j)));
            then = others;
            own.push(vec![i]);
            then.push(own.concat());
        }
        // In the order of the study, whichever shard a task was added to last.
        then.sort();
        let named = |shard: Vec<usize>| shard.into_iter().map(|i| tasks[i].name.clone()).collect();
        Self { first, then: then.into_iter().map(named).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Result;
    use crate::study::Kind;
    use crate::study::run_shard;
    use crate::study::tests::sim::{config, judges, ran, sim};

    fn done(config: &StudyConfig, out: &Path, names: &[String]) -> Result<usize> {
        run_shard(config, out, names, &sim(config, 2), &judges, &|_| {})
    }

    #[test]
    fn what_waits_for_a_finetune_goes_with_it() {
        let Shards { first, then } = Shards::of(&config());
        assert_eq!(first, ["rollouts-pos", "rollouts-neg", "vector"]);
        let share = |name: &str| then.iter().find(|shard| shard.iter().any(|n| n == name)).unwrap().join(" ");
        let seeds = config().seeds;
        for seed in &seeds {
            assert_eq!(share(&format!("inference-seed{seed}")), format!("plain-seed{seed} inference-seed{seed}"),);
            assert_eq!(share(&format!("prompting-seed{seed}")), format!("prompting-seed{seed}"));
        }
        assert_eq!([share("base"), share("elicit")], ["base", "elicit"]);
        let all: usize = then.iter().map(Vec::len).sum();
        // Eight finetunes and a sweep for each seed, the base model, its elicitation.
        assert_eq!((then.len(), all), (8 * seeds.len() + 2, 9 * seeds.len() + 2));

        let mut audited = config();
        audited.audit = Some(Default::default());
        let Shards { then, .. } = Shards::of(&audited);
        let first = seeds[0];
        let plain = then.iter().find(|share| share[0] == format!("plain-seed{first}")).unwrap();
        assert_eq!(plain[1..], [format!("inference-seed{first}"), format!("audit.plain-seed{first}")]);
    }

    #[test]
    fn shards_in_any_order_make_the_same_study() {
        let (config, whole, shared) = (config(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let alone = ran(Kind::Facts, &config, whole.path(), sim(&config, 1));
        let out = shared.path();
        let Shards { first, then } = Shards::of(&config);

        let early = done(&config, out, &then[0]).unwrap_err();
        assert!(
            early.to_string().contains("`rollouts-") && early.to_string().contains("not been worked out"),
            "{early}"
        );
        assert!(early.help().unwrap().contains("do that task first"));
        let unknown = done(&config, out, &["plain-seed77".into()]).unwrap_err();
        assert!(unknown.exit_code() == 2 && unknown.help().unwrap().contains("rollouts-pos"), "{unknown}");

        assert_eq!(done(&config, out, &first).unwrap(), 0);
        std::thread::scope(|scope| {
            for share in then.iter().rev() {
                let config = &config;
                scope.spawn(move || assert_eq!(done(config, out, share).unwrap(), 0, "{share:?}"));
            }
        });
        assert_eq!(done(&config, out, &then[0]).unwrap(), then[0].len());
        let collected = ran(Kind::Facts, &config, out, sim(&config, 1));
        assert_eq!((collected.reused, &collected.study), (collected.tasks, &alone.study));
    }
}
