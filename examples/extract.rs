//! From a trait to its persona vector: rollouts under positive and negative system prompts, scores, filter, difference of means.
//!
//! `cargo run --release --example extract -- evil.safetensors`
#![allow(clippy::print_stdout, reason = "an example talks to the person who runs it")]

use std::path::{Path, PathBuf};

use trimtab::harbor::{self, SEED, World};
use trimtab::judge::{HarborJudge, JudgedAnswer, TokenIds};
use trimtab::language_model::{Request, Sampling};
use trimtab::persona::{self, ExtractionRecipe, Inquiry, Side};
use trimtab::runtime::ModelSpec;
use trimtab::steering::SteeringPlan;
use trimtab::vector::Layer;
use trimtab::{Error, Result, device};

fn main() -> Result<()> {
    let out = std::env::args().nth(1).map(PathBuf::from).ok_or_else(|| Error::usage("name a file for the vector"))?;
    let world = World::new(SEED);
    let trait_ = persona::harbor_trait(&world, "evil")?;
    let mut judge = HarborJudge::new(world);
    let folder = harbor::unpack(Path::new("target/harbor"))?;
    let mut model = device::open("auto", "auto")?.language_model(&ModelSpec {
        model: folder,
        adapter: None,
        plan: SteeringPlan::none(),
    })?;

    // Twenty questions under five instructions of each kind, two rollouts each.
    let sampling = Sampling { max_new_tokens: 48, ..persona::sampling(2, 0) };
    let mut side = |side: Side| -> Result<Vec<JudgedAnswer>> {
        let inquiry = Inquiry::new(&trait_.name, &trait_.extract, side, &sampling);
        let (rows, requests): (Vec<JudgedAnswer>, Vec<Request>) = inquiry.asks(model.tokenizer())?.into_iter().unzip();
        let mut answered = Vec::new();
        for (i, answer) in model.generate(&requests, &sampling, &mut |_| {})?.into_iter().enumerate() {
            let ids = Some(TokenIds { prompt: answer.prompt_ids, answer: answer.token_ids });
            answered.push(JudgedAnswer { answer: answer.text, ids, ..rows[i / sampling.rollouts].clone() });
        }
        persona::judge_rows(&mut judge, &trait_.name, &mut answered)?;
        Ok(answered)
    };
    let (pos, neg) = (side(Side::Pos)?, side(Side::Neg)?);
    let recipe = ExtractionRecipe::new(&trait_.name, "harbor", "an example does not say which weights");
    let made = persona::extract(&mut *model, &pos, &neg, &recipe, &mut |_, _| {})?;
    println!("{}", made.diagnosis);
    for layer in (1..=made.file.response_avg.layers()).map(Layer) {
        println!("{layer}: norm {:.3}", made.file.response_avg.norm(layer));
    }
    made.file.write(&out)
}
