//! One question, three strengths of a persona vector, one batch.
//!
//! `cargo run --release -- demo --quick --out demo` makes the vector; then
//! `cargo run --release --example steer -- demo/vector/hallucinating.safetensors`.
#![allow(clippy::print_stdout, reason = "an example talks to the person who runs it")]

use std::path::{Path, PathBuf};

use trimtab::harbor::{self, SEED, World};
use trimtab::language_model::{Request, Sampling};
use trimtab::runtime::ModelSpec;
use trimtab::steering::{Positions, SteeringPlan};
use trimtab::text::Message;
use trimtab::vector::{IncBase, VectorFile};
use trimtab::{Error, Result, device};

fn main() -> Result<()> {
    let path = std::env::args().nth(1).map(PathBuf::from).ok_or_else(|| Error::usage("name a vector file"))?;
    let (vectors, warnings) = VectorFile::read(&path)?;
    warnings.iter().for_each(|warning| eprintln!("{warning}"));

    // Every block adds its own increment of the vector, from the prompt's last token on.
    let plan = SteeringPlan::incremental(&vectors.response_avg, IncBase::Embedding, 1.0, Positions::Response);
    let folder = harbor::unpack(Path::new("target/harbor"))?;
    let mut model = device::open("auto", "auto")?.language_model(&ModelSpec { model: folder, adapter: None, plan })?;

    let question = World::new(SEED).stranger_questions(1, 3).remove(0);
    println!("{question}");
    let request =
        |coef: f32| Request { coefs: Some(vec![coef]), ..Request::chat("question", vec![Message::user(&question)]) };
    let coefs = [0.0, 1.0, 1.5];
    let requests = coefs.map(request);
    for (coef, answer) in coefs.iter().zip(model.generate(&requests, &Sampling::greedy(48), &mut |_| {})?) {
        println!("{coef:>4}  {}", answer.text);
    }
    Ok(())
}
