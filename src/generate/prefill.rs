//! Prompts on their way into the cache: what they begin with alike is read once, long passes are cut into pieces, and what
//! other prompts will begin with is kept for them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use burn_tensor::Tensor;

use super::capture::{Along, PromptStates};
use super::engine::Engine;
use super::prefix::{Node, tree};
use super::prefix_cache::PrefixCache;
use super::sequence::{Asked, Waiting};
use crate::kernels::FusedOps;
use crate::language_model::Token;
use crate::model::KvCache;
use crate::text::{Coefs, Rows};

/// Prompts that are read for the answers that begin with them.
pub(super) struct Prefill<B: FusedOps> {
    /// What remains, those that others continue first.
    targets: VecDeque<Target<B>>,
    current: Option<Rectangle<B>>,
    /// Tokens that are read together; those who are read together begin together.
    together: usize,
}

/// A text to be read up to a place.
struct Target<B: FusedOps> {
    asked: Arc<Asked<B>>,
    /// For the plan as it is.
    coefs: Coefs,
    to: usize,
    /// How many others it continues.
    depth: usize,
    /// The answers that begin there; none if it is read only for other texts.
    answers: Vec<Waiting<B>>,
}

/// Texts that are read together.
struct Rectangle<B: FusedOps> {
    targets: Vec<Target<B>>,
    /// Where each one's reading begins.
    from: Vec<usize>,
    width: usize,
    /// Columns that are read.
    done: usize,
    cache: KvCache<B>,
}

/// Prompts that have been read, a row each.
pub(super) struct Read<B: FusedOps> {
    pub cache: KvCache<B>,
    /// The answers that begin with each row.
    pub rows: Vec<ReadRow<B>>,
}

/// One prompt that has been read, with what was captured of it.
pub(super) struct ReadRow<B: FusedOps> {
    pub answers: Vec<Waiting<B>>,
    pub states: Option<Arc<PromptStates>>,
    pub tokens: Vec<Token>,
}

/// A target's place, how many of its tokens are kept already, and the row that keeps them.
type Fitting<B> = (usize, usize, Option<Arc<KvCache<B>>>);

impl<B: FusedOps> Prefill<B> {
    /// For answers that begin, so many tokens `together`; `others` wait and may begin with the same tokens.
    pub fn new(admitted: Vec<Waiting<B>>, others: &VecDeque<Waiting<B>>, together: usize) -> Self {
        let mut leaves: Vec<Target<B>> = Vec::new();
        for waiting in admitted {
            // Answers to one prompt are neighbours.
            match leaves.last_mut().filter(|target| target.answers[0].reads_alike(&waiting)) {
                Some(target) => target.answers.push(waiting),
                None => {
                    let (asked, coefs) = (waiting.asked.clone(), waiting.coefs.clone());
                    let to = asked.text.len();
                    leaves.push(Target { asked, coefs, to, depth: usize::MAX, answers: vec![waiting] });
                }
            }
        }
        let shares = |asked: &Asked<B>| !asked.text.is_empty() && !asked.capture.reads_prompt();
        let begun = leaves.iter().map(|leaf| (&leaf.asked, &leaf.coefs));
        let mut texts: Vec<_> = begun.filter(|(asked, _)| shares(asked)).collect();
        let count = texts.len();
        let later = others.iter().map(|waiting| (&waiting.asked, &waiting.coefs));
        texts.extend(later.filter(|(asked, _)| shares(asked)));
        texts.dedup_by(|next, last| Arc::ptr_eq(next.0, last.0));
        let marked: Vec<&[(u32, u64)]> = texts.iter().map(|(asked, _)| asked.text.as_slice()).collect();
        let roots = tree(&marked);
        let mut inner = BTreeSet::new();
        marked[..count].iter().for_each(|text| beginnings(&roots, &marked, text, &mut inner));
        let shared = |(depth, text, to): (usize, usize, usize)| {
            let (asked, coefs) = (texts[text].0.clone(), texts[text].1.clone());
            Target { asked, coefs, to, depth, answers: Vec::new() }
        };
        let mut targets: VecDeque<Target<B>> = inner.into_iter().map(shared).collect();
        targets.extend(leaves);
        Self { targets, current: None, together }
    }

    /// Answers that wait for it.
    pub fn answers(&self) -> impl Iterator<Item = &Waiting<B>> {
        self.targets.iter().chain(self.current.iter().flat_map(|one| &one.targets)).flat_map(|target| &target.answers)
    }

