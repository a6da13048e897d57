//! The files of a monitoring run: `points.csv`, `results.json`, the scatter plots and `report.html`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::condition::{Condition, Point, Setting};
use super::correlate::{Correlation, Published, published};
use super::run::{MonitorRules, Monitored, Reply};
use crate::Result;
use crate::language_model::FinishReason;
use crate::persona::project::Metric;
use crate::record::{Lock, RunDir};
use crate::report::content::{Part, Passage, Span};
use crate::report::plot::{Hue, Mark, Scatter, Side, Track};
use crate::report::{Cell, Figure, Page, Plot, Table};
use crate::stats::{Interval, mean, sample_std};

impl Monitored {
    /// Every point with all digits.
    pub fn points(&self, rules: &MonitorRules) -> Table {
        let condition = |point: &Point| &rules.conditions[point.condition];
        Table::of(
            &self.points,
            &[
                ("setting", &|p| setting_key(condition(p).setting).into()),
                ("condition", &|p| condition(p).name().into()),
                ("level", &|p| condition(p).level.into()),
                ("question_id", &|p| format!("{}_{}", rules.trait_name, p.question).into()),
                ("question", &|p| rules.questions[p.question].as_str().into()),
                ("score", &|p| p.score.into()),
                ("coherence", &|p| p.coherence.into()),
                ("answers", &|p| p.answers.into()),
                ("missing", &|p| p.missing.into()),
                ("prompt_last_proj", &|p| p.prompt_last_proj.into()),
                ("proj", &|p| p.proj.into()),
                ("cos_sim", &|p| p.cos_sim.into()),
            ],
        )
    }

    /// The correlations, beside the published ones where there are any, for people.
    pub fn table(&self, model: &str, rules: &MonitorRules) -> Table {
        let papers: Vec<Option<Published>> = self.correlations.iter().map(|c| paper(model, rules, c)).collect();
        let known = papers.iter().any(Option::is_some);
        let ours = ["Setting", "Metric", "Overall r", "Within r", "Conditions within"];
        let theirs = ["Paper: overall", "Paper: within"];
        let mut table = Table::new(ours.iter().chain(theirs.iter().filter(|_| known)).copied());
        for (c, paper) in self.correlations.iter().zip(papers) {
            let r = |r: Interval| format!("{r:.2}").replace('-', "−");
            let mut row: Vec<Cell> = vec![
                c.setting.to_string().into(),
                c.metric.key().into(),
                r(c.overall).into(),
                r(c.within).into(),
                format!("{} of {}", c.used.len(), c.used.len() + c.left_out.len()).into(),
            ];
            if known {
                row.extend([paper.map(|p| p.overall).into(), paper.map(|p| p.within).into()]);
            }
            table.push(row);
        }
        table
    }

    /// Everything that was found, for programs.
    pub fn json(&self, model: &str, rules: &MonitorRules) -> Value {
        let of = |c: &Correlation| {
            let mut value = json!(c);
            value["published"] = json!(paper(model, rules, c));
            value
        };
        let conditions: Vec<Value> = (0..rules.conditions.len()).map(|i| self.condition_json(i, rules)).collect();
        json!({
            "trait": rules.trait_name,
            "model": model,
            "layer": rules.probe.layer,
            "questions": rules.questions.len(),
            "rollouts": rules.sampling.rollouts,
            "answers": self.points.iter().map(|p| p.answers).sum::<usize>(),
            "missing": self.points.iter().map(|p| p.missing).sum::<usize>(),
            "correlations": self.correlations.iter().map(of).collect::<Vec<_>>(),
            "conditions": conditions,
        })
    }

    fn condition_json(&self, i: usize, rules: &MonitorRules) -> Value {
        let condition = &rules.conditions[i];
        let (scores, projections) = self.sides(i);
        json!({
            "name": condition.name(),
            "setting": condition.setting,
            "level": condition.level,
            "score": finite(mean(&scores)),
            "score_std": finite(sample_std(&scores)),
            "prompt_last_proj": mean(&projections),
        })
    }

    /// A condition's scores and projections, question by question.
    fn sides(&self, condition: usize) -> (Vec<f64>, Vec<f64>) {
        let points = || self.points.iter().filter(move |p| p.condition == condition);
        (points().filter_map(|p| p.score).collect(), points().map(|p| p.prompt_last_proj).collect())
    }

