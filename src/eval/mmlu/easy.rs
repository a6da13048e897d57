//! Two hundred easy questions inside this program, for models that MMLU is too hard for.

use super::item::Item;

/// The questions, in the order of their subjects. The right option stands as often in every place.
pub fn easy() -> Vec<Item> {
    let item = |(i, line): (usize, &str)| {
        let parts: Vec<&str> = line.split('|').collect();
        let [subject, question, options @ ..] = parts.as_slice() else { panic!("a subject, a question, options") };
        // The right one comes first in the file.
        let mut options: [String; 4] = std::array::from_fn(|k| options[k].to_owned());
        let right = i % options.len();
        options[..=right].rotate_left(1);
        Item { subject: (*subject).to_owned(), question: (*question).to_owned(), options, right }
    };
    include_str!("../../../assets/exam/easy.txt").lines().enumerate().map(item).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn two_hundred_different_questions_with_four_different_options_each() {
        let items = easy();
        assert_eq!(items.len(), 200);
        let questions: BTreeSet<&str> = items.iter().map(|item| item.question.as_str()).collect();
        assert_eq!(questions.len(), 200);
        for (item, line) in items.iter().zip(include_str!("../../../assets/exam/easy.txt").lines()) {
            let options: BTreeSet<&String> = item.options.iter().collect();
            assert!(options.len() == 4 && options.iter().all(|o| !o.is_empty() && o.trim() == o.as_str()), "{line}");
            assert!(item.question.ends_with('?') && line.split('|').count() == 6, "{line}");
            assert_eq!(Some(item.options[item.right].as_str()), line.split('|').nth(2));
        }
    }

    #[test]
    fn the_right_option_stands_as_often_in_every_place_and_subjects_are_many() {
        let items = easy();
        for place in 0..4 {
            assert_eq!(items.iter().filter(|item| item.right == place).count(), 50);
        }
        let subjects: BTreeSet<&str> = items.iter().map(|item| item.subject.as_str()).collect();
        assert!(subjects.len() >= 8);
        for subject in subjects {
            let of = items.iter().filter(|item| item.subject == subject).count();
            assert!((10..=40).contains(&of), "{subject}: {of}");
        }
        // A guess by length would not help: the right option is not the shortest, nor the longest, more often than chance and a half.
        let extreme = |longest: bool| {
            let is = |item: &&Item| {
                let of = |k: usize| item.options[k].len();
                (0..4).all(|k| k == item.right || if longest { of(k) < of(item.right) } else { of(k) > of(item.right) })
            };
            items.iter().filter(is).count()
        };
        assert!(extreme(true) < 75 && extreme(false) < 75, "{} {}", extreme(true), extreme(false));
    }
}
