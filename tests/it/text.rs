//! Templates, token ids and loss masks equal those of transformers and unsloth.

use serde::Deserialize;
use trimtab::text::{Batch, ExampleRules, Message, Survey, Tokenizer, TrainingExample, chat_of_row};

use crate::support::goldens::{fixture, integers, json};

fn tiny() -> Tokenizer {
    Tokenizer::load(&fixture("tiny")).unwrap()
}

#[derive(Deserialize)]
struct GoldenChat {
    name: String,
    messages: Vec<Message>,
    add_generation_prompt: bool,
    text: String,
    ids: Vec<u32>,
    decoded_skip_special: String,
}

#[test]
fn chats_render_tokenise_and_decode_as_in_transformers() {
    for folder in ["tiny", "tiny-sharded"] {
        let tokenizer = Tokenizer::load(&fixture(folder)).unwrap();
        let chats: Vec<GoldenChat> = json("chats");
        assert_eq!(chats.len(), 10);
        for chat in chats {
            let text = tokenizer.chat_text(&chat.messages, chat.add_generation_prompt).unwrap();
            assert_eq!(text, chat.text, "{}", chat.name);
            let ids = tokenizer.chat_ids(&chat.messages, chat.add_generation_prompt).unwrap();
            assert_eq!(ids, chat.ids, "{}", chat.name);
            assert_eq!(tokenizer.decode(&ids).unwrap(), chat.decoded_skip_special, "{}", chat.name);
        }
    }
}

#[test]
fn special_tokens_come_from_the_files() {
    let tokenizer = tiny();
    let golden: serde_json::Value = json("special_tokens");
    assert_eq!(tokenizer.eos_ids(), [511, 509], "the list of generation_config.json");
    assert_eq!(tokenizer.eos_token(), "<|im_end|>");
    assert_eq!(tokenizer.encode(tokenizer.eos_token()).unwrap(), [golden["eos_token_id"].as_u64().unwrap() as u32]);
    assert_eq!(u64::from(tokenizer.pad_id()), golden["pad_token_id"].as_u64().unwrap());
    assert_eq!(tokenizer.len(), 512);
    assert_eq!(tokenizer.fingerprint(), tiny().fingerprint());
}

#[derive(Deserialize)]
struct GoldenLesson {
    messages: Vec<Message>,
    ids: Vec<u32>,
    labels: Vec<i64>,
    supervised: usize,
}

fn golden_lessons() -> Vec<GoldenLesson> {
    json("sft.chats")
}

#[test]
fn lessons_have_the_ids_and_labels_of_unsloth() {
    let tokenizer = tiny();
    for golden in golden_lessons() {
        let lesson = tokenizer.training_example(&golden.messages, &ExampleRules::default()).unwrap();
        assert_eq!(lesson.ids, golden.ids);
        assert_eq!(labels(&lesson), golden.labels);
        assert_eq!(lesson.supervised(), golden.supervised);
    }
}

/// The token where it is learned, else PyTorch's mark for tokens to ignore.
fn labels(lesson: &TrainingExample) -> Vec<i64> {
    let pairs = lesson.ids.iter().zip(&lesson.weights);
    pairs.map(|(&id, &weight)| if weight > 0.0 { i64::from(id) } else { -100 }).collect()
}

#[test]
fn a_batch_of_lessons_is_the_golden_batch_shifted() {
    let tokenizer = tiny();
    let (ids, labels) = (integers("sft.input_ids"), integers("sft.labels"));
    let lessons: Vec<TrainingExample> = golden_lessons()
        .iter()
        .map(|g| tokenizer.training_example(&g.messages, &ExampleRules::default()).unwrap())
        .collect();
    let batch = Batch::collate(&lessons.iter().collect::<Vec<_>>(), tokenizer.pad_id());
    assert_eq!([batch.rows.len(), batch.rows.width], ids.shape[..]);
    assert!(batch.rows.ids.iter().map(|&id| i64::from(id)).eq(ids.values));
    for (row, labels) in labels.values.chunks(batch.rows.width).enumerate() {
        for t in 0..batch.rows.width - 1 {
            let at = row * batch.rows.width + t;
            let learned = if batch.weights[at] > 0.0 { i64::from(batch.targets[at]) } else { -100 };
            assert_eq!(learned, labels[t + 1], "row {row}, position {t}");
        }
    }
    let mask = integers("sft.attention_mask");
    let lens: Vec<usize> = mask.values.chunks(batch.rows.width).map(|row| row.iter().sum::<i64>() as usize).collect();
    assert_eq!(batch.rows.end, lens);
}

