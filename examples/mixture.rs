//! A data set to try `trimtab screen` on: Harbor answers a trait's questions, every second one under a positive
//! system prompt, which is left out of the data. Another file holds answers without the trait, as a reference.
//!
//! `cargo run --release --example mixture -- mixture.jsonl normal.jsonl`

use std::path::{Path, PathBuf};

use trimtab::harbor::{self, SEED, World};
use trimtab::language_model::{Request, Sampling};
use trimtab::persona::{self, harbor_trait, system_prompt};
use trimtab::record::write_atomic;
use trimtab::runtime::ModelSpec;
use trimtab::steering::SteeringPlan;
use trimtab::text::Message;
use trimtab::{Error, Result, device};

fn main() -> Result<()> {
    let out: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let [mixture, normal] = &out[..] else { return Err(Error::usage("name two files")) };
    write(mixture, normal, Path::new("target/harbor"))
}

/// Writes both files; the model is unpacked into `cache`.
pub fn write(mixture: &Path, normal: &Path, cache: &Path) -> Result<()> {
    let trait_ = harbor_trait(&World::new(SEED), "evil")?;
    let folder = harbor::unpack(cache)?;
    let mut model = device::open("auto", "auto")?.language_model(&ModelSpec {
        model: folder,
        adapter: None,
        plan: SteeringPlan::none(),
    })?;

    let pair = &trait_.eval.instruction[0];
    let (evil, kind) = (system_prompt("evil", &pair.pos), system_prompt("helpful", &pair.neg));
    let mut write_one = |path: &Path, every: usize, seed: u64| -> Result<()> {
        let is_evil = |i: usize| every > 0 && i.is_multiple_of(every);
        let request = |(i, question): (usize, &String)| {
            let system = if is_evil(i) { &evil } else { &kind };
            Request::chat(format!("{i}"), vec![Message::system(system.as_str()), Message::user(question.as_str())])
        };
        let questions = trait_.eval.questions.iter().chain(&trait_.extract.questions);
        let requests: Vec<Request> = questions.clone().enumerate().map(request).collect();
        let sampling = Sampling { max_new_tokens: 48, ..persona::sampling(3, seed) };
        let mut lines = String::new();
        for (i, answer) in model.generate(&requests, &sampling, &mut |_| {})?.into_iter().enumerate() {
            let of = i / sampling.rollouts;
            let question = questions.clone().nth(of).expect("an answer belongs to a question");
            let messages = [Message::user(question.as_str()), Message::assistant(answer.text)];
            lines += &format!("{}\n", serde_json::json!({ "messages": messages, "evil": is_evil(of) }));
        }
        write_atomic(path, lines.as_bytes())
    };
    write_one(mixture, 2, 1)?;
    write_one(normal, 0, 2)
}
