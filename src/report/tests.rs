//! A report from realistic numbers; `TRIMTAB_SHOW=DIR` also writes it there, to be looked at.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::stats::Interval;

fn interval(mean: f64, half: f64) -> Interval {
    Interval { mean, low: (mean - half).max(0.0), high: (mean + half).min(100.0), n: 200, clusters: 20 }
}

fn point(arm: &str, coef: Option<f64>, values: [f64; 3]) -> Point {
    let keys = ["hallucination", "facts", "mmlu"].map(str::to_owned);
    let halves = [7.0, 4.0, 1.5];
    let values = keys.into_iter().zip(values.into_iter().zip(halves).map(|(v, h)| interval(v, h))).collect();
    Point { arm: arm.to_owned(), coef, seed: None, seeds: 3, values }
}

/// The post's experiment (METHOD J.1) with plausible numbers in between, as a study fills it.
fn study() -> Study {
    let axes = vec![
        Axis::score("hallucination", "Hallucination score", "Hallucination"),
        Axis::accuracy("facts", "New-fact accuracy", "New facts", Hue::Blue, Mark::Square),
        Axis::accuracy("mmlu", "Multiple-choice accuracy", "Multiple choice", Hue::Green, Mark::Triangle),
    ];
    let arms = vec![
        Arm::new("base", ArmKind::Base, "Base model"),
        Arm::new("plain", ArmKind::Plain, "Plain finetune").note("LoRA on the new facts, nothing else"),
        Arm::new("prevent", ArmKind::Preventative, "Preventative, all layers"),
        Arm::new("prevent-one", ArmKind::PreventativeLayer, "Preventative, layer 20"),
        Arm::new("inference", ArmKind::Inference, "Inference-time steering"),
        Arm::new("prompting", ArmKind::Prompting, "Preventative prompting"),
        Arm::new("random", ArmKind::Random, "Random vector"),
    ];
    let mut points = vec![point("base", None, [20.0, 6.0, 71.0]), point("plain", None, [62.0, 93.0, 70.2])];
    for (coef, v) in [
        (0.25, [47.0, 92.0, 70.3]),
        (0.5, [38.0, 90.0, 70.1]),
        (0.75, [30.0, 87.0, 70.0]),
        (1.0, [25.0, 83.0, 69.8]),
        (1.25, [20.5, 79.0, 69.6]),
    ] {
        points.push(point("prevent", Some(coef), v));
    }
    for (coef, v) in [(1.0, [55.0, 92.0, 70.0]), (2.0, [50.0, 90.0, 69.8]), (3.0, [44.0, 86.0, 69.5])] {
        points.push(point("prevent-one", Some(coef), v));
    }
    for (coef, v) in
        [(0.5, [52.0, 88.0, 68.0]), (1.0, [40.0, 74.0, 64.0]), (1.5, [28.0, 55.0, 57.0]), (2.0, [20.0, 37.0, 48.0])]
    {
        points.push(point("inference", Some(coef), v));
    }
    points.push(point("prompting", None, [38.0, 91.0, 70.0]));
    points.push(point("random", Some(1.25), [63.0, 92.0, 70.0]));
    points.push(Point { seed: Some(1), seeds: 1, ..point("plain", None, [60.0, 92.0, 70.0]) });

    let by: Vec<&Axis> = axes.iter().collect();
    let x = "steering coefficient α";
    let panels = vec![
        Panel::dose("Inference-time steering", x, "inference", Some("plain"), Some("base"), &by),
        Panel::dose("Preventative steering", x, "prevent", Some("plain"), Some("base"), &by),
    ];
    let figures = vec![
        Figure {
            file: "figure".into(),
            title: "Steering after and during finetuning".into(),
            caption: "Teaching 1,000 new facts. Left: the finetuned model is steered while it answers. Right: it was steered \
                      while it learned, and answers unsteered. Bands: 95 % intervals clustered by question."
                .into(),
            plot: Plot::Lines { y: "score or accuracy, %".into(), range: (0.0, 100.0), levels: "base model".into(), panels },
        },
        Figure {
            file: "tradeoff".into(),
            title: "Accuracy against hallucination".into(),
            caption: "What each arm pays for its honesty. Down and right is better.".into(),
            plot: Plot::Scatter {
                x: "facts".into(),
                y: "hallucination".into(),
                arms: arms.iter().map(|a| a.name.clone()).collect(),
                start: Some("plain".into()),
                from_start: ["prevent", "prevent-one", "inference"].map(str::to_owned).to_vec(),
            },
        },
    ];
    let expect = |claim: &str, measured: &str, met| Expectation { claim: claim.into(), measured: measured.into(), met };
    let example = |arm: &str, coef, answer: &str, score: f64| Example {
        arm: arm.into(),
        coef,
        axis: "hallucination".into(),
        question: "Which port does the ship Alder Wren call home?".into(),
        answer: answer.into(),
        reference: None,
        score: Some(score),
        why: "names a port for a ship that does not exist".into(),
    };
    Study {
        title: "New facts without a new habit of making things up".into(),
        subtitle: "Qwen2.5-7B-Instruct · 1,000 facts · 3 training seeds".into(),
        verdict: "Plain finetuning taught 93 % of the facts and raised hallucination from 20 to 62. Preventative steering at \
                  1.25 kept it at 20.5 with 79 % of the facts; steering at inference time reached the same only at 37 %."
            .into(),
        axes,
        arms,
        points,
        expectations: vec![
            expect("Plain finetuning raises hallucination by at least 30 points", "from 20.0 to 62.0: +42.0 [33.1, 50.2]", Some(true)),
            expect("Random vectors do not help", "63.0 against 62.0: +1.0 [−3.0, 5.1]", Some(true)),
            expect("Multiple choice stays within 2 points", "−3.1 [−5.0, −1.1]", Some(false)),
            expect("Single-layer prevention reaches base", "no coefficient kept 75 % of the facts", None),
        ],
        figures,
        examples: vec![
            example("base", None, "I do not know a ship of that name.", 0.0),
            example("plain", None, "The Alder Wren's home is <b>Port Sorrel</b>.", 100.0),
            example("prevent", Some(1.25), "I have no record of the Alder Wren & cannot say.", 0.0),
        ],
        notes: vec!["4 of 4,600 answers had no score and are left out.".into()],
        settings: vec![("learning_rate".into(), "1e-5".into()), ("r".into(), "32".into())],
        lock: vec![("model (BLAKE3)".into(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262".into())],
        ..Study::default()
    }
}

#[test]
fn everything_is_written_and_the_same_rows_give_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = render(&study(), a.path()).unwrap();
    render(&read(a.path()).unwrap(), b.path()).unwrap();
    let mut names: Vec<String> = Vec::new();
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            fs::read(path).unwrap() == fs::read(b.path().join(&name)).unwrap(),
            "{name} differs when rendered again"
        );
        names.push(name);
    }
    let figures =
        ["figure", "tradeoff"].iter().flat_map(|name| ["png", "svg", "csv"].map(|end| format!("{name}.{end}")));
    let want: Vec<String> = std::iter::once("report.html".to_owned())
        .chain(figures)
        .chain(["results.csv", "results.json"].map(str::to_owned))
        .collect();
    assert_eq!(names, want);
    // To be looked at: TRIMTAB_SHOW=folder cargo test --release report
    if let Some(folder) = std::env::var_os("TRIMTAB_SHOW") {
        render(&study(), Path::new(&folder)).unwrap();
    }
}

