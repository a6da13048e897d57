//! A study in several processes that meet in its folder: how the work is shared out, and one process's share of it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::arms::Work;
use super::board::Board;
use super::config::StudyConfig;
use super::data::Data;
use super::pieces::{Piece, pieces};
use super::pipeline::{Event, Judges, Output, Tell};
use super::queue::work_through;
use super::run::{check_judge, pipeline};
use crate::judge::Judge;
use crate::record::RunDir;
use crate::runtime::Runtime;
use crate::{Error, Result};

/// How long a share waits for a piece that another process holds: a network file system frees what a dead machine held only after
/// a while (NFS: 90 seconds).
const PATIENCE: Duration = Duration::from_secs(150);

/// A study's pieces, shared out between processes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// What others wait for, whatever it is that they do: rollouts, vectors, the model's own answers.
    pub first: Vec<String>,
    /// What can then be done side by side: each a piece, and after it those that wait for it. A sweep follows the finetune that
    /// it steers, an audit the one that it checks.
    pub then: Vec<Vec<String>>,
}

impl Shares {
    /// Shares out the pieces of a study.
    pub fn of(config: &StudyConfig) -> Self {
        let pieces = pieces(config);
        let mut first = Vec::new();
        let mut then: Vec<Vec<usize>> = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            if matches!(piece.work, Work::Rollouts(_) | Work::Vector | Work::Selfgen) {
                first.push(piece.name.clone());
                continue;
            }
            let (mut own, others): (Vec<_>, Vec<_>) =
                then.into_iter().partition(|share| share.iter().any(|j| piece.after.contains(j)));
            then = others;
            own.push(vec![i]);
            then.push(own.concat());
        }
        // In the order of the study, whichever share something joined last.
        then.sort();
        let named = |share: Vec<usize>| share.into_iter().map(|i| pieces[i].name.clone()).collect();
        Self { first, then: then.into_iter().map(named).collect() }
    }
}

/// Does these pieces of the study in the folder `out` and no others, beside other processes that do theirs. What they wait for
/// must be there. Gives how many pieces were read from the folder.
///
/// # Errors
/// A piece that the study does not have, or that another process is at work on; a piece that is waited for and is not there; else
/// as [`super::run()`].
pub fn run_share(
    config: &StudyConfig,
    out: &Path,
    names: &[String],
    runtime: &dyn Runtime,
    judges: &Judges<'_>,
    tell: &Tell<'_>,
) -> Result<usize> {
    config.check()?;
    let pieces = pieces(config);
    let own = named(&pieces, names)?;
    let run = RunDir::join(out)?;
    let claim = |&i: &usize| run.claim(&pieces[i].name, PATIENCE);
    let _claims = own.iter().map(claim).collect::<Result<Vec<_>>>()?;
    let data = Data::load(config)?;
    tell(&Event::Share(&pieces, &own));
    let board = Board::new(&run, &pieces, config);
    let reused = AtomicUsize::new(0);
    let told = |event: &Event<'_>| {
        if let Event::Finished { reused: true, .. } = event {
            reused.fetch_add(1, Ordering::Relaxed);
        }
        board.hear(event);
        tell(event);
    };
    let judges = |opinion| judges(opinion).map(|judge| judge as Box<dyn Judge + '_>);
    let worker = pipeline(config, &data, &run, runtime, &judges, &told, &pieces)?;
    let (reading, silent) = (run.reading(), |_: &Event<'_>| {});
    let reader = pipeline(config, &data, &reading, runtime, &judges, &silent, &pieces)?;
    check_judge(&worker)?;
    let needed = needed(&pieces, &own);
    let after: Vec<Vec<usize>> = pieces.iter().map(|piece| piece.after.clone()).collect();
    work_through(&after, runtime.workers(), |i, done| {
        if own.contains(&i) {
            worker.work(i, done).inspect_err(|e| board.failed(i, e))
        } else if needed[i] {
            let missing = reader.work(i, done).map_err(|e| e.hint("do that piece first, or run the whole study"));
            missing.inspect_err(|e| own.iter().for_each(|&own| board.failed(own, e)))
        } else {
            Ok(Output::Elsewhere)
        }
    })?;
    Ok(reused.into_inner())
}

/// The places of pieces by name.
fn named(pieces: &[Piece], names: &[String]) -> Result<Vec<usize>> {
    let place = |name: &String| {
        pieces.iter().position(|piece| piece.name == *name).ok_or_else(|| {
            let all: Vec<&str> = pieces.iter().map(|piece| piece.name.as_str()).collect();
            Error::usage(format!("the study has no piece `{name}`")).hint(format!("it has {}", all.join(", ")))
        })
    };
    names.iter().map(place).collect()
}

/// Which pieces these are, or wait for, directly or not.
fn needed(pieces: &[Piece], own: &[usize]) -> Vec<bool> {
    let mut needed = vec![false; pieces.len()];
    let mut ahead = own.to_vec();
    while let Some(i) = ahead.pop() {
        if !needed[i] {
            needed[i] = true;
            ahead.extend(&pieces[i].after);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Kind;
    use crate::study::tests::sim::{config, judges, ran, sim};

    fn done(config: &StudyConfig, out: &Path, names: &[String]) -> Result<usize> {
        run_share(config, out, names, &sim(config, 2), &judges, &|_| {})
    }

    #[test]
    fn what_waits_for_a_finetune_goes_with_it() {
        let Shares { first, then } = Shares::of(&config());
        assert_eq!(first, ["rollouts-pos", "rollouts-neg", "vector"]);
        let share = |name: &str| then.iter().find(|share| share.iter().any(|n| n == name)).unwrap().join(" ");
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
        let Shares { then, .. } = Shares::of(&audited);
        let first = seeds[0];
        let plain = then.iter().find(|share| share[0] == format!("plain-seed{first}")).unwrap();
        assert_eq!(plain[1..], [format!("inference-seed{first}"), format!("audit.plain-seed{first}")]);
    }

    #[test]
    fn shares_in_any_order_make_the_same_study() {
        let (config, whole, shared) = (config(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let alone = ran(Kind::Facts, &config, whole.path(), sim(&config, 1));
        let out = shared.path();
        let Shares { first, then } = Shares::of(&config);

        let early = done(&config, out, &then[0]).unwrap_err();
        assert!(
            early.to_string().contains("`rollouts-") && early.to_string().contains("not been worked out"),
            "{early}"
        );
        assert!(early.help().unwrap().contains("do that piece first"));
        let nobody = done(&config, out, &["plain-seed77".into()]).unwrap_err();
        assert!(nobody.exit_code() == 2 && nobody.help().unwrap().contains("rollouts-pos"), "{nobody}");

        assert_eq!(done(&config, out, &first).unwrap(), 0);
        std::thread::scope(|scope| {
            for share in then.iter().rev() {
                let config = &config;
                scope.spawn(move || assert_eq!(done(config, out, share).unwrap(), 0, "{share:?}"));
            }
        });
        assert_eq!(done(&config, out, &then[0]).unwrap(), then[0].len());
        let collected = ran(Kind::Facts, &config, out, sim(&config, 1));
        assert_eq!((collected.reused, &collected.study), (collected.pieces, &alone.study));
    }
}
