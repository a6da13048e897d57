//! Conversations without a terminal: a script of lines, and what is shown for them.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::Screen;
use super::talk::talk;
use crate::fakes::{EchoLab, EchoModel, tiny_tokenizer};
use crate::language_model::{Prompt, Sampling};
use crate::session::{AnswerSink, Conversation, LiveModel, ProbeScale, VectorSet};
use crate::steering::Positions;
use crate::vector::{PersonaVector, VectorFile};
use crate::{Error, Result};

/// Lines to say, and everything that was shown: answers as they are, notes after `#`, mistakes after `!`.
#[derive(Default)]
struct Script {
    lines: VecDeque<String>,
    shown: String,
    shades: Vec<f64>,
    stop_after: Option<usize>,
    words: usize,
}

impl AnswerSink for Script {
    fn begin(&mut self, title: Option<&str>, _: Option<&ProbeScale>) {
        title.into_iter().for_each(|title| self.note(title));
    }

    fn text(&mut self, text: &str, shade: Option<f64>) {
        self.words += 1;
        self.shown += text;
        self.shades.extend(shade);
    }

    fn end(&mut self) {
        self.shown += "\n";
    }

    fn note(&mut self, text: &str) {
        text.lines().for_each(|line| self.shown += &format!("# {line}\n"));
    }

    fn stop(&mut self) -> bool {
        self.stop_after.is_some_and(|n| self.words >= n)
    }
}

impl Screen for Script {
    fn read(&mut self) -> Result<Option<String>> {
        Ok(self.lines.pop_front())
    }

    fn refused(&mut self, error: Error) -> Result<()> {
        self.shown += &format!("! {error}\n");
        Ok(())
    }
}

/// Plays the lines; gives what was shown and the rows of the conversation.
fn play(lines: &[&str]) -> (Script, Value) {
    let vector = |scale: f32| {
        let rows = (0..=EchoModel::LAYERS).map(|l| vec![scale * l as f32; EchoModel::HIDDEN]).collect();
        VectorFile::new(PersonaVector::new(rows).unwrap(), None, None, Default::default()).unwrap()
    };
    let files = BTreeMap::from([("evil".to_owned(), vector(1.0)), ("kind".to_owned(), vector(2.0))]);
    let vectors = VectorSet::new(files, EchoModel::LAYERS);
    // The model says how it is steered, how many turns it was given, and the last of them.
    let runtime = EchoLab(|ask, _| {
        let Prompt::Chat(messages) = &ask.prompt else { panic!("a conversation is asked") };
        let strengths = ask.coefs.clone().unwrap_or_default();
        format!("{strengths:?} {} {}", messages.len(), messages[messages.len() - 1].content)
    });
    let live = LiveModel::open(&runtime, "model".into(), None).unwrap();
    let sampling = Sampling::greedy(50);
    let mut conversation = Conversation::new(live, tiny_tokenizer(), vectors, sampling, Positions::Response, None);
    let mut script = Script { lines: lines.iter().map(|line| (*line).to_owned()).collect(), ..Script::default() };
    talk(&mut conversation, &mut script).unwrap();
    (script, json!(conversation.answers()))
}

fn answers(shown: &str) -> Vec<&str> {
    shown.lines().filter(|line| !line.starts_with(['#', '!'])).collect()
}

