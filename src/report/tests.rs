//! A report from realistic numbers.

use std::collections::BTreeMap;
use std::fs;

use std::path::PathBuf;

use super::content::{Axis, Point};
use super::plot::{Cells, Curve, HUES, Heat, Hue, Level, Look, Mark, Panel, Picked};
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

/// The post's experiment with plausible numbers in between, as a study fills it.
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

    let expect = |claim: &str, measured: &str, met| Expectation::new(ExpectationId::Prevents, claim, measured, met);
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
    with_figures(Study {
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
        examples: vec![
            example("base", None, "I do not know a ship of that name.", 0.0),
            example("plain", None, "The Alder Wren's home is <b>Port Sorrel</b>.", 100.0),
            example("prevent", Some(1.25), "I have no record of the Alder Wren & cannot say.", 0.0),
        ],
        notes: vec![Note::new(NoteKind::MissingScores, "4 of 4,600 answers had no score and are left out.")],
        settings: vec![("learning_rate".into(), "1e-5".into()), ("r".into(), "32".into())],
        lock: vec![("model (BLAKE3)".into(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262".into())],
        ..Study::default()
    })
}

/// The two figures of a study of facts.
fn with_figures(study: Study) -> Study {
    let by: Vec<&Axis> = study.axes.iter().collect();
    let panel = |title: &str, arm: &str| study.dose(title, "steering coefficient α", arm, "plain", "base", &by);
    let panels = vec![panel("Inference-time steering", "inference"), panel("Preventative steering", "prevent")];
    let caption = "Teaching 1,000 new facts. Left: inference-time steering. Right: preventative steering, evaluated unsteered. Bands: 95 % \
                   intervals clustered by question.";
    let figure = Figure::new("figure", "Steering after and during finetuning", caption, Plot::scores(panels));
    let arms: Vec<String> = study.arms.iter().map(|a| a.name.clone()).collect();
    let swept = ["prevent", "prevent-one", "inference"].map(str::to_owned);
    let plot = study.tradeoff(("facts", "hallucination"), &arms, Some("plain"), &swept).unwrap();
    let caption = "What each arm pays for its honesty. Down and right is better.";
    let tradeoff = Figure::new("tradeoff", "Accuracy against hallucination", caption, plot);
    Study { figures: vec![figure, tradeoff], ..study }
}

/// `TRIMTAB_SHOW=DIR cargo test --release report` writes a study into that folder, to be looked at.
fn show(study: &Study, within: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("TRIMTAB_SHOW")?).join(within);
    study.render(&folder).unwrap();
    Some(folder)
}

#[test]
fn everything_is_written_and_the_same_rows_give_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = study().render(a.path()).unwrap();
    Study::read(a.path()).unwrap().render(b.path()).unwrap();
    let mut names: Vec<String> = Vec::new();
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            fs::read(path).unwrap() == fs::read(b.path().join(&name)).unwrap(),
            "{name} differs when rendered again"
        );
        names.push(name);
    }
    let want =
        "report.html figure.png figure.svg tradeoff.png tradeoff.svg figure.csv tradeoff.csv results.csv results.json";
    assert_eq!(names.join(" "), want);
    show(&study(), "");
}

