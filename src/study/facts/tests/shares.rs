//! A study whose pieces are done by many processes ends like one that a single process did.

use super::*;
use crate::study::{Shares, run_share};

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
    let alone = ran(&config, whole.path(), sim(&config, 1));
    let out = shared.path();
    let Shares { first, then } = Shares::of(&config);

    let early = done(&config, out, &then[0]).unwrap_err();
    assert!(early.to_string().contains("`rollouts-") && early.to_string().contains("not been worked out"), "{early}");
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
    let collected = ran(&config, out, sim(&config, 1));
    assert_eq!((collected.reused, &collected.study), (collected.pieces, &alone.study));
}