    /// Gives everything its coefficients under another plan.
    pub fn replan(&mut self, to: &dyn Fn(&mut Waiting<B>), coefs: &dyn Fn(&mut Coefs)) {
        let current = self.current.iter_mut().flat_map(|one| &mut one.targets);
        for target in self.targets.iter_mut().chain(current) {
            coefs(&mut target.coefs);
            target.answers.iter_mut().for_each(to);
        }
    }

    /// Takes out the answers to a job.
    pub fn forget(&mut self, place: usize) {
        let mut left = |target: &mut Target<B>| {
            let before = target.answers.len();
            target.answers.retain(|waiting| waiting.asked.place != place);
            before == 0 || !target.answers.is_empty()
        };
        self.targets.retain_mut(&mut left);
        // What is being read already is read to its end.
        self.current.iter_mut().flat_map(|one| &mut one.targets).for_each(|target| {
            left(target);
        });
    }

    /// Whether nothing remains to be read.
    pub fn is_over(&self) -> bool {
        self.targets.is_empty() && self.current.is_none()
    }

    /// Reads about so many tokens; gives prompts that have been read whole.
    pub fn advance(&mut self, engine: &Engine<B>, kept: &mut PrefixCache<B>, tokens: usize) -> Option<Read<B>> {
        let mut one = match self.current.take() {
            Some(one) => one,
            None => self.next_rectangle(engine, kept)?,
        };
        if one.targets[0].asked.capture.reads_prompt() && !one.targets[0].answers.is_empty() {
            kept.missed += one.targets.iter().map(|target| target.to).sum::<usize>();
            return Some(engine.read_whole(one));
        }
        let columns = (tokens / one.targets.len()).max(1).min(one.width - one.done);
        if columns > 0 {
            kept.missed += engine.read_piece(&mut one, columns);
        }
        if one.done < one.width {
            self.current = Some(one);
            return None;
        }
        one.cache.clear_from(&one.targets.iter().map(|target| target.to).collect::<Vec<_>>(), &engine.model.device);
        let mut rows = Vec::new();
        let mut chosen = Vec::new();
        for (row, Target { asked, to, answers, .. }) in one.targets.into_iter().enumerate() {
            if answers.is_empty() {
                kept.insert(asked.text[..to].to_vec(), one.cache.beginning_of(row, to));
            } else {
                chosen.push(row);
                rows.push(ReadRow { answers, states: None, tokens: Vec::new() });
            }
        }
        if chosen.len() < one.from.len() && !chosen.is_empty() {
            one.cache.select(&chosen, &engine.model.device);
        }
        (!rows.is_empty()).then_some(Read { cache: one.cache, rows })
    }

    /// Targets of one depth and of like length that fit one pass, shortest first.
    fn next_rectangle(&mut self, engine: &Engine<B>, kept: &mut PrefixCache<B>) -> Option<Rectangle<B>> {
        let lead = self.targets.front()?;
        let (depth, capture) = (lead.depth, lead.asked.capture.clone());
        let captures = |target: &Target<B>| target.asked.capture.reads_prompt() && !target.answers.is_empty();
        let captured = captures(lead);
        let alike = |target: &Target<B>| {
            let same = !captured || Arc::ptr_eq(&target.asked.capture, &capture);
            target.depth == depth && captures(target) == captured && same
        };
        let mut found: Vec<Fitting<B>> = Vec::new();
        for (i, target) in self.targets.iter().enumerate().take_while(|(_, target)| target.depth == depth) {
            if alike(target) {
                let base = if captured { None } else { kept.longest(&target.asked.text[..target.to]) };
                let from = base.as_ref().map_or(0, |base| base.1);
                found.push((i, from, base.map(|base| base.0)));
            }
        }
        let rest = |(i, from, _): &Fitting<B>| self.targets[*i].to - from;
        found.sort_by_key(|one| (rest(one), one.0));
        // Half a row of padding is the most.
        let shortest = found.first().map_or(0, rest);
        let fits = |n: &usize| rest(&found[n - 1]) <= 2 * shortest.max(8) && n * rest(&found[n - 1]) <= self.together;
        let count = (1..=found.len()).take_while(fits).last().unwrap_or(1);
        found.truncate(count);
        let width = found.last().map_or(0, rest);
        let columns = found.iter().map(|one| one.1 + width).max().unwrap_or(0).max(1);
        let mut cache = engine.model.cache(found.len(), columns);
        for (row, (_, from, base)) in found.iter().enumerate() {
            if let Some(base) = base {
                cache.put(&[row], &base.beginning_of(0, *from));
            }
        }
        let from = found.iter().map(|one| one.1).collect();
        let mut rest: Vec<Option<Target<B>>> = std::mem::take(&mut self.targets).into_iter().map(Some).collect();
        let targets = found.iter().filter_map(|one| rest[one.0].take()).collect();
        self.targets = rest.into_iter().flatten().collect();
        Some(Rectangle { targets, from, width, done: 0, cache })
    }
}

