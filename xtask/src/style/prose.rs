//! The words of a file that people read: the text of a page without its code, the doc comments of a source and its strings.

/// A word in lower case, or an empty one where a sentence or a block ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub line: usize,
    pub word: String,
}

/// The words of a page: without blocks and spans of code, targets of links, HTML, and what a program writes between
/// `<!-- …:begin -->` and `<!-- …:end -->`.
pub fn markdown(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut fence: Option<&str> = None;
    let mut is_generated = false;
    let mut paragraph = String::new();
    let mut first = 1;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let marker = ["```", "~~~"].into_iter().find(|marker| line.starts_with(marker));
        if marker.is_some() && (fence.is_none() || fence == marker) {
            fence = if fence.is_none() { marker } else { None };
            words(&spans(&paragraph), first, &mut tokens);
            paragraph.clear();
            first = number + 2;
            continue;
        }
        if line.starts_with("<!--") && (line.ends_with(":begin -->") || line.ends_with(":end -->")) {
            is_generated = line.ends_with(":begin -->");
        }
        if fence.is_some() || is_generated || line.is_empty() {
            words(&spans(&paragraph), first, &mut tokens);
            paragraph.clear();
            first = number + 2;
            continue;
        }
        paragraph.push_str(line);
        paragraph.push('\n');
    }
    words(&spans(&paragraph), first, &mut tokens);
    tokens
}

