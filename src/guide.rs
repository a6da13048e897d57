//! The guide that ships with the program. Each page is a Markdown file in `src/guide/`: rustdoc renders it as a module of
//! this one, `trimtab guide` prints it.
//!
//! Comments cite a section as `guide: method, "Projection difference"`.

/// One page of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its name on the command line and in citations.
    pub topic: &'static str,
    /// What it is about, one line.
    pub about: &'static str,
    /// Its text, in Markdown.
    pub text: &'static str,
}

macro_rules! pages {
    ($($topic:ident: $about:literal;)*) => {
        $(#[doc = include_str!(concat!("guide/", stringify!($topic), ".md"))] pub mod $topic {})*

        /// All pages, in reading order.
        pub const PAGES: &[Page] = &[$(Page {
            topic: stringify!($topic),
            about: $about,
            text: include_str!(concat!("guide/", stringify!($topic), ".md")),
        }),*];
    };
}

pages! {
    method: "what is computed: equations, sources, and where the program differs from the published code";
    pipeline: "from a trait's name to a screened data set and a finetuned model, command by command";
    studies: "experiments of many finetunes, and what they found";
    cluster: "several devices, and Slurm";
    formats: "every file that is read or written, and the layer conventions";
    configuration: "every key of a configuration, and the environment variables";
    judges: "who scores answers, how, and at what cost";
    server: "OpenAI's chat completions with steering per request";
}

impl Page {
    /// The page about `topic`.
    pub fn of(topic: &str) -> Option<Self> {
        PAGES.iter().copied().find(|page| page.topic.eq_ignore_ascii_case(topic))
    }

    /// The headings of its sections, in order.
    pub fn sections(&self) -> impl Iterator<Item = &'static str> {
        headings(self.text).map(|(_, title)| title)
    }

    /// The text of one section with its heading, by its title in any case or by its anchor.
    pub fn section(&self, name: &str) -> Option<&'static str> {
        let mut headings =
            headings(self.text).skip_while(|(_, title)| !title.eq_ignore_ascii_case(name) && anchor(title) != name);
        let (begin, _) = headings.next()?;
        let end = headings.next().map_or(self.text.len(), |(end, _)| end);
        Some(self.text[begin..end].trim_end())
    }
}

/// The anchor that Markdown renderers give a heading: lower case, hyphens for spaces, other punctuation dropped.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Where each section begins, in bytes, and its heading. A `##` inside a code block is none.
fn headings(text: &'static str) -> impl Iterator<Item = (usize, &'static str)> {
    let (mut at, mut fenced) = (0, false);
    text.split_inclusive('\n').filter_map(move |line| {
        let begin = at;
        at += line.len();
        fenced ^= line.starts_with("```");
        let heading = line.strip_prefix("## ").filter(|_| !fenced)?;
        Some((begin, heading.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_by_title_and_by_anchor() {
        let method = Page::of("Method").unwrap();
        let section = method.section("projection difference").unwrap();
        assert!(section.starts_with("## Projection difference\n") && section.contains("ΔP"), "{section}");
        assert!(!section.contains("\n## "), "{section}");
        assert_eq!(method.section("projection-difference"), Some(section));
        assert_eq!(method.section("nothing of the kind"), None);
        assert_eq!(anchor("The reference's files"), "the-references-files");
    }

    #[test]
    fn a_comment_in_a_code_block_is_no_heading() {
        let text = "# T\n## A\n```sh\n## not one\n```\n## B\n";
        assert_eq!(headings(text).map(|(_, title)| title).collect::<Vec<_>>(), ["A", "B"]);
    }
}
