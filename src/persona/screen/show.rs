//! The page of a screening: how scores are spread, what they say together, and the strongest samples in words.

use super::choose::{Choices, Decision};
use super::highlight::Piece;
use super::measure::Joined;
use super::rules::{Against, ScreenRules};
use super::source::Source;
use super::summary::{Numbers, Summary, Values};
use crate::persona::texts::Exchange;
use crate::record::Lock;
use crate::report::content::{Part, Passage, Span};
use crate::report::plot::{Histogram, Hue, Shape, Threshold};
use crate::report::{Figure, Page, Plot, Table};

/// One of the strongest rows.
pub(super) struct Shown {
    pub row: Joined,
    pub exchange: Exchange,
    pub pieces: Vec<Piece>,
    pub decision: Decision,
}

#[allow(clippy::too_many_arguments, reason = "everything that is known goes onto the page")]
pub(super) fn page(
    rules: &ScreenRules,
    choices: &Choices,
    data: &Source,
    summary: &Summary,
    (numbers, normal): (&Numbers, Option<&Numbers>),
    shown: Vec<Shown>,
    (settings, lock): (&[(String, String)], &Lock),
    beside: &[String],
) -> Page {
    let name = data.path.file_name().unwrap_or_default().to_string_lossy();
    let (trait_name, layer) = (&rules.trait_name, rules.probe.layer);
    let of = if data.is_sampled() { format!(" of {}", data.all) } else { String::new() };
    let note = "Strongest first. Passages that lie further along the vector than the answer as a whole are warm, those that lie less far cold; \
                the number appears when the pointer rests on a passage.";
    Page {
        title: format!("Screening {name} for {trait_name}"),
        subtitle: format!("{} rows{of} · {layer} · {}", summary.rows, compared(rules.against)),
        verdict: verdict(rules, summary),
        parts: vec![
            Part::Figures(pictures(rules, summary, numbers, normal)),
            Part::Table {
                title: "Scores".into(),
                caption: format!(
                    "Means over the data set with 95 % intervals; the reference's {}th percentile.",
                    choices.percentile
                ),
                table: scores(summary),
            },
            Part::Table { title: "Rows".into(), caption: "What became of them.".into(), table: rows(summary) },
            Part::Notes(notes(rules, summary)),
            Part::Passages { title: "Strongest samples".into(), note: note.into(), passages: passages(rules, shown) },
        ],
        settings: settings.to_vec(),
        lock: lock.rows(),
        beside: beside.to_vec(),
    }
}

fn compared(against: Against) -> &'static str {
    match against {
        Against::OwnAnswer { .. } => "exact projection difference",
        Against::LastPrompt => "last-prompt approximation",
    }
}

fn verdict(rules: &ScreenRules, summary: &Summary) -> String {
    let Summary { measured, kept, dropped, thresholds, scores, .. } = summary;
    let mut text = String::new();
    if let Some(difference) = scores.iter().find(|s| s.score == "difference") {
        let kind = if rules.against == Against::LastPrompt { "approximate " } else { "" };
        text += &format!("The data set's {kind}projection difference is {:.3}. ", difference.mean);
    }
    let named = [("difference", &thresholds.difference), (rules.trait_name.as_str(), &thresholds.llm)];
    let by: Vec<String> = named
        .iter()
        .filter_map(|(name, t)| t.as_ref().map(|t| format!("{name} above {:.4} ({})", t.value, t.from)))
        .collect();
    if by.is_empty() {
        return text + &format!("{measured} rows are ranked; without a threshold or a reference none is dropped.");
    }
    text + &format!("{dropped} of {measured} rows are dropped and {kept} kept: {}.", by.join(" or "))
}

fn pictures(rules: &ScreenRules, summary: &Summary, numbers: &Numbers, normal: Option<&Numbers>) -> Vec<Figure> {
    let reference = |of: fn(&Numbers) -> &Values| normal.map(|normal| of(normal).all.clone()).unwrap_or_default();
    let thresholds = &summary.thresholds;
    let line = |t: &Option<super::choose::Threshold>| {
        t.iter().map(|t| Threshold { label: "dropped above".into(), value: t.value }).collect::<Vec<_>>()
    };
    let mut pictures = vec![
        picture(
            "histogram",
            &format!("{}, {}", compared(rules.against), rules.probe.layer),
            &numbers.difference,
            reference(|n| &n.difference),
            line(&thresholds.difference),
        ),
        picture(
            "histogram-raw",
            &format!("raw projection of the answers, {}", rules.probe.layer),
            &numbers.raw,
            reference(|n| &n.raw),
            Vec::new(),
        ),
    ];
    if !numbers.llm.all.is_empty() {
        let x = format!("{} score of the judge, 0–100", rules.trait_name);
        pictures.push(picture("histogram-llm", &x, &numbers.llm, reference(|n| &n.llm), line(&thresholds.llm)));
    }
    pictures
}

