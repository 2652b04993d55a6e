//! Parses the Markdown that the documents use: fenced blocks, headings, tables, links and code spans.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) language: String,
    pub(super) text: String,
}

/// A block of commands, and the block that directly follows it, which shows what they print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) commands: String,
    pub(super) output: Option<Block>,
}

/// Returns the `sh` blocks in order.
pub(super) fn examples(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    // Whether only empty lines separate the last example from the current line.
    let mut adjacent = false;
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            adjacent &= line.is_empty();
            continue;
        };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = Block { language: language.to_owned(), text: text.join("\n") };
        match (language, examples.last_mut()) {
            ("sh", _) => {
                examples.push(Example { commands: block.text, output: None });
                adjacent = true;
            }
            (_, Some(example)) if adjacent => {
                example.output = Some(block);
                adjacent = false;
            }
            _ => adjacent = false,
        }
    }
    examples
}

/// Returns the rows of the table whose head starts with `head`: their cells, without enclosing backquotes.
pub(crate) fn table(document: &str, head: &str) -> Vec<Vec<String>> {
    let below = document.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = below.take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    rows.map(|row| row.trim_matches('|').split('|').map(cell).collect()).collect()
}

/// Returns the targets of all links and images.
pub(super) fn links(document: &str) -> Vec<&str> {
    let after = document.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// Returns the text between backquotes, outside fenced blocks.
pub(crate) fn code_spans(document: &str) -> Vec<&str> {
    let outside = document.split("\n```").step_by(2);
    outside.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// Returns the anchors of all headings, as GitHub generates them: lower case, spaces as hyphens, other punctuation removed.
pub(super) fn anchors(document: &str) -> Vec<String> {
    let outside = format!("\n{document}");
    let outside = outside.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
    let headings = outside.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}