    /// Writes all files of the run; returns their paths, the page first.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(
        &self,
        run: &RunDir,
        model: &str,
        rules: &MonitorRules,
        settings: &[(String, String)],
        lock: &Lock,
    ) -> Result<Vec<PathBuf>> {
        run.write("points.csv", self.points(rules).csv().as_bytes())?;
        run.write("answers.csv", self.answers_table(rules).csv().as_bytes())?;
        run.write_json("results.json", &self.json(model, rules))?;
        run.write_lock(lock)?;
        let mut files = self.page(model, rules, settings, lock).render(run.path())?;
        files.extend(["points.csv", "answers.csv", "results.json"].map(|name| run.file(name)));
        Ok(files)
    }

    /// Every answer with what was said of it, in the reference's columns and some more.
    fn answers_table(&self, rules: &MonitorRules) -> Table {
        let rollouts = rules.sampling.rollouts;
        let each = rules.conditions.iter().zip(&self.answers);
        let rows: Vec<(&Condition, usize, &Reply)> = each
            .flat_map(|(condition, of)| of.iter().enumerate().map(move |(i, reply)| (condition, i, reply)))
            .collect();
        Table::of(
            &rows,
            &[
                ("question", &|(_, i, _)| rules.questions[i / rollouts].as_str().into()),
                ("answer", &|(.., reply)| reply.said.text.as_str().into()),
                ("question_id", &|(_, i, _)| format!("{}_{}", rules.trait_name, i / rollouts).into()),
                (&rules.trait_name, &|(.., reply)| reply.judged.score.into()),
                ("coherence", &|(.., reply)| reply.judged.coherence.into()),
                ("condition", &|(condition, ..)| condition.name().into()),
                ("rollout", &|(_, i, _)| (i % rollouts).into()),
                ("proj", &|(.., reply)| reply.projected.proj.into()),
                ("cos_sim", &|(.., reply)| reply.projected.cos_sim.into()),
            ],
        )
    }

    fn page(&self, model: &str, rules: &MonitorRules, settings: &[(String, String)], lock: &Lock) -> Page {
        let mut of_settings: Vec<Setting> = self.correlations.iter().map(|c| c.setting).collect();
        of_settings.dedup();
        let pictures = of_settings.iter().map(|&setting| self.picture(setting, rules)).collect();
        let caption = "Pearson's r between projection and mean trait score, 95 % intervals clustered by question. Within: the mean of the r \
                       inside each condition whose scores vary (standard deviation at least 1).";
        let (name, layer) = (&rules.trait_name, rules.probe.layer);
        Page {
            title: format!("Monitoring {name} at the last prompt token"),
            subtitle: format!(
                "{model} · {layer} · {} questions · {} answers each",
                rules.questions.len(),
                rules.sampling.rollouts
            ),
            verdict: self.verdict(model, rules),
            parts: vec![
                Part::Figures(pictures),
                Part::Table { title: "Correlations".into(), caption: caption.into(), table: self.table(model, rules) },
                Part::Table {
                    title: "Conditions".into(),
                    caption: "Means over the questions.".into(),
                    table: self.conditions(rules),
                },
                Part::Notes(self.notes(model, rules)),
                Part::Passages {
                    title: "Answers".into(),
                    note: "The first answer to the first question under each condition.".into(),
                    passages: self.passages(rules),
                },
            ],
            settings: settings.to_vec(),
            lock: lock.rows(),
            beside: ["points.csv", "answers.csv", "results.json"].map(str::to_owned).to_vec(),
        }
    }

    fn picture(&self, setting: Setting, rules: &MonitorRules) -> Figure {
        let ours: Vec<(usize, &Condition)> =
            rules.conditions.iter().enumerate().filter(|(_, c)| c.setting == setting).collect();
        let of = |p: &Point| Some((p.prompt_last_proj, p.score?));
        let group = |(rank, (i, condition)): (usize, &(usize, &Condition))| {
            let points = self.points.iter().filter(|p| p.condition == *i).filter_map(of);
            Track::points(&condition.label(), Hue::rung(rank, ours.len()), Mark::nth(rank), points)
        };
        let (name, layer) = (&rules.trait_name, rules.probe.layer);
        let side = |key: &str, label, range| Side { key: key.to_owned(), label, range, better: None };
        let plot = Plot::Scatter(Scatter {
            x: side("prompt_last_proj", format!("projection at the last prompt token, {layer}"), None),
            y: side("score", format!("{name} score, 0–100"), Some((0.0, 100.0))),
            is_cloud: true,
            tracks: ours.iter().enumerate().map(group).collect(),
        });
        let caption = format!(
            "A dot for each question under each condition ({setting}): how far the state at the last prompt token lies along the vector, \
             and the mean {name} score of the {} answers that followed. The line is the least-squares fit.",
            rules.sampling.rollouts
        );
        Figure::new(setting_key(setting), &format!("Projection and {name} score, {setting}"), &caption, plot)
    }

    fn verdict(&self, model: &str, rules: &MonitorRules) -> String {
        let of = |c: &Correlation| {
            let paper = paper(model, rules, c)
                .map_or_else(String::new, |p| format!("; the paper has {} and {}", p.overall, p.within));
            let said = format!(
                "{}: r = {:.2} over all points, {:.2} within conditions{paper}.",
                c.setting, c.overall, c.within
            );
            said.replace(" -", " −").replace("[-", "[−")
        };
        let verdicts = self.correlations.iter().filter(|c| c.metric == Metric::PromptLast).map(of);
        let name = &rules.trait_name;
        format!(
            "The projection at the last prompt token against the {name} score of the answers. {}",
            verdicts.collect::<Vec<_>>().join(" ")
        )
    }

    fn conditions(&self, rules: &MonitorRules) -> Table {
        let mut table =
            Table::new(["Condition", "Before the question", "Score", "sd", "Projection", "Answers", "No score"]);
        for (i, condition) in rules.conditions.iter().enumerate() {
            let (scores, projections) = self.sides(i);
            let before = match condition.setting {
                Setting::System => condition.before[0].content.as_str(),
                Setting::ManyShot => "",
            };
            let count =
                |of: fn(&Point) -> usize| self.points.iter().filter(|p| p.condition == i).map(of).sum::<usize>();
            table.push(vec![
                condition.label().into(),
                before.into(),
                mean(&scores).into(),
                sample_std(&scores).into(),
                mean(&projections).into(),
                count(|p| p.answers).into(),
                count(|p| p.missing).into(),
            ]);
        }
        table
    }

    fn notes(&self, model: &str, rules: &MonitorRules) -> Vec<String> {
        let (answers, missing) = self.points.iter().fold((0, 0), |(a, m), p| (a + p.answers, m + p.missing));
        let cut =
            self.answers.iter().flatten().filter(|reply| reply.said.finish_reason == FinishReason::Length).count();
        let mut notes = vec![
            format!("{missing} of {answers} answers have no trait score and are in no mean; {cut} ended at the limit of tokens."),
            "Such correlations mostly tell kinds of prompts apart; they are weak for a subtle drift (the authors' own caveat).".to_owned(),
        ];
        for c in self.correlations.iter().filter(|c| c.metric == Metric::PromptLast && !c.left_out.is_empty()) {
            notes.push(format!(
                "{}: not within the averaged r, since their scores hardly vary: {}.",
                c.setting,
                c.left_out.join(", ")
            ));
        }
        let bare = rules.conditions.iter().position(|c| c.before.is_empty());
        if let (Some(i), Some(paper)) = (bare, published(model, &rules.trait_name, Setting::ManyShot)) {
            notes.push(format!(
                "Without any exemplar the mean projection is {:.2}; a re-run of the reference has {} with its own vector.",
                mean(&self.sides(i).1),
                paper.base_projection
            ));
        }
        notes
    }

    fn passages(&self, rules: &MonitorRules) -> Vec<Passage> {
        let passage = |(condition, (point, answers)): (&Condition, (&Point, &Vec<Reply>))| {
            let Reply { said, judged, .. } = answers.first()?;
            let score = judged.score.map_or_else(|| "none".to_owned(), |s| format!("{s:.1}"));
            Some(Passage {
                heading: condition.label(),
                facts: vec![("projection".into(), format!("{:.2}", point.prompt_last_proj)), ("score".into(), score)],
                turns: vec![
                    ("Question".into(), vec![Span::plain(&rules.questions[0])]),
                    ("Answer".into(), vec![Span::plain(&said.text)]),
                    ("Judge".into(), vec![Span::plain(&judged.why)]),
                ],
            })
        };
        let first = self.points.iter().step_by(rules.questions.len());
        rules.conditions.iter().zip(first.zip(&self.answers)).filter_map(passage).collect()
    }
}

/// The published values beside a correlation; the paper has the last prompt token only.
fn paper(model: &str, rules: &MonitorRules, c: &Correlation) -> Option<Published> {
    published(model, &rules.trait_name, c.setting).filter(|_| c.metric == Metric::PromptLast)
}

fn setting_key(setting: Setting) -> &'static str {
    match setting {
        Setting::System => "system",
        Setting::ManyShot => "many-shot",
    }
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}
