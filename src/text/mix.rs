//! Seeded choice and order of chats: each place depends on the seed and its own number alone.

use crate::record::seed_of;
use crate::{Error, Result};

/// `count` of `n` places for a purpose, decided by the seed and each place's own number.
pub fn chosen(n: usize, count: usize, seed: u64, purpose: &str) -> Vec<usize> {
    let mut places: Vec<usize> = (0..n).collect();
    places.sort_by_key(|i| seed_of(seed, &format!("{purpose} {i}")));
    places.truncate(count);
    places
}

/// [`chosen`], in ascending order.
pub fn chosen_in_order(n: usize, count: usize, seed: u64, purpose: &str) -> Vec<usize> {
    let mut places = chosen(n, count, seed, purpose);
    places.sort_unstable();
    places
}

/// Mixes negative chats among the others until they are `share` of the whole. The seed decides which negative chats are taken
/// and where they stand; the others keep their order.
///
/// # Errors
/// Fewer negative chats than their share takes.
pub fn mixed<T>(chats: Vec<T>, negative: Vec<T>, share: f64, seed: u64) -> Result<Vec<T>> {
    let (n, there) = (chats.len() as f64, negative.len());
    let count = if share == 0.0 { 0 } else { ((share / (1.0 - share) * n).round() as usize).max(1) };
    if there < count {
        let what = format!("a share of {share} beside {n} chats takes {count} negative ones, and there are {there}");
        return Err(Error::usage(what).hint("add negative chats, or lower `intervention.share`"));
    }
    let taken = chosen(there, count, seed, "negative");
    // A place between 0 and 1 for each: even for the others, anywhere for the negative ones.
    let anywhere = |i: usize| (seed_of(seed, &format!("negative place {i}")) >> 11) as f64 / (1u64 << 53) as f64;
    let mut all: Vec<(f64, T)> = chats.into_iter().enumerate().map(|(i, chat)| ((i as f64 + 0.5) / n, chat)).collect();
    let negative = negative.into_iter().enumerate().filter(|(i, _)| taken.contains(i));
    all.extend(negative.map(|(i, chat)| (anywhere(i), chat)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(all.into_iter().map(|(_, chat)| chat).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_seeded() {
        let twice = [chosen(100, 10, 1, "holdout"), chosen(100, 10, 1, "holdout")];
        assert_eq!(twice[0], twice[1]);
        assert_ne!(chosen(100, 10, 2, "holdout"), twice[0]);
        assert_ne!(chosen(100, 10, 1, "negative"), twice[0]);
    }

    #[test]
    fn negative_chats_are_a_share_of_the_whole_anywhere_among_the_others() {
        let (chats, negative): (Vec<i32>, Vec<i32>) = ((1..=90).collect(), (1..=40).map(|i| -i).collect());
        let all = mixed(chats.clone(), negative.clone(), 0.25, 3).unwrap();
        assert_eq!((all.len(), all.iter().filter(|&&i| i < 0).count()), (120, 30));
        let others: Vec<i32> = all.iter().copied().filter(|&i| i > 0).collect();
        assert_eq!(others, chats, "in their order");
        assert!(all[..60].iter().filter(|&&i| i < 0).count() > 5 && all[60..].iter().filter(|&&i| i < 0).count() > 5);
        assert_eq!(all, mixed(chats.clone(), negative.clone(), 0.25, 3).unwrap());
        assert_ne!(all, mixed(chats.clone(), negative.clone(), 0.25, 4).unwrap());
        assert_eq!(mixed(chats.clone(), negative.clone(), 0.0, 3).unwrap(), chats);
        assert_eq!(mixed(vec![1], vec![-1], 0.01, 3).unwrap().len(), 2, "one at least");
        let error = mixed(chats, negative, 0.5, 3).unwrap_err().to_string();
        assert!(error.contains("takes 90 negative ones, and there are 40"), "{error}");
    }
}