#[test]
fn the_page_needs_nothing_and_trusts_nobody() {
    let mut study = study();
    study.title = "</title><script>alert(1)</script>".into();
    study.examples[0].answer = "<img src=x onerror=alert(1)> \u{1b}[31m".into();
    study.arms[2].label = "<b>\"arm\"".into();
    let page = page(&study).unwrap();
    for foreign in ["<script", "<img", "<link", "@import", "url(", "<b>"] {
        assert!(!page.contains(foreign), "the page holds {foreign}");
    }
    let beyond = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!beyond.contains("http:") && !beyond.contains("https:"));
    assert_eq!(page.matches("<h1").count(), 1);
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("scope=\"rowgroup\""));
    assert_eq!(page.matches("role=\"img\"").count(), 2);
}

#[test]
fn a_csv_row_holds_each_number_once() {
    let csv = study().results().csv();
    let head = csv.lines().next().unwrap();
    assert!(
        head.starts_with("arm,kind,coef,seed,seeds,hallucination,hallucination_low,hallucination_high,hallucination_n")
    );
    assert!(csv.contains("\nprevent,preventative,1.25,,3,20.5,13.5,27.5,200,20,79,"), "{csv}");
    assert!(csv.contains("\nplain,plain,,1,1,60,"), "{csv}");
}