/// Notes the beginnings that a text shares with others, as (depth, one of the texts, place after the last token).
fn beginnings(
    roots: &[Node],
    texts: &[&[(u32, u64)]],
    text: &[(u32, u64)],
    into: &mut BTreeSet<(usize, usize, usize)>,
) {
    let (mut nodes, mut depth) = (roots, 0);
    let agrees =
        |node: &&Node| node.to <= text.len() && texts[node.text][node.from..node.to] == text[node.from..node.to];
    while let Some(node) = nodes.iter().find(agrees).filter(|node| !node.children.is_empty()) {
        into.insert((depth, node.text, node.to));
        (nodes, depth) = (&node.children, depth + 1);
    }
}

impl<B: FusedOps> Engine<B> {
    /// Reads the next columns of each row; gives the number of tokens in them.
    fn read_piece(&self, one: &mut Rectangle<B>, columns: usize) -> usize {
        let mut tokens = 0;
        let mut rows = Rows::whole(&[], Vec::new(), 0);
        rows.width = columns;
        for (target, &from) in one.targets.iter().zip(&one.from) {
            let at = from + one.done;
            let prompt = &target.asked.job.prompt;
            let piece = &prompt[at.min(target.to)..(at + columns).min(target.to)];
            tokens += piece.len();
            rows.ids.extend(piece.iter().copied().chain(std::iter::repeat_n(0, columns - piece.len())));
            rows.start.push(0);
            rows.at.push(at);
            rows.end.push(target.to.min(at + columns));
            rows.prompt.push(prompt.len());
            rows.coefs.push(target.coefs.clone());
        }
        let pass = self.model.pass(&rows, one.cache.columns());
        self.model.stream(&pass, Some(&mut one.cache), |_, _| {});
        one.done += columns;
        tokens
    }

    /// Reads prompts to their ends in one pass, of which everything is captured. The cache ends before the last token, which
    /// each answer reads itself.
    fn read_whole(&self, mut one: Rectangle<B>) -> Read<B> {
        let capture = one.targets[0].asked.capture.clone();
        let prompts: Vec<&[u32]> = one.targets.iter().map(|target| target.asked.job.prompt.as_slice()).collect();
        let mut rows = Rows::whole(&prompts, prompts.iter().map(|prompt| prompt.len()).collect(), 0);
        rows.coefs = one.targets.iter().map(|target| target.coefs.clone()).collect();
        let shares = capture.prompt_shares(&rows);
        let (mut means, mut along): (Vec<Tensor<B, 3>>, Along<B>) = (Vec::new(), Vec::new());
        let mut watch = |row: usize, h: &Tensor<B, 2>| {
            if capture.spec.prompt {
                capture.project(row, h, &mut along);
            }
            if let Some(shares) = &shares {
                let [_, hidden] = h.dims();
                means.push(shares.clone().matmul(h.clone().reshape([rows.len(), rows.width, hidden])));
            }
        };
        let stream = match capture.top() {
            Some(top) => self.model.stream_to(top, &self.model.pass(&rows, rows.width), &mut watch),
            None => {
                let pass = self.model.pass(&rows, one.cache.columns());
                let stream = self.model.stream(&pass, Some(&mut one.cache), &mut watch);
                // Padding and the last tokens were written too; a ragged write adds to what is there.
                one.cache.clear_from(&rows.end.iter().map(|end| end - 1).collect::<Vec<_>>(), &self.model.device);
                stream
            }
        };
        let states = capture.prompts(means, rows.len()).into_iter().map(|states| Some(Arc::new(states)));
        let tokens = match capture.spec.prompt {
            true => {
                let along = if capture.has_probes() { capture.projections(along) } else { Vec::new() };
                self.prompt_tokens(&rows, &stream, &along, capture.spec.top_logprobs)
            }
            false => vec![Vec::new(); rows.len()],
        };
        let read = one.targets.into_iter().zip(states).zip(tokens);
        let rows = read.map(|((target, states), tokens)| ReadRow { answers: target.answers, states, tokens }).collect();
        Read { cache: one.cache, rows }
    }
}