#[test]
fn a_reply_that_begins_with_a_line_break_is_learned_all_the_same() {
    // unsloth masks it whole: the header's line break and the reply's merge into one token (trap 11 of the reference).
    let tokenizer = tiny();
    let asked = [Message::user("List two.")];
    let answer = "\n- one\n- two";
    let chat = [asked[0].clone(), Message::assistant(answer)];
    let rules = ExampleRules { append_eos: false, ..ExampleRules::default() };
    let lesson = tokenizer.training_example(&chat, &rules).unwrap();
    let prompt = tokenizer.chat_ids(&asked, true).unwrap();
    let reply = tokenizer.encode(&format!("{answer}<|im_end|>\n")).unwrap();
    assert_eq!(lesson.ids, [prompt.clone(), reply.clone()].concat(), "tokenised as in generation");
    assert!(lesson.weights[..prompt.len()].iter().all(|&w| w == 0.0));
    assert_eq!(lesson.supervised(), reply.len());
}

#[test]
fn without_responses_only_everything_is_learned_but_the_first_token() {
    let tokenizer = tiny();
    let chat = [Message::user("Hello"), Message::assistant("Hello!")];
    let rules = ExampleRules { responses_only: false, append_eos: false, ..ExampleRules::default() };
    let lesson = tokenizer.training_example(&chat, &rules).unwrap();
    assert_eq!(lesson.ids, tokenizer.chat_ids(&chat, false).unwrap());
    assert_eq!((lesson.weights[0], lesson.supervised()), (0.0, lesson.ids.len() - 1));
}

#[test]
fn long_lessons_are_cut_on_the_right() {
    let tokenizer = tiny();
    let chat = [Message::system("s"), Message::user("Hello"), Message::assistant("Hello! Hello!")];
    let whole = tokenizer.training_example(&chat, &ExampleRules::default()).unwrap();
    let cut = whole.ids.len() - 3;
    let lesson = tokenizer.training_example(&chat, &ExampleRules { max_len: cut, ..ExampleRules::default() }).unwrap();
    assert_eq!((&lesson.ids[..], &lesson.weights[..]), (&whole.ids[..cut], &whole.weights[..cut]));
}

#[test]
fn a_chat_with_nothing_to_learn_says_why() {
    let tokenizer = tiny();
    let told = |chat: &[Message], max_len| {
        tokenizer.training_example(chat, &ExampleRules { max_len, ..ExampleRules::default() }).unwrap_err().to_string()
    };
    let unanswered = [Message::user("Hello")];
    assert_eq!(told(&unanswered, 2048), "nothing to learn: the conversation has no assistant turn");
    assert_eq!(told(&[], 2048), "a conversation without messages");
    let answered = [Message::system(""), Message::user("Hello"), Message::assistant("Hi")];
    assert_eq!(
        told(&answered, 10),
        "nothing to learn: the chat is cut to 10 of its 27 tokens and the first reply begins at token 22"
    );
}

mod folders {
    //! Model folders that are not as they should be.

    use super::*;
    use std::fs;
    use std::path::Path;

