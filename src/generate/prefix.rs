//! Texts with common beginnings as a tree: what several texts begin with is read once.
//!
//! Two texts share a place if they have the same token there *and* are steered there alike; then the model's states agree,
//! whatever follows. So a few-shot prefix is read once for all its questions, a prompt once for all its options, and a
//! judge's question once for every number that might answer it.

/// A text as the tree sees it: its tokens, and at each a mark of how it is steered.
pub(super) type Marked = Vec<(u32, u64)>;

/// A stretch of tokens that all texts below it have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// One of the texts that have it.
    pub text: usize,
    /// Its first place.
    pub from: usize,
    /// The place after its last.
    pub to: usize,
    /// What follows.
    pub children: Vec<Node>,
}

/// Tokens below which a common stretch is not worth a cache of its own: copying it costs about as much as reading it.
pub(super) const SHARED_MIN: usize = 16;

/// The tree over `texts`, none of them empty; equal texts become one node. Roots and children come in the order of their
/// tokens.
pub(super) fn tree(texts: &[impl AsRef<[(u32, u64)]>]) -> Vec<Node> {
    let texts: Vec<&[(u32, u64)]> = texts.iter().map(AsRef::as_ref).collect();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by(|&a, &b| texts[a].cmp(texts[b]));
    // Of a text and one that continues it, the longer one reads both.
    order.dedup_by(|next, kept| {
        texts[*next].starts_with(texts[*kept]) && {
            *kept = *next;
            true
        }
    });
    grow(&texts, &order, 0)
}

/// The nodes for sorted texts that agree up to `from`.
fn grow(texts: &[&[(u32, u64)]], sorted: &[usize], from: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut rest = sorted;
    while let Some((&first, others)) = rest.split_first() {
        // The run of texts that have enough in common with the first, and what all of them have in common.
        let mut run = 1;
        let mut shared = texts[first].len();
        for &other in others {
            let common = common(texts[first], texts[other]);
            if common < from + SHARED_MIN {
                break;
            }
            shared = shared.min(common);
            run += 1;
        }
        let (inside, outside) = rest.split_at(run);
        rest = outside;
        nodes.push(match run {
            1 => Node { text: first, from, to: texts[first].len(), children: Vec::new() },
            _ => Node { text: first, from, to: shared, children: grow(texts, inside, shared) },
        });
    }
    nodes
}

/// How many places two texts begin with alike.
pub(super) fn common(a: &[(u32, u64)], b: &[(u32, u64)]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: &[u32]) -> Marked {
        tokens.iter().map(|&id| (id, 0)).collect()
    }

    /// `n` tokens from `id` on.
    fn run(id: u32, n: u32) -> Vec<u32> {
        (0..n).map(|i| id + i).collect()
    }

    /// Places of each node, indented by depth.
    fn drawn(nodes: &[Node]) -> String {
        fn draw(nodes: &[Node], depth: usize, into: &mut String) {
            for node in nodes {
                *into += &format!("{}{}..{}\n", " ".repeat(depth), node.from, node.to);
                draw(&node.children, depth + 1, into);
            }
        }
        let mut text = String::new();
        draw(nodes, 0, &mut text);
        text
    }

    #[test]
    fn a_common_beginning_is_one_node() {
        let shots = run(1000, 40);
        let question = |id: u32, n: u32| text(&[shots.clone(), run(id, n)].concat());
        assert_eq!(
            drawn(&tree(&[question(1, 5), question(2000, 9), question(500, 3)])),
            "0..40\n 40..45\n 40..43\n 40..49\n"
        );
    }

    #[test]
    fn trees_nest() {
        let rubric = run(1000, 30);
        let exhibit = |id: u32| [rubric.clone(), run(id, 20)].concat();
        let texts: Vec<Marked> =
            [(100, 7), (100, 8), (300, 7), (300, 8)].map(|(id, n)| text(&[exhibit(id), vec![n]].concat())).into();
        assert_eq!(drawn(&tree(&texts)), "0..30\n 30..50\n  50..51\n  50..51\n 30..50\n  50..51\n  50..51\n");
    }

    #[test]
    fn short_beginnings_are_not_shared() {
        let texts = [[run(1, 10), run(100, 30)].concat(), [run(1, 10), run(200, 30)].concat()].map(|t| text(&t));
        assert_eq!(drawn(&tree(&texts)), "0..40\n0..40\n");
    }

    #[test]
    fn a_text_that_begins_another_is_read_with_it() {
        let texts = [text(&run(1, 20)), text(&run(1, 25)), text(&run(1, 20))];
        assert_eq!(tree(&texts), [Node { text: 1, from: 0, to: 25, children: vec![] }]);
    }

    #[test]
    fn what_is_steered_otherwise_is_not_shared() {
        let mut steered = text(&run(1, 40));
        steered[30].1 = 5;
        let texts = [text(&run(1, 40)), steered];
        assert_eq!(drawn(&tree(&texts)), "0..30\n 30..40\n 30..40\n");
    }
}