fn picture(file: &str, x: &str, values: &Values, reference: Vec<f64>, thresholds: Vec<Threshold>) -> Figure {
    let shape = |name: &str, hue, values: &[f64]| Shape { name: name.into(), hue, values: values.to_vec() };
    let mut shapes = if values.with.is_empty() || values.without.is_empty() {
        vec![shape("data", Hue::Vermillion, &values.all)]
    } else {
        vec![
            shape("labelled with the trait", Hue::Vermillion, &values.with),
            shape("labelled without", Hue::Green, &values.without),
        ]
    };
    shapes.push(shape("reference", Hue::Blue, &reference));
    shapes.retain(|shape| !shape.values.is_empty());
    let (title, caption) =
        (format!("Distribution of the rows: {x}"), format!("Distribution of the rows along the {x}."));
    Figure::new(file, &title, &caption, Plot::Histogram(Histogram { x: x.into(), shapes, thresholds }))
}

pub(super) fn scores(summary: &Summary) -> Table {
    Table::of(
        &summary.scores,
        &[
            ("Score", &|spread| spread.score.as_str().into()),
            ("Mean", &|spread| format!("{:.3}", spread.mean).replace('-', "−").into()),
            ("Reference mean", &|spread| spread.reference_mean.into()),
            ("Reference percentile", &|spread| spread.reference_percentile.into()),
            ("AUC of the label", &|spread| spread.auc.into()),
        ],
    )
}

fn rows(summary: &Summary) -> Table {
    let (difference, llm, both) = summary.dropped_by;
    let counts = [
        ("took part", summary.rows),
        ("measured", summary.measured),
        ("kept", summary.kept),
        ("dropped", summary.dropped),
        ("dropped by the difference alone", difference),
        ("dropped by the trait score alone", llm),
        ("dropped by both", both),
        ("left out: could not be measured", summary.left_out),
    ];
    Table::of(&counts, &[("Rows", &|(what, _)| (*what).into()), ("Count", &|(_, count)| (*count).into())])
}

fn notes(rules: &ScreenRules, summary: &Summary) -> Vec<String> {
    let mut notes = vec![
        "The raw projection is a baseline: kinds of data differ by several units of it whatever their character.".to_owned(),
        "The approximation by the last prompt token is good for some traits and weak for others: the paper's correlation with the trait \
         after finetuning is 0.93 for evil, 0.58 for sycophancy and 0.69 for hallucination."
            .to_owned(),
    ];
    if let Some(r) = summary.approximation_r {
        notes.push(format!("Here the approximation correlates with the exact difference at {r:.2}, row by row."));
    }
    if summary.unjudged > 0 {
        let (unjudged, measured) = (summary.unjudged, summary.measured);
        notes.push(format!(
            "The judge gave {unjudged} of {measured} rows no {} score; only the difference decides on these.",
            rules.trait_name
        ));
    }
    if summary.left_out > 0 {
        notes.push(format!(
            "{} rows could not be measured and are in no output: {}",
            summary.left_out,
            summary.left_out_named.join("; ")
        ));
    }
    notes
}

fn passages(rules: &ScreenRules, shown: Vec<Shown>) -> Vec<Passage> {
    let beyond = |shown: &Shown| {
        let whole = shown.row.scored.raw.unwrap_or(0.0);
        shown.pieces.iter().map(|piece| (piece.projection - whole).abs()).fold(0.0, f64::max)
    };
    let most = shown.iter().map(beyond).fold(f64::MIN_POSITIVE, f64::max);
    shown.into_iter().enumerate().map(|(rank, shown)| passage(rules, rank + 1, shown, most)).collect()
}

fn passage(rules: &ScreenRules, rank: usize, shown: Shown, most: f64) -> Passage {
    let Shown { row: Joined { scored, verdict, own, .. }, exchange, pieces, decision } = shown;
    let id = match &scored.id {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(id) => format!(" · {id}"),
        id => format!(" · {id}"),
    };
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Option<f64>| {
        facts.extend(value.map(|value| (name.to_owned(), format!("{value:.2}"))));
    };
    fact("difference", scored.difference(rules.against));
    fact("projection", scored.raw);
    fact(&rules.trait_name, verdict.as_ref().and_then(|v| v.score));
    facts.push(("row".to_owned(), decision.word().to_owned()));
    let whole = scored.raw.unwrap_or(0.0);
    let warm =
        |piece: Piece| Span { text: piece.text, heat: Some((piece.projection, (piece.projection - whole) / most)) };
    let mut turns: Vec<(String, Vec<Span>)> =
        exchange.prompt.into_iter().map(|m| (m.role, vec![Span::plain(m.content)])).collect();
    turns.push(("answer in the data".into(), pieces.into_iter().map(warm).collect()));
    turns.extend(own.map(|own| ("the model's own".to_owned(), vec![Span::plain(own.text)])));
    turns.extend(verdict.filter(|v| !v.why.is_empty()).map(|v| ("judge".to_owned(), vec![Span::plain(v.why)])));
    turns.extend(
        Some(decision.why()).filter(|why| !why.is_empty()).map(|why| ("why".to_owned(), vec![Span::plain(why)])),
    );
    Passage { heading: format!("{rank} · line {}{id}", scored.line), facts, turns }
}
