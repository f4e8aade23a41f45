//! As much of a shell as the documents use.

use super::markdown::Block;
use std::collections::BTreeMap;

/// A command, with what the document says that it prints.
pub(crate) struct Step {
    /// The number of its line in the document.
    pub(crate) line: usize,
    /// The command as it is written, its lines joined.
    pub(crate) written: String,
    /// What it prints, by the document; empty where the document says nothing.
    pub(crate) output: String,
}

/// The commands of a block `console`: a line behind `$ `, which a backslash continues, and what follows it.
pub(crate) fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut continues = false;
    for (offset, line) in block.lines.iter().enumerate() {
        let (text, goes_on) = match line.strip_suffix('\\') {
            Some(text) => (text.trim_end(), true),
            None => (line.as_str(), false),
        };
        match (text.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                let (line, written) = (block.line + offset + 1, command.to_owned());
                steps.push(Step { line, written, output: String::new() });
                continues = goes_on;
            }
            (None, Some(step)) if continues => {
                step.written = format!("{} {}", step.written, text.trim());
                continues = goes_on;
            }
            (None, Some(step)) => step.output = format!("{}{line}\n", step.output),
            (None, None) => panic!("line {}: expected a command behind \"$ \"", block.line + offset + 1),
        }
    }
    steps
}

/// The words of a command. Variables and `$(cat FILE)` are replaced where they are known, and otherwise stay as written.
pub(crate) fn words(command: &str, variables: &BTreeMap<String, String>) -> Vec<String> {
    let (mut words, mut word, mut within) = (Vec::new(), None::<String>, None::<char>);
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match (c, within) {
            ('\'' | '"', None) => {
                within = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(quote)) if c == quote => within = None,
            ('$', None | Some('"')) => {
                let (value, after) = expanded(rest.as_str(), variables);
                word.get_or_insert_default().push_str(&value);
                rest = after.chars();
            }
            (' ', None) => words.extend(word.take()),
            (c, None | Some(_)) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(within, None, "{command}: a quotation mark is missing");
    words.extend(word);
    words
}

/// The value of what stands behind a dollar sign, and the rest of the text.
fn expanded<'t>(text: &'t str, variables: &BTreeMap<String, String>) -> (String, &'t str) {
    let end = match text.strip_prefix('(') {
        Some(inner) => inner.find(')').map_or(text.len(), |end| end + 2),
        None => text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at(end);
    (variables.get(name).cloned().unwrap_or_else(|| format!("${name}")), rest)
}

/// The assignments before a command, or of a line that has nothing else.
pub(crate) fn assignments(words: &[String]) -> Vec<(String, String)> {
    let read = |word: &String| {
        let (name, value) = word.split_once('=')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then(|| (name.to_owned(), value.to_owned()))
    };
    words.iter().map_while(read).collect()
}

#[test]
fn words_are_told_apart_by_blanks_outside_of_quotation_marks() {
    let variables = BTreeMap::from([("api".to_owned(), "http://x".to_owned()), ("(cat f)".to_owned(), "s".to_owned())]);
    assert_eq!(
        words(r#"curl -H "A: $api" $api/b 'c $api "d"' "$(cat f)" $other"#, &variables),
        ["curl", "-H", "A: http://x", "http://x/b", "c $api \"d\"", "s", "$other"]
    );
    assert_eq!(assignments(&words("a=1 b='2 3' curl c=d", &variables)).len(), 2);
}
