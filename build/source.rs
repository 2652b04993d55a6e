//! A text that is read from its start to its end, and problems with their positions in it.

/// What is wrong, and where: line and column, from 1.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

pub(crate) struct Source<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// The position, in bytes.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Returns what was read since `start`.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.position]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    /// Reads `expected` if it is next.
    pub(crate) fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.position += expected.len();
        }
        found
    }

    pub(crate) fn take_while(&mut self, matches: impl Fn(char) -> bool) {
        self.position = self.rest().find(|c| !matches(c)).map_or(self.text.len(), |length| self.position + length);
    }

    /// Reads up to the end of `end`. Returns `false` if the rest does not contain it.
    pub(crate) fn take_through(&mut self, end: &str) -> bool {
        let found = self.rest().find(end);
        if let Some(length) = found {
            self.position += length + end.len();
        }
        found.is_some()
    }

    pub(crate) fn problem(&self, position: usize, message: &str) -> Problem {
        let before = &self.text[..position];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Problem {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.to_owned(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }
}
