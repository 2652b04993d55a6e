//! As much of Markdown as the README uses: fenced blocks, tables and links.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) language: String,
    pub(super) text: String,
}

/// A block of commands, and the block of what they print, where one follows at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) commands: String,
    pub(super) output: Option<Block>,
}

/// The blocks of commands for a shell, in order.
pub(super) fn examples(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    // Whether nothing but empty lines stands between the last example and here.
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

/// The rows of the first table below a line that begins so: its cells, without the backquotes around them.
pub(crate) fn table(document: &str, head: &str) -> Vec<Vec<String>> {
    let below = document.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = below.take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    rows.map(|row| row.trim_matches('|').split('|').map(cell).collect()).collect()
}

/// The targets of all links.
pub(super) fn links(document: &str) -> Vec<&str> {
    let behind = document.split("](").skip(1);
    behind.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// What stands between backquotes, outside fenced blocks.
pub(crate) fn code_spans(document: &str) -> Vec<&str> {
    let outside = document.split("\n```").step_by(2);
    outside.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}