#[test]
fn turns_follow_each_other_under_one_system_prompt() {
    let (script, rows) = play(&["Hello", "", "/system Be brief.", "//slash", "/reset", "Again", "/quit", "never"]);
    assert_eq!(answers(&script.shown), ["[] 1 Hello", "[] 4 /slash", "[] 2 Again"]);
    assert_eq!(rows.as_array().unwrap().len(), 1, "what was before the reset is forgotten");
    let said: Vec<&str> =
        rows[0]["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["Be brief.", "Again", "[] 2 Again"]);
}

#[test]
fn steering_is_set_changed_and_ended_between_turns() {
    let lines = ["/steer evil=-1.5@2", "a", "/steer +0.5", "b", "/steer kind=2@all", "c", "/steer evil off", "d"];
    let (script, rows) = play(&lines);
    assert_eq!(answers(&script.shown), ["[-1.5] 1 a", "[-1.0] 3 b", "[-1.0, 2.0] 5 c", "[0.0, 2.0] 7 d"]);
    assert!(script.shown.contains("# steering: evil -1.5 at layer 2 (block 1), response tokens, "), "{}", script.shown);
    assert!(script.shown.contains("norm 4.4721, shift 6.7082"), "{}", script.shown);
    let steering = &rows[2]["steering"];
    assert_eq!(
        (&steering[0]["vector"], &steering[0]["coef"], &steering[0]["layers"]),
        (&json!("evil"), &json!(-1.0), &json!([2]))
    );
    assert_eq!((&steering[1]["vector"], &steering[1]["incremental"]), (&json!("kind"), &json!(true)));
}

#[test]
fn a_wrong_line_changes_nothing() {
    let lines = [
        "/steer good=1@2",
        "/steer evil=1@9",
        "/steer evil=1",
        "/steer +1",
        "/steer kind=1@1 evil=1@9",
        "/compare a",
        "/regenerate",
        "/stear",
        "/probe evil@4",
        "a",
    ];
    let (script, _) = play(&lines);
    let mistakes: Vec<&str> = script.shown.lines().filter(|line| line.starts_with('!')).collect();
    assert_eq!(mistakes.len(), 9, "{}", script.shown);
    assert_eq!(mistakes[0], "! there is no vector `good`");
    assert_eq!(answers(&script.shown), ["[] 1 a"]);
}

#[test]
fn a_comparison_is_one_turn_twice_and_is_not_kept() {
    let (script, rows) = play(&["/steer evil=1@1", "/compare Who?", "Well?"]);
    assert_eq!(answers(&script.shown), ["[0.0] 1 Who?", "[1.0] 1 Who?", "[1.0] 1 Well?"]);
    let titles = script.shown.lines().filter(|line| line.ends_with("steering") && line.starts_with("# with")).count();
    assert_eq!((titles, rows.as_array().unwrap().len()), (2, 1));
}

#[test]
fn an_answer_is_given_anew_under_new_steering() {
    let (script, rows) = play(&["a", "b", "/steer evil=1@1", "/regenerate"]);
    assert_eq!(answers(&script.shown), ["[] 1 a", "[] 3 b", "[1.0] 3 b"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(rows[1]["messages"][3]["content"], "[1.0] 3 b");
}

#[test]
fn a_probe_shades_every_token_and_tells_the_mean() {
    let (script, rows) = play(&["/probe evil@2", "Hi", "/probe off", "Ho"]);
    let tokens = tiny_tokenizer().encode("[] 1 Hi").unwrap();
    let unit = (EchoModel::HIDDEN as f64).sqrt();
    let along = |id: u32| (0..EchoModel::HIDDEN).map(|d| f64::from(EchoModel::state(id, 2, d))).sum::<f64>() / unit;
    let mean = |ids: &[u32]| ids.iter().map(|&id| along(id)).sum::<f64>() / ids.len() as f64;
    let mut neutral = tiny_tokenizer().encode("[] 1 Hello, how are you?").unwrap();
    neutral.push(tiny_tokenizer().eos_ids()[0]);
    let neutral = mean(&neutral);
    for (id, shade) in tokens.iter().zip(&script.shades) {
        assert!((shade - (along(*id) - neutral) / (2.0 * unit)).abs() < 1e-5);
    }
    let probe = &rows[0]["probe"];
    assert!((probe["neutral"].as_f64().unwrap() - neutral).abs() < 1e-5, "{probe}");
    assert_eq!((script.shades.len(), &rows[1]["probe"]), (tokens.len() + 1, &Value::Null));
    assert!(script.shown.contains("\n# evil@2: mean "), "{}", script.shown);
}

#[test]
fn a_conversation_is_saved_with_its_steering() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.jsonl");
    play(&["a", "/steer evil=1@1", "b", &format!("/save {}", path.display())]);
    let chats = crate::text::read_chats(&path).unwrap();
    assert_eq!(chats.iter().map(|chat| chat.messages.len()).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(chats[1].extra["steering"][0]["vector"], "evil");
    assert_eq!(chats[0].extra["steering"], json!([]));
}