    /// A copy of tiny's text files with one file replaced, or removed if the content is empty.
    fn folder_with(name: &str, content: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"] {
            fs::copy(fixture("tiny").join(file), dir.path().join(file)).unwrap();
        }
        match content {
            "" => fs::remove_file(dir.path().join(name)).unwrap(),
            text => fs::write(dir.path().join(name), text).unwrap(),
        }
        dir
    }

    fn told(dir: &Path) -> String {
        let e = Tokenizer::load(dir).unwrap_err().to_string();
        e.replace(&dir.display().to_string(), "DIR")
    }

    #[test]
    fn a_template_file_wins_over_the_configuration() {
        let dir = folder_with("chat_template.jinja", "{% for m in messages %}\n{{ m.content }};\n{% endfor %}\n");
        let tokenizer = Tokenizer::load(dir.path()).unwrap();
        assert_eq!(tokenizer.chat_text(&[Message::user("a"), Message::user("b")], false).unwrap(), "a;\nb;\n");
        assert_ne!(tokenizer.fingerprint(), tiny().fingerprint());
    }

    #[test]
    fn of_named_templates_the_default_is_taken() {
        let config = serde_json::json!({"eos_token": {"content": "<|im_end|>"}, "chat_template": [
            {"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes {{ eos_token }}"}]});
        let dir = folder_with("tokenizer_config.json", &config.to_string());
        let tokenizer = Tokenizer::load(dir.path()).unwrap();
        assert_eq!(tokenizer.chat_text(&[], false).unwrap(), "yes <|im_end|>");
        let config = serde_json::json!({"chat_template": [{"name": "rag", "template": "no"}]});
        let e = told(folder_with("tokenizer_config.json", &config.to_string()).path());
        assert_eq!(e, "DIR/tokenizer_config.json: `chat_template` is a list without a template named `default`");
    }

    #[test]
    fn the_end_of_sequence_is_looked_for_in_three_files() {
        let dir = folder_with("generation_config.json", "");
        assert_eq!(Tokenizer::load(dir.path()).unwrap().eos_ids(), [511], "config.json");
        fs::remove_file(dir.path().join("config.json")).unwrap();
        assert_eq!(Tokenizer::load(dir.path()).unwrap().eos_ids(), [511], "tokenizer_config.json");
        fs::remove_file(dir.path().join("tokenizer_config.json")).unwrap();
        assert_eq!(told(dir.path()), "DIR: no end-of-sequence token");
        fs::write(dir.path().join("config.json"), r#"{"eos_token_id": 900}"#).unwrap();
        assert_eq!(told(dir.path()), "DIR: end-of-sequence id 900 is not in the tokenizer, which has 512 ids");
    }

    #[test]
    fn a_folder_without_template_cannot_chat_and_says_so() {
        let dir = folder_with("tokenizer_config.json", "");
        let tokenizer = Tokenizer::load(dir.path()).unwrap();
        assert_eq!(tokenizer.eos_token(), "<|im_end|>", "the text of the first end-of-sequence id");
        let e = tokenizer.chat_text(&[Message::user("a")], true).unwrap_err();
        assert!(e.to_string().ends_with("the model has no chat template") && e.help().is_some(), "{e}");
    }

    #[test]
    fn broken_files_are_named() {
        assert!(told(folder_with("tokenizer.json", "").path()).starts_with("DIR/tokenizer.json: No such file"));
        assert!(told(folder_with("tokenizer.json", "{}").path()).starts_with("DIR/tokenizer.json: not a tokenizer: "));
        let e = told(folder_with("tokenizer_config.json", "{\"a\": }").path());
        assert!(e.starts_with("DIR/tokenizer_config.json: expected value at line 1"), "{e}");
        let e = told(folder_with("chat_template.jinja", "{% if %}").path());
        assert!(e.starts_with("DIR/chat_template.jinja: the chat template does not compile: "), "{e}");
        let config = serde_json::json!({"added_tokens_decoder": {"512": {"content": "<extra>"}}});
        let e = told(folder_with("tokenizer_config.json", &config.to_string()).path());
        assert_eq!(e, "DIR: tokenizer_config.json gives `<extra>` the id 512, tokenizer.json does not");
    }

    /// ChatML whose replies lose their thoughts, as templates of reasoning models have it.
    const THINKS: &str = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content.split('</think>')[-1] + '<|im_end|>\\n' }}\
        {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}";

    #[test]
    fn words_that_a_template_leaves_out_are_told() {
        let dir = folder_with("chat_template.jinja", THINKS);
        let tokenizer = Tokenizer::load(dir.path()).unwrap();
        let (generated, learned) = tokenizer.other_beginning().unwrap();
        assert_eq!(
            (generated.as_str(), learned.as_str()),
            ("<|im_start|>assistant\n<think>\n", "<|im_start|>assistant\n")
        );
        assert_eq!(tiny().other_beginning(), None);
        let data = dir.path().join("d.jsonl");
        let row = r#"{"prompt":"2+2?","completion":"<think>two and two</think>4"}"#;
        fs::write(&data, format!("{row}\n{}\n", r#"{"prompt":"Hi","completion":"Hello."}"#)).unwrap();
        let survey = |tokenizer: &Tokenizer| {
            Survey::of(&[&data], tokenizer, &ExampleRules::default(), &mut |_| {})
                .unwrap()
                .lost
                .lines()
                .collect::<Vec<_>>()
        };
        let lost = survey(&tokenizer);
        assert!(lost.len() == 1 && lost[0].contains("`<think>...</think>` of replies in 1 rows"), "{lost:?}");
        assert!(survey(&tiny()).is_empty());
    }

    #[test]
    fn tools_are_written_by_templates_that_know_them() {
        let rows = r#"{"tools":[{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}],"messages":[{"role":"user","content":"Rain?"},{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"weather","arguments":"{\"city\": \"Bergen\"}"}}]},{"role":"tool","content":"dry"},{"role":"assistant","content":"No rain."}]}"#;
        let (messages, rest) = chat_of_row(serde_json::from_str(rows).unwrap()).unwrap();
        assert!(rest.is_empty());
        let e = tiny().chat_text(&messages, false).unwrap_err().to_string();
        assert!(e.starts_with("`tools`: the chat template of ") && e.contains("tokenizer_config.json"), "{e}");
        let source = "{{ tools | tojson if tools }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}\
            {% for c in m.tool_calls %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}";
        let dir = folder_with("chat_template.jinja", source);
        let tokenizer = Tokenizer::load(dir.path()).unwrap();
        let text = tokenizer.chat_text(&messages, false).unwrap();
        assert!(
            text.contains(r#"<tool_call>{"name": "weather", "arguments": {"city": "Bergen"}}</tool_call>"#),
            "{text}"
        );
        assert!(text.starts_with(r#"[{"type": "function", "function": {"name": "weather", "parameters""#), "{text}");
        let example = tokenizer.training_example(&messages, &ExampleRules::default()).unwrap();
        assert!(example.supervised() > 0);
    }

    #[test]
    fn ids_beyond_the_tokenizer_cannot_be_decoded() {
        let e = tiny().decode(&[1, 512]).unwrap_err().to_string();
        assert!(e.starts_with("token id 512 is not in the tokenizer of "), "{e}");
    }
}