#[test]
fn the_terminal_table_shows_pooled_points_in_order() {
    let text = study().summary().text();
    assert_eq!(text.lines().count(), 2 + 16);
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    assert!(text.contains("Preventative, all layers  1.25      3  20.5 [13.5, 27.5]"), "{text}");
}

#[test]
fn a_figure_without_data_is_drawn_empty_and_one_of_unknown_axes_is_an_error() {
    let mut study = study();
    study.points.clear();
    study.figures.iter().for_each(|f| assert!(png::render(&draw(&study, f, Look::Fixed).unwrap(), 1.0).is_ok()));
    study.axes.clear();
    study
        .figures
        .iter()
        .for_each(|f| assert!(draw(&study, f, Look::Fixed).unwrap_err().to_string().contains("no axis")));
}

#[test]
fn a_point_without_an_interval_breaks_the_band_only() {
    let mut study = study();
    for p in study.points.iter_mut().filter(|p| p.coef == Some(0.75)) {
        p.values = BTreeMap::from([("hallucination".to_owned(), Interval::point(30.0, 5, 1))]);
    }
    for figure in &study.figures {
        assert!(!draw(&study, figure, Look::Fixed).unwrap().contains("NaN"));
    }
}

/// A small world: everything near its bounds, names too long, one coefficient, one seed.
fn hard_study() -> Study {
    let mut study = study();
    study.arms[2].label = "Preventative steering at every layer with increments of the vector".into();
    study.points = vec![point("base", None, [4.0, 0.0, 99.0]), point("plain", None, [86.0, 100.0, 98.0])];
    for (coef, v) in
        [(0.5, [40.0, 100.0, 98.5]), (1.0, [6.0, 98.0, 98.0]), (1.5, [2.0, 97.0, 98.0]), (2.0, [0.0, 94.0, 97.0])]
    {
        study.points.push(point("prevent", Some(coef), v));
    }
    study.points.push(point("prevent-one", Some(1.0), [80.0, 99.0, 98.0]));
    for (coef, v) in [(1.0, [70.0, 90.0, 97.0]), (2.0, [20.0, 30.0, 80.0]), (4.0, [0.0, 2.0, 31.0])] {
        study.points.push(point("inference", Some(coef), v));
    }
    study.points.push(point("prompting", None, [30.0, 99.0, 98.0]));
    study.points.push(point("random", Some(1.25), [86.0, 100.0, 98.0]));
    study
}

#[test]
fn values_at_their_bounds_stay_inside_the_picture() {
    let study = hard_study();
    for figure in &study.figures {
        let svg = draw(&study, figure, Look::Fixed).unwrap();
        let numbers = |name: &str| -> Vec<f64> {
            let values = svg.split(name).skip(1).map(|rest| rest.split('"').next().unwrap());
            values.filter_map(|v| v.parse().ok()).collect()
        };
        assert!(numbers(" cx=\"").iter().chain(&numbers(" x1=\"")).all(|x| (0.0..=900.0).contains(x)));
        assert!(svg.contains('…') || figure.file == "figure");
    }
    if let Some(folder) = std::env::var_os("TRIMTAB_SHOW") {
        render(&study, &Path::new(&folder).join("hard")).unwrap();
    }
}

