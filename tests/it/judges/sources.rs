//! Judges as a study calls them: over HTTP and on this machine.

use super::*;

#[test]
fn a_study_is_judged_over_http_and_its_answers_outlive_its_stages() {
    let place = Place::new();
    let upstream = Upstream::start(Duration::ZERO);
    let mut config = study::config(place.dir.path());
    config.judge = JudgeSource::OpenAi(OpenAiSettings {
        url: upstream.url(),
        model: "judge-1".into(),
        ..OpenAiSettings::default()
    });
    place.write("study.toml", toml::to_string(&config).unwrap());
    let run = || {
        let mut command = place.command("study facts --config study.toml --out run --device cpu");
        let output = command.env("TRIMTAB_JUDGE_KEY", KEY).env_remove("OPENAI_API_KEY").output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        said
    };
    let said = run();
    assert!(said.contains("judge: ") && said.contains(" calls for "), "{said}");
    let calls = upstream.total();
    assert!(calls > 20 && calls == upstream.hits().len(), "{calls}");
    assert_eq!(bill(&place.path("run"))["calls"].as_u64(), Some(calls as u64));
    let results = place.read("run/results.json");
    std::fs::remove_dir_all(place.path("run/stages")).unwrap();
    let said = run();
    assert!(!said.contains("judge: "), "{said}");
    assert_eq!((upstream.total(), place.read("run/results.json")), (calls, results));
    no_key_in(place.dir.path());
}

#[test]
fn a_judge_on_this_machine_is_called_by_its_settings_and_loaded_once() {
    use trimtab::judge::{Coherence, LocalSettings};
    use trimtab::runtime::ModelSpec;
    let dir = tempfile::tempdir().unwrap();
    let model = fixture("tiny");
    let settings =
        LocalSettings { model, mode: Mode::Enumerate, samples: 1, coherence: Coherence::Grammar, cache: None };
    let (source, opened) = (JudgeSource::Local(settings), AtomicUsize::new(0));
    let runtime = trimtab::device::open("cpu", "f32").unwrap();
    let (shown, _) = exhibits(3);
    let said = || {
        let open = |model: &Path| {
            opened.fetch_add(1, Ordering::SeqCst);
            runtime.language_model(&ModelSpec {
                model: model.to_owned(),
                adapter: None,
                plan: trimtab::steering::SteeringPlan::none(),
            })
        };
        let (rubrics, tell) = (rubrics(), Box::new(|_: &JudgeEvent<'_>| {}));
        let call = Call { rubrics, folder: dir.path(), key: None, tell, device: "cpu".into(), open: Box::new(open) };
        let mut judge = source.call(call).unwrap();
        (judge.name().to_owned(), judge.judge(&evil(), &shown).unwrap())
    };
    let first = said();
    assert!(first.0.starts_with("tiny, enumerate ("), "{}", first.0);
    // A model that knows nothing spreads its bets: whatever it says, numbers are not likely enough.
    assert!(first.1.iter().all(|v| v.score.is_none() && v.why.contains("numbers have 0.")), "{:?}", first.1);
    assert_eq!((said(), opened.load(Ordering::SeqCst)), (first, 1));
}