/// A paragraph with a `|` instead of spans of code, targets of links and tags. Ends of lines stay.
fn spans(paragraph: &str) -> String {
    let mut out = String::new();
    let mut rest = paragraph;
    while let Some(letter) = rest.chars().next() {
        let skipped = match letter {
            '`' => {
                let ticks = &rest[..rest.len() - rest.trim_start_matches('`').len()];
                rest[ticks.len()..].find(ticks).map(|at| at + 2 * ticks.len())
            }
            ']' if rest.starts_with("](") => rest.find(')').map(|at| at + 1),
            '<' if rest[1..].starts_with(|next: char| next.is_alphabetic() || next == '/' || next == '!') => {
                rest.find('>').map(|at| at + 1)
            }
            _ => None,
        };
        match skipped {
            Some(length) => {
                out.push(if letter == ']' { ' ' } else { '|' });
                out.extend(rest[..length].chars().filter(|letter| *letter == '\n'));
                rest = &rest[length..];
            }
            None => {
                out.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    out
}

/// The words of a Rust or WIT source: its doc comments, and with `strings` also its literals that are sentences.
pub fn rust(source: &str, strings: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut docs = String::new();
    let mut first = 1;
    let mut line = 1;
    let mut rest = source;
    while let Some(letter) = rest.chars().next() {
        let (length, is_text) = piece(rest);
        let piece = &rest[..length];
        if piece.starts_with("//!") || (piece.starts_with("///") && !piece.starts_with("////")) {
            if docs.is_empty() {
                first = line;
            }
            docs.push_str(&piece[3..]);
            docs.push('\n');
        } else if !piece.trim().is_empty() || piece.matches('\n').count() > 1 {
            comment(&mut docs, first, &mut tokens);
            if is_text && strings && letter != '\'' {
                literal(piece, line, &mut tokens);
            }
        }
        line += piece.matches('\n').count();
        rest = &rest[length..];
    }
    comment(&mut docs, first, &mut tokens);
    tokens
}

/// A doc comment is Markdown.
fn comment(docs: &mut String, first: usize, tokens: &mut Vec<Token>) {
    if !docs.is_empty() {
        tokens.extend(markdown(docs).into_iter().map(|token| Token { line: token.line + first - 1, ..token }));
        tokens.push(Token { line: first, word: String::new() });
        docs.clear();
    }
}

/// A literal that has more than one word: names of things have no blanks. A text with `\` at the end of a line continues in the next.
fn literal(piece: &str, line: usize, tokens: &mut Vec<Token>) {
    let begin = piece.find('"').map_or(0, |at| at + 1);
    let end = piece.rfind('"').filter(|end| *end >= begin).unwrap_or(piece.len());
    let text = piece[begin..end].replace("\\n", " |").replace("\\\"", "\"").replace("\\\n", " \n");
    if text.trim().contains(char::is_whitespace) {
        words(&spans(&text), line, tokens);
    }
}

/// How long the piece of Rust at the beginning of a text is, and whether it is a literal: a comment up to the end of its line, a string,
/// a character, a word, white space, or one other letter.
fn piece(source: &str) -> (usize, bool) {
    let line = || source.find('\n').unwrap_or(source.len());
    let end = |at: Option<usize>, length: usize| at.map_or(source.len(), |at| at + length);
    let letter = source.chars().next().unwrap_or(' ');
    if source.starts_with("//") {
        return (line(), false);
    }
    if source.starts_with("/*") {
        return (end(source.find("*/"), 2), false);
    }
    let unprefixed = source.trim_start_matches(['b', 'c', 'r']);
    let prefix = source.len() - unprefixed.len();
    let hashes = unprefixed.len() - unprefixed.trim_start_matches('#').len();
    let is_raw = source[..prefix].ends_with('r') && unprefixed[hashes..].starts_with('"');
    if is_raw && prefix <= 2 {
        let close = format!("\"{}", "#".repeat(hashes));
        let begin = prefix + hashes + 1;
        return (end(source[begin..].find(&close), begin + close.len()), true);
    }
    if unprefixed.starts_with('"') && prefix <= 1 {
        return (prefix + quoted(unprefixed, '"'), true);
    }
    if letter == '\'' {
        // A lifetime has no end; a character is one letter or an escape.
        let mut letters = source[1..].chars();
        let is_escape = letters.next() == Some('\\');
        let is_character = is_escape || letters.next() == Some('\'');
        return if is_character { (quoted(source, '\''), true) } else { (1, false) };
    }
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let run = |is: &dyn Fn(char) -> bool| source.find(|letter| !is(letter)).unwrap_or(source.len());
    match letter {
        letter if is_name(letter) => (run(&is_name), false),
        letter if letter.is_whitespace() => (run(&char::is_whitespace), false),
        letter => (letter.len_utf8(), false),
    }
}

/// The length of a literal with its quotes.
fn quoted(source: &str, quote: char) -> usize {
    let mut letters = source.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            letter if letter == quote => return at + 1,
            _ => {}
        }
    }
    source.len()
}

/// Adds the words of a text, with an empty one wherever a sentence, a cell or a parenthesis ends.
fn words(text: &str, first: usize, tokens: &mut Vec<Token>) {
    let mut line = first;
    let mut word = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next_is_part = letters.peek().is_some_and(|next| next.is_alphanumeric());
        let joins = matches!(letter, '\'' | '’' | '-' | '_' | '.' | '/') && next_is_part && !word.is_empty();
        if letter.is_alphanumeric() || letter == '_' || joins {
            word.extend(letter.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            tokens.push(Token { line, word: std::mem::take(&mut word) });
        }
        if matches!(letter, '.' | '!' | '?' | ';' | ':' | '|' | '(' | ')' | '"' | ',') {
            tokens.push(Token { line, word: String::new() });
        }
        if letter == '\n' {
            line += 1;
        }
    }
    if !word.is_empty() {
        tokens.push(Token { line, word });
    }
    if !text.is_empty() {
        tokens.push(Token { line, word: String::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tokens: &[Token]) -> String {
        let words: Vec<String> =
            tokens.iter().filter(|token| !token.word.is_empty()).map(|token| token.word.clone()).collect();
        words.join(" ")
    }

    #[test]
    fn a_page_is_read_without_its_code() {
        let page = "# A title\n\nText with `code door`, [a link](door.md#room) and\n<a id=\"door\"></a>more.\n\n```sh\ncd door\n```\n\n| cell | ``a ` b`` |\n";
        assert_eq!(shown(&markdown(page)), "a title text with a link and more cell");
        let lines: Vec<usize> =
            markdown(page).iter().filter(|token| token.word == "more").map(|token| token.line).collect();
        assert_eq!(lines, [4]);
    }

    #[test]
    fn what_a_program_writes_is_not_read() {
        let page = "Before.\n<!-- bench:begin -->\nWritten\n\n| by | it |\n<!-- bench:end -->\nAfter.\n";
        assert_eq!(shown(&markdown(page)), "before after");
    }

    #[test]
    fn a_source_is_read_by_its_comments_and_sentences() {
        let source = r##"//! What this owns,
//! and `code`.
/// One.
fn name<'a>(text: &'a str) -> char {
    // Not this comment.
    let key = "door"; let say = "a door \"is\" shut"; let raw = r#"raw "text" here"#;
    '"'
}
"##;
        assert_eq!(shown(&rust(source, false)), "what this owns and one");
        assert_eq!(shown(&rust(source, true)), "what this owns and one a door is shut raw text here");
        let door: Vec<usize> =
            rust(source, true).iter().filter(|token| token.word == "door").map(|token| token.line).collect();
        assert_eq!(door, [6], "a literal of one word is a name");
    }

    #[test]
    fn a_phrase_may_run_over_the_end_of_a_line() {
        let tokens = rust("/// It goes\n/// on. And\nfn on() {}\n", true);
        let words: Vec<&str> = tokens.iter().map(|token| token.word.as_str()).collect();
        assert_eq!(words[..5], ["it", "goes", "on", "", "and"]);
    }

    #[test]
    fn a_text_over_several_lines_is_one() {
        assert_eq!(shown(&rust("const A: &str = \"first \\\n    second\";", true)), "first second");
        assert_eq!(shown(&rust("let b = b\"x y\"; let c = '\\''; let d = \"z w\";", true)), "x y z w");
    }

    #[test]
    fn nothing_that_is_unfinished_stops_the_reader() {
        for source in ["\"no end", "r#\"no end\"", "/* no end", "'", "'\\", "`", "<a", "[a](b"] {
            rust(source, true);
            markdown(source);
        }
    }
}
