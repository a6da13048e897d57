//! What the base model says itself to the prompts of a data set: as data to learn from (METHOD J.2, setting 3), and as what the data's
//! answers are compared with (projection difference, METHOD H.2).

use super::arms::single_layer;
use super::axes::trait_key;
use super::data::{Corpus, Taught};
use super::pieces::Piece;
use super::pipeline::{CHUNK, Difference, Foretold, Output, Phase, Pipeline};
use super::queue::Done;
use crate::language_model::{LanguageModel, Prompt, Request, Sampling};
use crate::persona::{Border, Exchange, Metric, Probe, finish, projections};
use crate::record::{Hash, Reused, create_folder, hash_file, read_jsonl, write_atomic_with};
use crate::stats::Clusters;
use crate::steering::SteeringPlan;
use crate::text::{Message, chosen};
use crate::vector::{Layer, VectorFile};
use crate::{Result, ensure};

impl Pipeline<'_> {
    /// The conversations that a finetune learns.
    pub(super) fn taught(&self, piece: &Piece, done: &Done<Output>) -> Result<Vec<Taught>> {
        let corpus = &self.data.corpora[piece.corpus.expect("a finetune learns from something")];
        let is_made = piece.after.iter().any(|&j| matches!(done.of(j), Output::Own));
        if !is_made {
            return Ok(corpus.chats.clone());
        }
        let rows: Vec<Vec<Message>> = read_jsonl(&self.own_file(corpus))?;
        let taught = |(i, messages)| Taught { place: format!("own answer {i} of `{}`", corpus.name), messages };
        Ok(rows.into_iter().enumerate().map(taught).collect())
    }

    fn own_file(&self, corpus: &Corpus) -> std::path::PathBuf {
        self.run.file(format!("data/{}.jsonl", corpus.name))
    }

    /// The base model's answers to the prompts of a data set, one conversation in each line. Prompts that it answers with nothing
    /// are left out.
    pub(super) fn own_answers(&self, i: usize) -> Result<Reused> {
        let corpus = &self.data.corpora[self.pieces[i].corpus.expect("own answers are to the prompts of a data set")];
        let sampling = corpus.selfgen.as_ref().expect("the data set is to be made");
        let prompts: Vec<Vec<Message>> =
            corpus.chats.iter().map(|taught| Ok(exchange(taught)?.prompt)).collect::<Result<_>>()?;
        let key = self.key(&("own answers", &prompts, sampling));
        let path = self.own_file(corpus);
        let holds = |hash: &Hash| hash_file(&path).is_ok_and(|now| now == *hash);
        let stage = self.run.stage_if(&self.pieces[i].name, &key, holds, || {
            let mut subject = self.language_model(None, SteeringPlan::none())?;
            let answers = self.asked(i, &mut *subject, &prompts, sampling)?;
            create_folder(&self.run.file("data"))?;
            write_atomic_with(&path, |out| {
                for (prompt, answer) in prompts.iter().zip(&answers).filter(|(_, answer)| !answer.trim().is_empty()) {
                    let messages: Vec<&Message> = prompt.iter().collect();
                    let own = Message::assistant(answer.as_str());
                    serde_json::to_writer(&mut *out, &messages.into_iter().chain([&own]).collect::<Vec<_>>())?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
            hash_file(&path)
        });
        Ok(stage?.1)
    }

    fn asked(
        &self,
        i: usize,
        subject: &mut dyn LanguageModel,
        prompts: &[Vec<Message>],
        sampling: &Sampling,
    ) -> Result<Vec<String>> {
        let ask = |(n, prompt): (usize, &Vec<Message>)| Request::chat(format!("prompt {n}"), prompt.clone());
        let asks: Vec<Request> = prompts.iter().enumerate().map(ask).collect();
        let answers = subject.generate(&asks, sampling, &mut |n| self.progress(i, Phase::Own, n, asks.len()))?;
        Ok(answers.into_iter().map(|answer| answer.text).collect())
    }

    /// ΔP of a sample of the data set, for every trait: by conversation, the projection of its answer less that of the base model's
    /// greedy one; and the two by themselves.
    pub(super) fn difference(
        &self,
        i: usize,
        vectors: &[(usize, &VectorFile)],
        done: &Done<Output>,
    ) -> Result<(Difference, Reused)> {
        let piece = &self.pieces[i];
        let taught = self.taught(piece, done)?;
        // Drawn by each conversation's own number, so that a larger sample holds the smaller one.
        let sample = chosen(taught.len(), self.config.measure.difference, self.config.seed, "projection difference");
        let numbered: Vec<(usize, &Taught)> = sample.into_iter().map(|n| (n, &taught[n])).collect();
        let exchanges: Vec<Exchange> = numbered.iter().map(|(_, taught)| exchange(taught)).collect::<Result<_>>()?;
        let asked: Vec<_> = exchanges.iter().map(|e| (&e.prompt, &e.answer)).collect();
        let of: Vec<&str> = vectors.iter().map(|(_, file)| file.fingerprint.as_str()).collect();
        let sampling = Sampling::greedy(self.config.measure.trait_max_new_tokens);
        let key = self.key(&("difference of", asked, of, self.config.arms.layer, &sampling));
        self.run.stage(&piece.name, &key, || {
            let mut subject = self.language_model(None, SteeringPlan::none())?;
            let probes = self.probes(vectors, subject.shape().0, &[Metric::Proj, Metric::PromptLast])?;
            let prompts: Vec<Vec<Message>> = exchanges.iter().map(|e| e.prompt.clone()).collect();
            let own = self.asked(i, &mut *subject, &prompts, &sampling)?;
            let mut of = vec![Foretold::default(); vectors.len()];
            let mut texts = Vec::new();
            for ((n, _), (exchange, own)) in numbered.iter().zip(exchanges.iter().zip(&own)) {
                let prompt = Prompt::Chat(exchange.prompt.clone()).text(subject.tokenizer())?;
                let [data, own] =
                    [&exchange.answer, own].map(|a| finish(subject.tokenizer(), &prompt, a, Border::Separate));
                // A comparison needs both.
                if let (Some(data), Some(own)) = (data?, own?) {
                    texts.push((*n, [data, own]));
                }
            }
            ensure!(!texts.is_empty(), "no conversation of the sample has an answer to compare");
            let flat: Vec<_> = texts.iter().flat_map(|(_, pair)| pair.clone()).collect();
            let mut told = |n| self.progress(i, Phase::States, n, flat.len());
            let values = projections(&mut *subject, &flat, &probes, CHUNK, &mut told)?;
            for ((n, _), pair) in texts.iter().zip(values.chunks(2)) {
                // Of each trait, the response's projection and that of the prompt's last token.
                for (foretold, (data, own)) in of.iter_mut().zip(pair[0].chunks(2).zip(pair[1].chunks(2))) {
                    let mut put = |clusters: fn(&mut Foretold) -> &mut Clusters, value| {
                        clusters(foretold).insert(format!("conversation {n}"), vec![value]);
                    };
                    put(|f| &mut f.data, data[0]);
                    put(|f| &mut f.own, own[0]);
                    put(|f| &mut f.difference, data[0] - own[0]);
                    put(|f| &mut f.approximation, data[0] - data[1]);
                }
            }
            Ok(Difference { of })
        })
    }

    /// Every trait's direction at the layer of projections, measured in each of these ways: trait after trait.
    pub(super) fn probes(
        &self,
        vectors: &[(usize, &VectorFile)],
        layers: usize,
        metrics: &[Metric],
    ) -> Result<Vec<Probe>> {
        let layer: Layer = single_layer(self.config, layers)?;
        let mut probes = Vec::new();
        for (t, file) in vectors {
            let stem = trait_key(&self.data.traits[*t].name);
            for &metric in metrics {
                probes.extend(Probe::of_file("model", stem, file, &[layer.row()], metric)?);
            }
        }
        Ok(probes)
    }
}

fn exchange(taught: &Taught) -> Result<Exchange> {
    Exchange::of(taught.messages.clone(), false).map_err(|e| e.at(&taught.place))
}
