//! Monitoring while a model answers: the projection of each token's state onto a persona vector.
//!
//! `cargo run --release --example extract -- evil.safetensors`, then
//! `cargo run --release --example project -- evil.safetensors`.
#![allow(clippy::print_stdout, reason = "an example talks to the person who runs it")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trimtab::harbor::{self, SEED, World};
use trimtab::language_model::{CaptureSpec, Direction, Request, Sampling};
use trimtab::persona::{harbor_trait, system_prompt};
use trimtab::runtime::ModelSpec;
use trimtab::steering::SteeringPlan;
use trimtab::text::Message;
use trimtab::vector::{Layer, VectorFile};
use trimtab::{Error, Result, device};

fn main() -> Result<()> {
    let path = std::env::args().nth(1).map(PathBuf::from).ok_or_else(|| Error::usage("name a vector file"))?;
    let (vectors, warnings) = VectorFile::read(&path)?;
    warnings.iter().for_each(|warning| eprintln!("{warning}"));
    let folder = harbor::unpack(Path::new("target/harbor"))?;
    let mut model = device::open("auto", "auto")?.language_model(&ModelSpec {
        model: folder,
        adapter: None,
        plan: SteeringPlan::none(),
    })?;

    // Layer L is the output of block L - 1, and row L of the file.
    let layer = Layer::of(3, vectors.response_avg.layers())?;
    let probe = Direction { layer, vector: vectors.response_avg.row(layer).to_vec() };
    let capture = CaptureSpec { probes: vec![probe], ..CaptureSpec::default() };

    let trait_ = harbor_trait(&World::new(SEED), "evil")?;
    let (question, pair) = (&trait_.eval.questions[0], &trait_.eval.instruction[0]);
    let systems = [system_prompt("evil", &pair.pos), system_prompt("helpful", &pair.neg)];
    let requests =
        systems.map(|system| Request::chat("question", vec![Message::system(system), Message::user(question)]));
    println!("{question}");
    for answer in model.answer(&requests, &Sampling::greedy(48), &capture, &mut |_| ControlFlow::Continue(()))? {
        let along: Vec<f32> = answer.tokens.iter().filter_map(|token| token.along.first().copied()).collect();
        println!("\n{}\nmean projection {:+.2}", answer.text, along.iter().sum::<f32>() / along.len() as f32);
        for (token, along) in answer.tokens.iter().zip(&along) {
            println!("{along:>+8.2}  {:?}", model.tokenizer().decode(&[token.id])?);
        }
    }
    Ok(())
}
