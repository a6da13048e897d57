//! Families of data sets: those whose names differ only after the last dash, as `evil-1` and `evil-2`.

use crate::report::plot::{HUES, Hue, Mark};
use crate::study::inputs::Corpus;

/// The colour of its family, and a mark of its own within it: data sets of one family have names that differ only after the last dash.
pub fn look(corpora: &[Corpus], c: usize) -> (Hue, Mark) {
    let of: Vec<&str> = corpora.iter().map(|corpus| family(&corpus.name).unwrap_or(&corpus.name)).collect();
    let member = of[..c].iter().filter(|other| **other == of[c]).count();
    let place = each_once(of.iter().copied()).iter().position(|family| *family == of[c]).unwrap_or_default();
    (HUES[place % HUES.len()], Mark::nth(member))
}

/// Names in the order in which they first come; data sets of one family need not stand together.
pub fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut once = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// `evil` of `evil-2`.
pub fn family(name: &str) -> Option<&str> {
    name.rsplit_once('-').map(|(family, _)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_colour_wherever_its_members_stand() {
        let corpus = |name: &str| Corpus::new(name, name, (Vec::new(), Vec::new()));
        let corpora = ["evil-1", "math-1", "evil-2", "alone", "math-2"].map(corpus);
        let looks: Vec<(Hue, Mark)> = (0..corpora.len()).map(|c| look(&corpora, c)).collect();
        let at = |hue: usize, mark: usize| (HUES[hue], Mark::nth(mark));
        assert_eq!(looks, [at(0, 0), at(1, 0), at(0, 1), at(2, 0), at(1, 1)]);
        assert_eq!(each_once(["b", "a", "b"].into_iter()), ["b", "a"], "a figure for each, not two");
    }
}
