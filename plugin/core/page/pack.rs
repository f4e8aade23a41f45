//! Packs the page for embedding: leaves out comments and blanks that mean nothing, and nothing else.
//!
//! The page is written to be read and served to be loaded. Names, order and line structure stay, so that an
//! error in a browser still points to its place. Used by the build script; needs only `std`.

/// The text of an asset as it is served. `name` decides the language by its ending; others pass unchanged.
pub fn pack(name: &str, text: &str) -> String {
    match name.rsplit('.').next() {
        Some("js") => javascript(text),
        Some("css") => css(text),
        _ => text.to_owned(),
    }
}

/// Keeps a line end wherever it could end a statement, so that automatic semicolons stay where they were.
fn javascript(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = token_end(&chars, at, &out).min(chars.len());
        if is_gap(&chars, at) {
            let gap = &chars[at..end];
            push_gap(&mut out, gap.contains(&'\n'), &chars, end);
        } else {
            out.extend(&chars[at..end]);
        }
        at = end;
    }
    out
}

/// Blanks and comments.
fn is_gap(chars: &[char], at: usize) -> bool {
    chars[at].is_whitespace() || (chars[at] == '/' && matches!(chars.get(at + 1), Some('/' | '*')))
}

/// Where the gap, string, template or regular expression that starts at `at` ends; else one character on.
fn token_end(chars: &[char], at: usize, before: &str) -> usize {
    if is_gap(chars, at) {
        return gap_end(chars, at);
    }
    match chars[at] {
        quote @ ('\'' | '"') => quoted_end(chars, at, quote),
        '`' => template_end(chars, at),
        '/' if regex_may_follow(before) => regex_end(chars, at),
        _ => at + 1,
    }
}

fn gap_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && is_gap(chars, at) {
        at = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => find(chars, at, |rest| rest[0] == '\n', 0),
            ('/', Some('*')) => find(chars, at + 2, |rest| rest.starts_with(&['*', '/']), 2),
            _ => at + 1,
        };
    }
    at
}

fn find(chars: &[char], from: usize, is_end: impl Fn(&[char]) -> bool, length: usize) -> usize {
    (from..chars.len()).find(|&at| is_end(&chars[at..])).map_or(chars.len(), |at| at + length)
}

fn quoted_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// A template is copied whole, with the expressions in it and the templates in those.
fn template_end(chars: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != '`' {
        at = match (chars[at], chars.get(at + 1)) {
            ('\\', _) => at + 2,
            ('$', Some('{')) => braces_end(chars, at + 2),
            _ => at + 1,
        };
    }
    at + 1
}

fn braces_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 1;
    while at < chars.len() {
        match chars[at] {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
        let before: String = chars[..at].iter().collect();
        at = token_end(chars, at, &before);
    }
    at
}

/// A slash divides after a value and opens a regular expression elsewhere.
fn regex_may_follow(before: &str) -> bool {
    let before = before.trim_end();
    before.ends_with("return") || before.ends_with(['(', ',', '=', ':', '[', '!', '&', '|', '?', '{', ';', '>'])
}

fn regex_end(chars: &[char], at: usize) -> usize {
    let mut at = at + 1;
    let mut in_class = false;
    while at < chars.len() && (chars[at] != '/' || in_class) {
        match chars[at] {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        at += 1;
    }
    at + 1
}

fn push_gap(out: &mut String, line_ends: bool, chars: &[char], next: usize) {
    let (Some(before), Some(&after)) = (out.chars().last(), chars.get(next)) else {
        return;
    };
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    if line_ends {
        let joins = "{([,;:?=&|>\n".contains(before) || "})].,:?&|=".contains(after);
        if !joins {
            out.push('\n');
        }
    } else if word(before) && word(after) || before == after && "+-".contains(before) {
        out.push(' ');
    }
}

/// The style sheet is written compactly already: comments, line ends and indents go.
fn css(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.lines().map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::pack;

    fn check(input: &str, expected: &str) {
        assert_eq!(pack("a.js", input), expected);
    }

    #[test]
    fn comments_and_indents_go() {
        check("// Why.\nconst a = 1; // so\n/** Doc. */\n  b();\n", "const a=1;b();");
    }

    #[test]
    fn a_line_end_that_may_end_a_statement_stays() {
        check("a = b\nc()\n", "a=b\nc()");
        check("}\nfunction f() {\n  return 1;\n}\n", "}\nfunction f(){return 1;}");
    }

    #[test]
    fn strings_templates_and_regular_expressions_stay_as_they_are() {
        check("f('// no  \\' comment', \"a  b\")", "f('// no  \\' comment',\"a  b\")");
        check("`a  ${ b + `c  ${ '}' }` }  // d`", "`a  ${ b + `c  ${ '}' }` }  // d`");
        check("`${a.replace(/^https?:\\/\\//, '')}`;  b", "`${a.replace(/^https?:\\/\\//, '')}`;b");
        check("x.split(/[/ ']  a\\//) / 2", "x.split(/[/ ']  a\\//)/2");
        check("(a) / b / c", "(a)/b/c");
    }

    #[test]
    fn words_and_signs_that_would_melt_keep_their_blank() {
        check("return typeof x + +y - -z", "return typeof x+ +y- -z");
    }

    #[test]
    fn a_style_sheet_loses_comments_and_line_ends() {
        assert_eq!(pack("a.css", "/* x */\na{b:c}\n@media print{\n  d > e{f:g}\n}\n"), "a{b:c}@media print{d > e{f:g}}");
    }

    #[test]
    fn other_files_pass_unchanged() {
        assert_eq!(pack("a.svg", "<svg>  </svg>\n"), "<svg>  </svg>\n");
    }
}