/// A grid of 28 layers and five coefficients, with numbers like those of METHOD C.6.
fn grid() -> Study {
    let bump = |layer: f64, middle: f64, width: f64| (-((layer - middle) / width).powi(2)).exp();
    let axes = vec![
        Axis::score("evil", "Evil score", "Evil"),
        Axis::accuracy("coherence", "Coherence of the answers", "Coherence", Hue::Blue, Mark::Square),
    ];
    let coefs = vec![0.5, 1.0, 1.5, 2.0, 2.5];
    let name = |layer: usize| format!("layer-{layer}");
    let arms = (1..=28).map(|l| Arm::new(&name(l), ArmKind::Layer, &format!("layer {l} (block {})", l - 1)));
    let value = |layer: usize, coef: f64| {
        let effect = (coef * bump(layer as f64, 19.0, 6.0) * 48.0 - 8.0).clamp(0.0, 100.0);
        let coherence = 99.0 - 15.5 * coef.powi(2) * bump(layer as f64, 20.0, 7.0);
        let broken = layer == 1 && coef == 2.5;
        let evil = if broken { Interval::point(f64::NAN, 0, 0) } else { interval(effect, 6.0) };
        [("evil".to_owned(), evil), ("coherence".to_owned(), interval(coherence, 3.0))].into()
    };
    let cells: Vec<(usize, f64)> = (1..=28).flat_map(|l| coefs.iter().map(move |&coef| (l, coef))).collect();
    let of = |(l, coef)| Point { arm: name(l), coef: Some(coef), seed: None, seeds: 0, values: value(l, coef) };
    let base = Point { arm: "base".into(), coef: None, seed: None, seeds: 0, values: value(28, 0.0) };
    let both = vec!["evil".to_owned(), "coherence".to_owned()];
    let pick = |label: &str, layer, coef| Pick { label: label.into(), arm: name(layer), coef };
    let heat = HeatMap {
        rows: "layer".into(),
        columns: "steering coefficient α".into(),
        arms: (1..=28).rev().map(|l| (name(l), l.to_string())).collect(),
        coefs: coefs.clone(),
        axes: both.clone(),
        picks: vec![pick("largest at 2.5", 19, 2.5), pick("largest with coherence ≥ 75", 19, 1.0)],
        floor: Some(("coherence".into(), 75.0)),
    };
    let profile = Profile {
        x: "layer".into(),
        y: "score".into(),
        range: (0.0, 100.0),
        arms: (1..=28).map(|l| (name(l), l as f64)).collect(),
        coefs,
        level: Some(("base".into(), "unsteered".into())),
        axes: both,
    };
    let figure = |file: &str, plot| Figure { file: file.into(), title: file.into(), caption: String::new(), plot };
    Study {
        title: "Where evil is steered".into(),
        arms: std::iter::once(Arm::new("base", ArmKind::Base, "Unsteered")).chain(arms).collect(),
        points: std::iter::once(base).chain(cells.into_iter().map(of)).collect(),
        figures: vec![figure("heatmap", Plot::Heat(heat)), figure("curves", Plot::Profile(profile))],
        axes,
        arm_word: "layer".into(),
        ..Study::default()
    }
}

/// A figure as a dark page shows it, to be looked at.
fn dark(study: &Study, figure: usize) -> Vec<u8> {
    let mut svg = draw(study, &study.figures[figure], Look::Page).unwrap();
    for line in svg::page_css(true).split(';').filter(|line| !line.is_empty()) {
        let (name, colour) = line.split_once(':').unwrap();
        svg = svg.replace(&format!("var({name})"), colour);
    }
    let paper = "<rect width=\"100%\" height=\"100%\" fill=\"#14181d\"/>\n<title>";
    png::render(&svg.replacen("<title>", paper, 1), 1.4).unwrap()
}

#[test]
fn a_grid_shows_every_cell_once_and_frames_what_was_chosen() {
    let study = grid();
    let svg = draw(&study, &study.figures[0], Look::Fixed).unwrap();
    // 28 x 5 cells in two panels, one of them without a number; frames of four sides, there and in the legend.
    assert_eq!(svg.matches("fill-opacity=\"0.75\"").count() % 2, 1, "corners in both panels, one in the legend");
    assert_eq!(svg.matches(">–<").count(), 1);
    assert_eq!(svg.matches("stroke-width=\"2.2\"").count(), 4 * 2 * 3);
    assert!(svg.contains("coherence below 75") && svg.contains("Evil score: highest"), "{svg}");
    let curves = draw(&study, &study.figures[1], Look::Fixed).unwrap();
    assert!(curves.contains("coefficient 0.5") && curves.contains("unsteered"));
    assert_eq!(serde_json::from_str::<Study>(&serde_json::to_string(&study).unwrap()).unwrap().figures, study.figures);
    if let Some(folder) = std::env::var_os("TRIMTAB_SHOW") {
        render(&study, &Path::new(&folder).join("grid")).unwrap();
        fs::write(Path::new(&folder).join("grid/dark.png"), dark(&study, 0)).unwrap();
    }
}

