//! Log-probabilities of given options after given prompts; beginnings that several texts share are read once.

use std::collections::BTreeMap;

use burn_tensor::activation::log_softmax;
use burn_tensor::{Int, Tensor, TensorData};

use super::engine::{Engine, Job, read};
use super::prefix::{Marked, Node, tree};
use crate::kernels::FusedOps;
use crate::model::KvCache;
use crate::text::Rows;
use crate::{Result, ensure};

/// A text whose tokens' likelihoods are asked for: a prompt and the beginning of an option.
struct Reading {
    job: usize,
    tokens: Vec<u32>,
    /// After which token, which token, for which option.
    wants: Vec<(usize, u32, usize)>,
}

/// A token, and the job and option that it belongs to.
type Want = (u32, usize, usize);

/// What one call reads, and the log-probabilities found so far.
struct Scoring<'a> {
    jobs: &'a [Job],
    readings: Vec<Reading>,
    marked: Vec<Marked>,
    /// By node's text and place, which token for which job's which option.
    wants: BTreeMap<(usize, usize), Vec<Want>>,
    chosen: Vec<Vec<f32>>,
}

/// Logits that exist at once.
const LOGITS_MAX: usize = 1 << 26;

impl<B: FusedOps> Engine<B> {
    /// For each job, the log-probability (nats, over the whole vocabulary of the model) of each of its options as the
    /// beginning of the answer. A prompt is read once for all its options, and what prompts begin with alike once for
    /// all of them.
    ///
    /// # Errors
    /// Name the job whose prompt or option cannot be read.
    pub fn choose(&self, jobs: &[Job], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>> {
        assert_eq!(jobs.len(), options.len(), "options for every job");
        let mut readings = Vec::new();
        for (i, (job, options)) in jobs.iter().zip(options).enumerate() {
            readings.extend(self.readings(i, job, options).map_err(|e| e.at(format!("prompt `{}`", job.id)))?);
        }
        let mark = |reading: &Reading| {
            let job = &jobs[reading.job];
            self.marked(&self.coefs(job), job.prompt.len(), &reading.tokens)
        };
        let marked: Vec<Marked> = readings.iter().map(mark).collect();
        let chosen = options.iter().map(|options| vec![0.0; options.len()]).collect();
        let roots = tree(&marked);
        let mut scoring = Scoring { jobs, readings, marked, wants: BTreeMap::new(), chosen };
        scoring.assign(&roots);
        self.read_nodes(&roots.iter().map(|node| (node, 0)).collect::<Vec<_>>(), None, &mut scoring);
        assert!(scoring.wants.is_empty(), "every want lies in a node");
        Ok(scoring.chosen)
    }

    /// What must be read for one job's options: the prompt with each option but for its last token, each text once.
    fn readings(&self, job: usize, asked: &Job, options: &[Vec<u32>]) -> Result<Vec<Reading>> {
        self.check(&asked.prompt)?;
        self.check_coefs(asked)?;
        let vocabulary = self.model.config.vocab_size;
        let mut readings: BTreeMap<&[u32], Vec<(usize, u32, usize)>> = BTreeMap::new();
        let from = asked.prompt.len() - 1;
        for (k, option) in options.iter().enumerate() {
            let (_, begin) = option.split_last().ok_or_else(|| crate::Error::new("an option is empty"))?;
            ensure!(
                option.iter().all(|&id| (id as usize) < vocabulary),
                "an option is not in the model's vocabulary of {vocabulary}"
            );
            let wants = option.iter().enumerate().map(|(t, &id)| (from + t, id, k));
            readings.entry(begin).or_default().extend(wants);
        }
        let reading = |(begin, wants): (&[u32], Vec<(usize, u32, usize)>)| {
            let tokens = [asked.prompt.as_slice(), begin].concat();
            self.check(&tokens)?;
            Ok(Reading { job, tokens, wants })
        };
        readings.into_iter().map(reading).collect()
    }

    /// Reads nodes that follow the given rows of `before` (or nothing), then what follows them.
    fn read_nodes(&self, nodes: &[(&Node, usize)], before: Option<&KvCache<B>>, scoring: &mut Scoring<'_>) {
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        // Stretches of like length together, longest first; those that something follows apart from those that end.
        order.sort_by_key(|&i| {
            let node = nodes[i].0;
            (node.children.is_empty(), usize::MAX - (node.to - node.from), i)
        });
        let mut rest = order.as_slice();
        while let Some(&first) = rest.first() {
            let (lead, columns) = (nodes[first].0, |n: usize| nodes[n].0.to);
            let width = lead.to - lead.from;
            let alike = |&&i: &&usize| nodes[i].0.children.is_empty() == lead.children.is_empty();
            let mut n = rest.iter().take_while(alike).count().min((self.budget.pass_tokens / width).max(1));
            let fits =
                |n: usize| n * rest[..n].iter().map(|&i| columns(i)).max().unwrap_or(1) <= self.budget.cache_tokens;
            while n > 1 && !fits(n) {
                n = n.div_ceil(2);
            }
            let (batch, after) = rest.split_at(n);
            rest = after;
            let batch: Vec<(&Node, usize)> = batch.iter().map(|&i| nodes[i]).collect();
            let cache = self.read_batch(&batch, before, scoring);
            let next: Vec<(&Node, usize)> =
                batch.iter().enumerate().flat_map(|(b, (node, _))| node.children.iter().map(move |c| (c, b))).collect();
            if !next.is_empty() {
                self.read_nodes(&next, cache.as_ref(), scoring);
            }
        }
    }

    /// One pass over a batch of nodes; gives the cache if anything follows.
    fn read_batch(
        &self,
        batch: &[(&Node, usize)],
        before: Option<&KvCache<B>>,
        scoring: &mut Scoring<'_>,
    ) -> Option<KvCache<B>> {
        let model = &self.model;
        let width = batch.iter().map(|(node, _)| node.to - node.from).max().unwrap_or(0);
        let mut rows = Rows::whole(&[], Vec::new(), 0);
        rows.width = width;
        for (node, _) in batch {
            let reading = &scoring.readings[node.text];
            let stretch = &reading.tokens[node.from..node.to];
            rows.ids.extend(stretch.iter().copied().chain(std::iter::repeat_n(0, width - stretch.len())));
            rows.start.push(0);
            rows.at.push(node.from);
            rows.end.push(node.to);
            rows.prompt.push(scoring.jobs[reading.job].prompt.len());
            rows.coefs.push(self.coefs(&scoring.jobs[reading.job]));
        }
        let columns = batch.iter().map(|(node, _)| node.from + width).max().unwrap_or(0);
        let follows = batch.iter().any(|(node, _)| !node.children.is_empty());
        let mut cache = match before {
            Some(before) => {
                let from: Vec<usize> = batch.iter().map(|&(_, row)| row).collect();
                let mut cache = before.selected(&from, &model.device);
                cache.resize(columns);
                Some(cache)
            }
            None => follows.then(|| model.cache(rows.len(), columns)),
        };
        let stream = model.stream(&model.pass(&rows, columns), cache.as_mut(), |_, _| {});
        self.answer_wants(batch, &rows, stream, scoring);
        if let Some(cache) = cache.as_mut().filter(|_| follows) {
            cache.clear_from(&rows.end, &model.device);
        }
        cache.filter(|_| follows)
    }

    /// Adds up the log-probabilities that are wanted within a batch.
    fn answer_wants(&self, batch: &[(&Node, usize)], rows: &Rows, stream: Tensor<B, 2>, scoring: &mut Scoring<'_>) {
        let mut found = Vec::new();
        for (b, (node, _)) in batch.iter().enumerate() {
            let keys: Vec<_> =
                scoring.wants.range((node.text, node.from)..(node.text, node.to)).map(|(key, _)| *key).collect();
            for key in keys {
                let wants = scoring.wants.remove(&key).expect("just seen");
                found.push((b * rows.width + key.1 - node.from, wants));
            }
        }
        let vocabulary = self.model.config.vocab_size;
        for found in found.chunks((LOGITS_MAX / vocabulary).max(1)) {
            let places = found.iter().map(|(place, _)| *place as i32).collect();
            let picked = stream.clone().select(0, self.ints(places));
            let likes = log_softmax(self.model.logits(&picked), 1);
            let cells = found
                .iter()
                .enumerate()
                .flat_map(|(row, (_, wants))| wants.iter().map(move |want| (row * vocabulary) as i32 + want.0 as i32));
            let values = read(likes.reshape([found.len() * vocabulary]).select(0, self.ints(cells.collect())));
            let wants = found.iter().flat_map(|(_, wants)| wants);
            for (value, &(_, job, option)) in values.into_iter().zip(wants) {
                scoring.chosen[job][option] += value;
            }
        }
    }

    pub(super) fn ints(&self, values: Vec<i32>) -> Tensor<B, 1, Int> {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), &self.model.device)
    }
}

impl Scoring<'_> {
    /// Gives every want to the node that reads its place. Readings are found from the nodes' texts by walking down.
    fn assign(&mut self, roots: &[Node]) {
        for reading in 0..self.readings.len() {
            let wants = std::mem::take(&mut self.readings[reading].wants);
            let marked = &self.marked[reading];
            let (mut nodes, mut path) = (roots, Vec::new());
            // A node is on the way if the text agrees with it as far as both reach.
            while let Some(node) = nodes.iter().find(|node| {
                let to = node.to.min(marked.len());
                node.from < marked.len() && self.marked[node.text][node.from..to] == marked[node.from..to]
            }) {
                path.push(node);
                nodes = &node.children;
            }
            let job = self.readings[reading].job;
            for (place, id, option) in wants {
                let node = path.iter().find(|node| (node.from..node.to).contains(&place)).expect("a node reads it");
                self.wants.entry((node.text, place)).or_default().push((id, job, option));
            }
        }
    }
}
