//! Figures of several rounds, and the table of their medians.

use crate::servers::Kind;

/// What was measured, in the order of the first figure of each row.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
}

struct Row {
    label: String,
    figures: Vec<(Kind, f64)>,
}

impl Report {
    pub(crate) fn add(&mut self, label: impl Into<String>, kind: Kind, figure: f64) {
        let label = label.into();
        match self.rows.iter_mut().find(|row| row.label == label) {
            Some(row) => row.figures.push((kind, figure)),
            None => self.rows.push(Row { label, figures: vec![(kind, figure)] }),
        }
    }

    /// What must be said with the table.
    pub(crate) fn note(&mut self, note: String) {
        println!("  {note}");
        self.notes.push(note);
    }

    pub(crate) fn print(&self) {
        let mut kinds: Vec<Kind> = self.rows.iter().flat_map(|row| &row.figures).map(|(kind, _)| *kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let ratios: Vec<Kind> =
            kinds.iter().copied().filter(|kind| *kind < Kind::Edge && kinds.contains(&Kind::Edge)).collect();

        println!("\nmedian (least – most) of the rounds");
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
    /// In order.
    fn of(&self, kind: Kind) -> Vec<f64> {
        let mut figures: Vec<f64> =
            self.figures.iter().filter(|(of, _)| *of == kind).map(|(_, figure)| *figure).collect();
        figures.sort_by(f64::total_cmp);
        figures
    }

    fn median(&self, kind: Kind) -> Option<f64> {
        let figures = self.of(kind);
        figures.get(figures.len() / 2).copied()
    }

    fn cell(&self, kind: Kind) -> String {
        let figures = self.of(kind);
        match (self.median(kind), figures.first(), figures.last()) {
            (Some(median), Some(least), Some(most)) if figures.len() > 1 => {
                format!("{} ({} – {})", number(median), number(*least), number(*most))
            }
            (Some(figure), ..) => number(figure),
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

fn number(figure: f64) -> String {
    match figure {
        _ if figure.fract() == 0.0 || figure >= 1000.0 => format!("{figure:.0}"),
        _ if figure >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}