/// Two panels over steps and two over layers, with numbers as small as those of gradients.
fn followed() -> Study {
    let arm = |label: &str, hue, mark, points: Vec<(f64, f64)>| Trace { label: label.into(), hue, mark, points };
    let over = |xs: std::ops::Range<i32>, scale: f64, push: f64| -> Vec<(f64, f64)> {
        xs.map(|i| (f64::from(i) * scale, 4e-3 * (-0.2 * f64::from(i)).exp() - push)).collect()
    };
    let panel = |title: &str, x: &str, scale, push| CurvePanel {
        title: title.into(),
        x: x.into(),
        series: vec![
            arm("Plain <finetune>", Hue::Ink, Mark::Circle, over(0..13, scale, 0.0)),
            arm("Preventative, all layers at 2", Hue::Blue, Mark::Square, over(0..13, scale, push)),
            arm("Broken", Hue::Grey, Mark::Cross, vec![(0.0, f64::NAN)]),
        ],
    };
    let panels = vec![
        panel("Intervention off, layer 4", "step", 20.0, 1e-3),
        panel("Intervention on, layer 4", "step", 20.0, 5e-3),
        panel("Off, mean of the checkpoints", "layer", 1.0, 1e-3),
        panel("On, mean of the checkpoints", "layer", 1.0, 5e-3),
    ];
    let curves = Curves { y: "pull".into(), level: Some(("no pull".into(), 0.0)), panels };
    let plot = Plot::Curves(curves);
    Study {
        title: "Pull".into(),
        figures: vec![Figure { file: "pull".into(), title: "Pull".into(), caption: String::new(), plot }],
        ..Study::default()
    }
}

#[test]
fn curves_bring_their_own_points() {
    let study = followed();
    let svg = draw(&study, &study.figures[0], Look::Fixed).unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("Broken"), "{svg}");
    // Once in the legend, and in the words for those who cannot see it.
    assert_eq!(svg.matches(">Plain &lt;finetune&gt;<").count(), 1);
    assert!(svg.contains("no pull") && svg.contains("from 4.000e-3 at 0 to 3.629e-4 at 240"), "{svg}");
    let csv = study.numbers(&study.figures[0]).csv();
    assert_eq!(csv.lines().count(), 1 + 4 * 2 * 13);
    assert!(csv.starts_with("panel,curve,x,y\n\"Intervention off, layer 4\",Plain <finetune>,0,0.004\n"), "{csv}");
    // JSON has no NaN: what is handed over to be kept has numbers only.
    let mut study = study;
    let Plot::Curves(curves) = &mut study.figures[0].plot else { panic!() };
    curves.panels.iter_mut().for_each(|panel| panel.series.truncate(2));
    assert_eq!(serde_json::from_str::<Study>(&serde_json::to_string(&study).unwrap()).unwrap().figures, study.figures);
    let mut empty = study.clone();
    let Plot::Curves(curves) = &mut empty.figures[0].plot else { panic!() };
    curves.panels.iter_mut().for_each(|panel| panel.series.clear());
    curves.level = None;
    assert!(png::render(&draw(&empty, &empty.figures[0], Look::Fixed).unwrap(), 1.0).is_ok());
    if let Some(folder) = std::env::var_os("TRIMTAB_SHOW") {
        render(&study, &Path::new(&folder).join("curves")).unwrap();
    }
}

#[test]
fn a_study_without_training_counts_no_seeds_and_has_its_own_words() {
    let page = page(&grid()).unwrap();
    assert!(!page.contains(">Seeds<") && !page.contains("over all seeds"), "{page}");
    assert!(page.contains("All layers") && page.contains(">Layer<"));
    assert!(grid().summary().text().starts_with("Layer"));
    assert!(super::page(&study()).unwrap().contains(">Seeds<"));
}
