//! What a report says decides nothing: with every claim, note and label written backwards a study comes to the same.

use super::sim::{config, ran, sim};
use super::{ArmSettings, Kind, WatchSettings, several};
use crate::judge::JudgeSource;
use crate::report::{Study, rewording};

/// Everything in a study that is not words.
fn decisions(study: &Study) -> impl std::fmt::Debug {
    let numbers = |rows: &[(String, Vec<Option<f64>>)]| rows.iter().map(|row| row.1.clone()).collect::<Vec<_>>();
    let expectations: Vec<_> = study.expectations.iter().map(|e| (e.id, e.met)).collect();
    let notes: Vec<_> = study.notes.iter().map(|note| note.kind).collect();
    let arms: Vec<_> = study.arms.iter().map(|arm| (arm.name.clone(), arm.kind, arm.hue, arm.mark)).collect();
    let figures: Vec<_> = study.figures.iter().map(|f| (f.file.clone(), f.numbers().rows.len())).collect();
    let grids: Vec<_> = study.grids.iter().map(|grid| (grid.file.clone(), numbers(&grid.rows))).collect();
    let published: Vec<_> = study.published.iter().map(|p| (p.published.to_bits(), p.ours.map(f64::to_bits))).collect();
    let results = (study.results(), study.differences());
    (expectations, notes, arms, figures, grids, published, results)
}

#[test]
fn reworded_claims_notes_and_labels_change_no_decision() {
    let mut audit = config();
    audit.arms = ArmSettings { preventative: vec![1.25], layer: Some(3), ..ArmSettings::none() };
    let mut audit = Kind::Audit.settled(audit);
    audit.audit.as_mut().unwrap().second_judge = Some(JudgeSource::OpenAi(Default::default()));
    let mut watched = config();
    watched.watch = Some(WatchSettings { every: 2, ..WatchSettings::default() });
    watched.arms.random = vec![1.25];
    let mut controls = several();
    controls.arms.shuffled = vec![1.25];
    controls.arms.negated = vec![1.25];
    let cases = [
        (Kind::Facts, watched),
        (Kind::Benign, several()),
        (Kind::Shift, Kind::Shift.settled(several())),
        (Kind::Audit, audit),
        (Kind::Own, controls),
    ];
    for (kind, config) in cases {
        let dir = tempfile::tempdir().unwrap();
        let sim = sim(&config, 2);
        let plain = ran(kind, &config, dir.path(), sim).study;
        let reworded = rewording::during(|| ran(kind, &config, dir.path(), sim)).study;
        assert_eq!(format!("{:?}", decisions(&plain)), format!("{:?}", decisions(&reworded)), "{kind:?}");
        let changed = |(a, b): (&str, &str)| assert_ne!(a, b, "{kind:?}: the words are others");
        plain.expectations.iter().zip(&reworded.expectations).for_each(|(a, b)| changed((&a.claim, &b.claim)));
        plain.notes.iter().zip(&reworded.notes).for_each(|(a, b)| changed((&a.text, &b.text)));
        plain.arms.iter().zip(&reworded.arms).for_each(|(a, b)| changed((&a.label, &b.label)));
    }
}