#[test]
fn the_page_loads_nothing_and_escapes_every_text() {
    let mut study = study();
    study.title = "</title><script>alert(1)</script>".into();
    study.examples[0].answer = "<img src=x onerror=alert(1)> \u{1b}[31m".into();
    study.arms[2].label = "<b>\"arm\"".into();
    let page = study.page().html();
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
fn a_figure_without_data_is_drawn_empty_and_one_of_unknown_axes_is_none() {
    let mut study = study();
    study.points.clear();
    study = with_figures(study);
    study.figures.iter().for_each(|f| assert!(png::render(&f.svg(Look::Fixed), 1.0).is_ok()));
    study.axes.clear();
    assert_eq!(study.tradeoff(("facts", "hallucination"), &[], None, &[]), None);
}

#[test]
fn a_point_without_an_interval_breaks_the_band_only() {
    let mut study = study();
    for p in study.points.iter_mut().filter(|p| p.coef == Some(0.75)) {
        p.values = BTreeMap::from([("hallucination".to_owned(), Interval::point(30.0, 5, 1))]);
    }
    for figure in with_figures(study).figures {
        assert!(!figure.svg(Look::Fixed).contains("NaN"));
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
    with_figures(study)
}

#[test]
fn values_at_their_bounds_stay_inside_the_picture() {
    let study = hard_study();
    for figure in &study.figures {
        let svg = figure.svg(Look::Fixed);
        let numbers = |name: &str| -> Vec<f64> {
            let values = svg.split(name).skip(1).map(|rest| rest.split('"').next().unwrap());
            values.filter_map(|v| v.parse().ok()).collect()
        };
        assert!(numbers(" cx=\"").iter().chain(&numbers(" x1=\"")).all(|x| (0.0..=900.0).contains(x)));
        assert!(svg.contains('…') || figure.file == "figure");
    }
    show(&study, "hard");
}

/// A grid of 28 layers and five coefficients, with numbers like those of the paper.
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
    let study = Study {
        title: "Where evil is steered".into(),
        arms: std::iter::once(Arm::new("base", ArmKind::Base, "Unsteered")).chain(arms).collect(),
        points: std::iter::once(base).chain(cells.into_iter().map(of)).collect(),
        axes,
        arm_word: "layer".into(),
        ..Study::default()
    };
    let at = |l: usize, coef: f64, axis: &Axis| value(l, coef).get(&axis.key).copied();
    let grid = |axis: &Axis| (1..=28).rev().map(|l| coefs.iter().map(|&coef| at(l, coef, axis)).collect()).collect();
    let picked = |label: &str, layer: usize, column| Picked { label: label.into(), row: 28 - layer, column };
    let cells = |axis: &Axis| {
        let (key, title) = (axis.key.clone(), axis.name.clone());
        Cells { key, title, hue: axis.hue, range: axis.range, values: grid(axis) }
    };
    let below = |row: Vec<Option<Interval>>| row.iter().map(|i| i.is_none_or(|i| i.mean < 75.0)).collect();
    let coherence: Vec<Vec<Option<Interval>>> = grid(&study.axes[1]);
    let heat = Heat {
        x: "steering coefficient α".into(),
        y: "layer".into(),
        rows: (1..=28).rev().map(|l| (name(l), l.to_string())).collect(),
        columns: coefs.clone(),
        panels: study.axes.iter().map(cells).collect(),
        picked: vec![picked("largest at 2.5", 19, 4), picked("largest with coherence ≥ 75", 19, 1)],
        floor: Some(("coherence below 75".into(), coherence.into_iter().map(below).collect())),
    };
    let curve = |(i, &coef): (usize, &f64), axis: &Axis| {
        let points = (1..=28).filter_map(|l| Some((l as f64, at(l, coef, axis)?))).collect();
        Curve::new(&format!("coefficient {coef}"), &coef.to_string(), HUES[i], Mark::nth(i), points)
    };
    let panel = |axis: &Axis| {
        let curves = coefs.iter().enumerate().map(|of| curve(of, axis)).collect();
        let value = study.level("base", &axis.key).unwrap().mean;
        let levels = vec![Level { label: "unsteered".into(), hue: Hue::Ink, value }];
        Panel { title: axis.name.clone(), x: "layer".into(), curves, levels }
    };
    let panels = study.axes.iter().map(panel).collect();
    let figure = |file: &str, plot| Figure::new(file, file, "", plot);
    let figures = vec![figure("heatmap", Plot::Heat(heat)), figure("curves", Plot::scores(panels))];
    Study { figures, ..study }
}

/// A figure as a dark page shows it, to be looked at.
fn dark(study: &Study, figure: usize) -> Vec<u8> {
    let mut svg = study.figures[figure].svg(Look::Page);
    for line in colours::page_css(true).split(';').filter(|line| !line.is_empty()) {
        let (name, colour) = line.split_once(':').unwrap();
        svg = svg.replace(&format!("var({name})"), colour);
    }
    let paper = "<rect width=\"100%\" height=\"100%\" fill=\"#14181d\"/>\n<title>";
    png::render(&svg.replacen("<title>", paper, 1), 1.4).unwrap()
}

#[test]
fn a_grid_shows_every_cell_once_and_frames_what_was_chosen() {
    let study = grid();
    let svg = study.figures[0].svg(Look::Fixed);
    // 28 x 5 cells in two panels, one of them without a number; frames of four sides, there and in the legend.
    assert_eq!(svg.matches("fill-opacity=\"0.75\"").count() % 2, 1, "corners in both panels, one in the legend");
    assert_eq!(svg.matches(">–<").count(), 1);
    assert_eq!(svg.matches("stroke-width=\"2.2\"").count(), 4 * 2 * 3);
    assert!(svg.contains("coherence below 75") && svg.contains("Evil score: highest"), "{svg}");
    let curves = study.figures[1].svg(Look::Fixed);
    assert!(curves.contains("coefficient 0.5") && curves.contains("unsteered"));
    let again: Study = serde_json::from_str(&serde_json::to_string(&study).unwrap()).unwrap();
    assert_eq!(again.figures[1].svg(Look::Fixed), curves);
    if let Some(folder) = show(&study, "grid") {
        fs::write(folder.join("dark.png"), dark(&study, 0)).unwrap();
    }
}

/// Two panels over steps and two over layers, with numbers as small as those of gradients.
fn followed() -> Figure {
    let curve = |name: &str, hue, mark, points: Vec<(f64, f64)>| {
        Curve::new(name, "", hue, mark, points.into_iter().map(|(x, y)| (x, Interval::point(y, 1, 1))).collect())
    };
    let over = |xs: std::ops::Range<i32>, scale: f64, push: f64| -> Vec<(f64, f64)> {
        xs.map(|i| (f64::from(i) * scale, 4e-3 * (-0.2 * f64::from(i)).exp() - push)).collect()
    };
    let panel = |title: &str, x: &str, scale, push| Panel {
        title: title.into(),
        x: x.into(),
        curves: vec![
            curve("Plain <finetune>", Hue::Ink, Mark::Circle, over(0..13, scale, 0.0)),
            curve("Preventative, all layers at 2", Hue::Blue, Mark::Square, over(0..13, scale, push)),
        ],
        levels: Vec::new(),
    };
    let panels = vec![
        panel("Intervention off, layer 4", "step", 20.0, 1e-3),
        panel("Intervention on, layer 4", "step", 20.0, 5e-3),
        panel("Off, mean of the checkpoints", "layer", 1.0, 1e-3),
        panel("On, mean of the checkpoints", "layer", 1.0, 5e-3),
    ];
    Figure::new("pull", "Pull", "", Plot::followed("pull", ("no pull", 0.0), panels))
}

#[test]
fn curves_without_intervals_are_drawn_and_listed() {
    let figure = followed();
    let svg = figure.svg(Look::Fixed);
    assert!(!svg.contains("NaN"), "{svg}");
    // Once in the legend, and in the words for readers who cannot see it.
    assert_eq!(svg.matches(">Plain &lt;finetune&gt;<").count(), 1);
    assert!(svg.contains("no pull") && svg.contains("from 4.000e-3 at 0 to 3.629e-4 at 240"), "{svg}");
    let csv = figure.numbers().csv();
    assert_eq!(csv.lines().count(), 1 + 4 * 2 * 13);
    assert!(csv.starts_with("panel,curve,x,y\n\"Intervention off, layer 4\",Plain <finetune>,0,0.004\n"), "{csv}");
    let broken = Curve::new("Broken", "", Hue::Grey, Mark::Cross, vec![(0.0, Interval::point(f64::NAN, 1, 1))]);
    assert!(broken.points.is_empty(), "numbers that are not finite are not drawn");
    let panel = Panel { title: "Empty".into(), x: "step".into(), curves: vec![broken], levels: Vec::new() };
    let empty = Figure::new("empty", "Empty", "", Plot::followed("pull", ("no pull", 0.0), vec![panel]));
    assert!(png::render(&empty.svg(Look::Fixed), 1.0).is_ok());
    show(&Study { figures: vec![figure], ..Study::default() }, "curves");
}

#[test]
fn two_vectors_norms_have_names_at_their_ends() {
    let curve = |name: &str, ys: [f64; 3]| {
        let points = ys.into_iter().enumerate().map(|(row, y)| (row as f64, Interval::point(y, 1, 1)));
        Curve::new(name, name, Hue::Blue, Mark::Circle, points.collect())
    };
    let curves = vec![curve("evil", [0.0, 1.0, 4.0]), curve("a <b>", [0.5, 2.0, 3.0])];
    let panel = Panel { title: "Norms".into(), x: "row".into(), curves, levels: Vec::new() };
    let svg = Figure::new("norms", "Norms", "", Plot::scores(vec![panel])).svg(Look::Fixed);
    // In the legend and beside the curve's end.
    assert_eq!((svg.matches(">evil<").count(), svg.matches(">a &lt;b&gt;<").count()), (2, 2), "{svg}");
}

#[test]
fn a_study_without_training_counts_no_seeds_and_has_its_own_words() {
    let page = grid().page().html();
    assert!(!page.contains(">Seeds<") && !page.contains("over all seeds"), "{page}");
    assert!(page.contains("All layers") && page.contains(">Layer<"));
    assert!(grid().summary().text().starts_with("Layer"));
    assert!(study().page().html().contains(">Seeds<"));
}
