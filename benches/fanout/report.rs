//! The results of several rounds, and the table of their medians.

use crate::plan::Kind;

/// All results. Rows are in the order of their first result.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
}

struct Row {
    label: String,
    results: Vec<(Kind, f64)>,
}

impl Report {
    pub(crate) fn add(&mut self, label: impl Into<String>, kind: Kind, result: f64) {
        let label = label.into();
        match self.rows.iter_mut().find(|row| row.label == label) {
            Some(row) => row.results.push((kind, result)),
            None => self.rows.push(Row { label, results: vec![(kind, result)] }),
        }
    }

    /// Adds a note that is printed with the table.
    pub(crate) fn note(&mut self, note: String) {
        println!("  {note}");
        self.notes.push(note);
    }

    pub(crate) fn print(&self) {
        let mut kinds: Vec<Kind> = self.rows.iter().flat_map(|row| &row.results).map(|(kind, _)| *kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let ratios: Vec<Kind> =
            kinds.iter().copied().filter(|kind| *kind < Kind::Edge && kinds.contains(&Kind::Edge)).collect();

        println!("\nmedian (minimum – maximum) of the rounds");
        print!("{:42}", "");
        kinds.iter().for_each(|kind| print!(" | {kind:>26}"));
        ratios.iter().for_each(|kind| print!(" | {:>12}", format!("edge/{kind}")));
        println!();
        for row in &self.rows {
            print!("{:42}", row.label);
            kinds.iter().for_each(|kind| print!(" | {:>26}", row.cell(*kind)));
            ratios.iter().for_each(|kind| print!(" | {:>12}", row.ratio(*kind)));
            println!();
        }
        self.notes.iter().for_each(|note| println!("{note}"));
    }
}

impl Row {
    /// Returns the results of one server in ascending order.
    fn of(&self, kind: Kind) -> Vec<f64> {
        let mut results: Vec<f64> =
            self.results.iter().filter(|(of, _)| *of == kind).map(|(_, result)| *result).collect();
        results.sort_by(f64::total_cmp);
        results
    }

    fn median(&self, kind: Kind) -> Option<f64> {
        let results = self.of(kind);
        results.get(results.len() / 2).copied()
    }

    fn cell(&self, kind: Kind) -> String {
        let results = self.of(kind);
        match (self.median(kind), results.first(), results.last()) {
            (Some(median), Some(min), Some(max)) if results.len() > 1 => {
                format!("{} ({} – {})", number(median), number(*min), number(*max))
            }
            (Some(result), ..) => number(result),
            (None, ..) => "-".to_owned(),
        }
    }

    fn ratio(&self, kind: Kind) -> String {
        match (self.median(Kind::Edge), self.median(kind)) {
            (Some(edge), Some(other)) if other > 0.0 => format!("{:.2}", edge / other),
            _ => "-".to_owned(),
        }
    }
}

fn number(result: f64) -> String {
    match result {
        _ if result.fract() == 0.0 || result >= 1000.0 => format!("{result:.0}"),
        _ if result >= 10.0 => format!("{result:.1}"),
        _ => format!("{result:.2}"),
    }
}
