//! As much of Markdown as the documents use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A document of the project.
pub(crate) struct Document {
    /// Its path below the project's folder.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// Its fenced blocks, in order.
    pub(crate) blocks: Vec<Block>,
    /// Everything outside of fenced blocks, a line each, with its number.
    pub(crate) prose: Vec<(usize, String)>,
}

/// A fenced block.
pub(crate) struct Block {
    /// What stands behind the first fence: `console`, `json`, `rust`, `text`.
    pub(crate) language: String,
    /// The number of the line of the first fence.
    pub(crate) line: usize,
    /// The lines between the fences.
    pub(crate) lines: Vec<String>,
}

impl Document {
    /// Reads a document.
    pub(crate) fn read(root: &Path, path: PathBuf) -> Document {
        let text = std::fs::read_to_string(root.join(&path)).unwrap();
        let (mut blocks, mut prose) = (Vec::new(), Vec::new());
        let mut open: Option<Block> = None;
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(language), None) => {
                    open = Some(Block { language: language.to_owned(), line: number, lines: Vec::new() });
                }
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.lines.push(line.to_owned());
                    open = Some(block);
                }
                (None, None) => prose.push((number, line.to_owned())),
            }
        }
        assert!(open.is_none(), "{}: a fenced block does not end", path.display());
        Document { path, text, blocks, prose }
    }

    /// The name of a place in the document, for a message.
    pub(crate) fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// The targets of the links, with their lines.
    pub(crate) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in &self.prose {
            for part in line.split("](").skip(1) {
                if let Some((target, _)) = part.split_once(')') {
                    links.push((*number, target.to_owned()));
                }
            }
        }
        links
    }

    /// What stands between backticks in the prose, with its line.
    pub(crate) fn code(&self) -> Vec<(usize, String)> {
        let mut code = Vec::new();
        for (number, line) in &self.prose {
            code.extend(line.split('`').skip(1).step_by(2).map(|text| (*number, text.to_owned())));
        }
        code
    }

    /// The anchors that GitHub gives the headings.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchors = Vec::new();
        for (_, line) in self.prose.iter().filter(|(_, line)| line.starts_with('#')) {
            let slug = slug(line.trim_start_matches('#').trim());
            let times = seen.entry(slug.clone()).or_default();
            anchors.push(if *times == 0 { slug } else { format!("{slug}-{times}") });
            *times += 1;
        }
        anchors
    }

    /// The rows of the first table below a heading, without its head, a list of cells each.
    pub(crate) fn table(&self, heading: &str) -> Vec<Vec<String>> {
        let lines = self.prose.iter().map(|(_, line)| line.as_str());
        let below = lines.skip_while(|line| line.trim_start_matches('#').trim() != heading || !line.starts_with('#'));
        let table = below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        table
            .skip(2)
            .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
            .collect()
    }
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

#[test]
fn an_anchor_is_the_heading_in_lower_case_without_punctuation() {
    assert_eq!(slug("A tenant's own schemas, and `PATCH`"), "a-tenants-own-schemas-and-patch");
}
