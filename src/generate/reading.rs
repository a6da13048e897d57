//! Passes over whole texts, without a cache: what comes next, and what was on the model's mind.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::flight::read;
use super::{Engine, Job};
use crate::kernels::FusedOps;
use crate::subject::{Finished, Residuals};
use crate::text::Rows;
use crate::{Result, ensure};

/// A text whose tokens' likelihoods are asked for.
struct Reading {
    job: usize,
    text: Vec<u32>,
    /// After which token, which token, for which option.
    wants: Vec<(usize, u32, usize)>,
}

impl<B: FusedOps> Engine<B> {
    /// For each job, the log-probability (nats, over the whole vocabulary of the model) of each of its options as the
    /// beginning of the answer. Options of one token each share the prompt's one pass; longer ones are read out.
    ///
    /// Errors name the job whose prompt or option cannot be read.
    pub fn choose(&self, jobs: &[Job], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>> {
        assert_eq!(jobs.len(), options.len(), "options for every job");
        let mut readings = Vec::new();
        for (i, (job, options)) in jobs.iter().zip(options).enumerate() {
            let place = |e: crate::Error| e.at(format!("prompt `{}`", job.id));
            self.check(&job.prompt).map_err(place)?;
            self.check_coefs(job)?;
            if options.is_empty() {
                continue;
            }
            if options.iter().all(|option| option.len() == 1) {
                let wants =
                    options.iter().enumerate().map(|(k, option)| (job.prompt.len() - 1, option[0], k)).collect();
                readings.push(Reading { job: i, text: job.prompt.clone(), wants });
                continue;
            }
            for (k, option) in options.iter().enumerate() {
                let (_, read) = option.split_last().ok_or_else(|| place(crate::Error::new("an option is empty")))?;
                let from = job.prompt.len() - 1;
                let wants = option.iter().enumerate().map(|(t, &id)| (from + t, id, k)).collect();
                readings.push(Reading { job: i, text: [job.prompt.as_slice(), read].concat(), wants });
            }
        }
        for reading in &readings {
            let place = |e: crate::Error| e.at(format!("prompt `{}`", jobs[reading.job].id));
            self.check(&reading.text).map_err(place)?;
            let vocabulary = self.model.config.vocab_size;
            let beyond = reading.wants.iter().find(|want| want.1 as usize >= vocabulary);
            ensure!(beyond.is_none(), "an option is not in the model's vocabulary of {vocabulary}");
        }
        let mut chosen: Vec<Vec<f32>> = options.iter().map(|options| vec![0.0; options.len()]).collect();
        for batch in self.batches(readings.iter().map(|reading| reading.text.len()).collect()) {
            let batch: Vec<&Reading> = batch.iter().map(|&i| &readings[i]).collect();
            let texts: Vec<&[u32]> = batch.iter().map(|reading| reading.text.as_slice()).collect();
            let mut rows = Rows::whole(&texts, batch.iter().map(|r| jobs[r.job].prompt.len()).collect(), 0);
            rows.coefs = batch.iter().map(|r| self.coefs(&jobs[r.job])).collect();
            let wants = batch.iter().enumerate().flat_map(|(b, reading)| {
                reading.wants.iter().map(move |&(at, id, option)| (b, at, id, reading.job, option))
            });
            let wants: Vec<_> = wants.collect();
            let places = wants.iter().map(|&(b, at, id, ..)| (b * rows.width + at, id)).collect::<Vec<_>>();
            for (value, &(.., job, option)) in self.log_probabilities(&rows, &places).into_iter().zip(&wants) {
                chosen[job][option] += value;
            }
        }
        Ok(chosen)
    }

    /// The log-probability of a token after each of the given places of the stream; logits exist at these places alone.
    fn log_probabilities(&self, rows: &Rows, wants: &[(usize, u32)]) -> Vec<f32> {
        let device = &self.model.device;
        let ints = |values: Vec<i32>| {
            let n = values.len();
            Tensor::<B, 1, Int>::from_data(TensorData::new(values, [n]), device)
        };
        let mut places: Vec<usize> = wants.iter().map(|want| want.0).collect();
        places.dedup();
        let stream = self.model.stream(&self.model.pass(rows, rows.width), None, |_, _| {});
        let picked = stream.select(0, ints(places.iter().map(|&p| p as i32).collect()));
        let likes = log_softmax(self.model.logits(&picked), 1);
        let [n, vocabulary] = likes.dims();
        let mut row = 0;
        let cells = wants.iter().map(|&(place, id)| {
            while places[row] != place {
                row += 1;
            }
            (row * vocabulary) as i32 + id as i32
        });
        let cells = ints(cells.collect());
        read(likes.reshape([n * vocabulary]).select(0, cells))
    }

    /// The residual stream of finished texts at the three token positions (METHOD C.1), under the model's steering as it
    /// acts while a response is generated, its last token included.
    ///
    /// Errors name the text, counted from 0, that is empty or cannot be read.
    pub fn residuals(&self, texts: &[Finished]) -> Result<Vec<Residuals>> {
        let whole: Vec<Vec<u32>> =
            texts.iter().map(|t| [t.prompt_ids.as_slice(), t.response_ids.as_slice()].concat()).collect();
        for (i, text) in texts.iter().enumerate() {
            let nothing = text.prompt_ids.is_empty() || text.response_ids.is_empty();
            ensure!(!nothing, "text {i}: a prompt and a response are needed, one of them is empty");
            self.check(&whole[i]).map_err(|e| e.at(format!("text {i}")))?;
        }
        let mut found: Vec<Option<Residuals>> = vec![None; texts.len()];
        for batch in self.batches(whole.iter().map(Vec::len).collect()) {
            let ids: Vec<&[u32]> = batch.iter().map(|&i| whole[i].as_slice()).collect();
            let rows = Rows::whole(&ids, batch.iter().map(|&i| texts[i].prompt_ids.len()).collect(), 0);
            for (i, residuals) in batch.into_iter().zip(self.residuals_of(&rows)) {
                found[i] = Some(residuals);
            }
        }
        Ok(found.into_iter().map(|r| r.expect("every text is in a batch")).collect())
    }

    fn residuals_of(&self, rows: &Rows) -> Vec<Residuals> {
        const POSITIONS: usize = 3;
        let (n, width, hidden) = (rows.len(), rows.width, self.model.config.hidden_size);
        let mut shares = vec![0.0f32; n * POSITIONS * width];
        for (b, shares) in shares.chunks_mut(POSITIONS * width).enumerate() {
            let (prompt, end) = (rows.prompt[b], rows.end[b]);
            shares[prompt..end].fill(1.0 / (end - prompt) as f32);
            shares[width..width + prompt].fill(1.0 / prompt as f32);
            shares[2 * width + prompt - 1] = 1.0;
        }
        let shares = TensorData::new(shares, [n, POSITIONS, width]);
        let shares = Tensor::<B, 3>::from_data(shares, &self.model.device);
        // The means are taken where the stream is, and read once at the end.
        let mut layers = Vec::new();
        self.model.stream(&self.model.pass(rows, width), None, |_, h| {
            layers.push(shares.clone().matmul(h.clone().reshape([n, width, hidden])));
        });
        let depth = layers.len();
        let values = read(Tensor::stack::<4>(layers, 0)); // [layers + 1, rows, positions, hidden]
        let at = |b: usize, position: usize| -> Vec<Vec<f32>> {
            (0..depth).map(|l| values[((l * n + b) * POSITIONS + position) * hidden..][..hidden].to_vec()).collect()
        };
        (0..n).map(|b| Residuals { response_avg: at(b, 0), prompt_avg: at(b, 1), prompt_last: at(b, 2) }).collect()
    }

    /// Texts of like length together, longest first, each batch within the budget of one pass.
    fn batches(&self, lengths: Vec<usize>) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&i| (usize::MAX - lengths[i], i));
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for i in order {
            match batches.last_mut() {
                Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= self.budget.pass_tokens => batch.push(i),
                _ => batches.push(vec![i]),
            }
        }
        batches
    }
}
