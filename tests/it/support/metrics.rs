//! A strict parser of `/metrics`: a line that does not follow the format is an error.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

/// All samples of one response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<Sample, f64>);

/// A name with its labels, sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
}

impl Metrics {
    /// Reads the metrics of a server.
    pub(crate) async fn of(http: &reqwest::Client, base: &str) -> anyhow::Result<Self> {
        let answer = http.get(format!("{base}/metrics")).send().await?;
        ensure!(answer.status() == 200, "{base}: {}", answer.status());
        let media_type = answer.headers().get("content-type").context("no Content-Type")?;
        ensure!(media_type == "application/openmetrics-text; version=1.0.0; charset=utf-8", "{media_type:?}");
        Self::parse(&answer.text().await?)
    }

    /// Parses the text format of OpenMetrics: each sample follows the type of its metric, and the last line is `# EOF`.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let body = text.strip_suffix("# EOF\n").context("no end")?;
        let (mut samples, mut family) = (BTreeMap::new(), (String::new(), String::new()));
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (word, name, rest) = (words.next(), words.next(), words.next());
                ensure!(matches!(word, Some("HELP" | "TYPE" | "UNIT")), "{line}");
                if word == Some("TYPE") {
                    family = (name.context("no name")?.to_owned(), rest.context("no type")?.to_owned());
                }
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
            let sample = Sample::parse(sample).with_context(|| line.to_owned())?;
            let suffix = sample.name.strip_prefix(&family.0).with_context(|| format!("{line} is under {family:?}"))?;
            let allowed: &[&str] = match family.1.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                other => anyhow::bail!("the type {other}"),
            };
            ensure!(allowed.contains(&suffix), "{line} is under {family:?}");
            let value = value.parse().with_context(|| line.to_owned())?;
            ensure!(samples.insert(sample, value).is_none(), "{line} appears twice");
        }
        Ok(Self(samples))
    }

    /// Returns the sum of all samples with this name and these labels: 0 if there are none, because nothing was counted.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &Sample| {
            sample.name == name
                && labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|v| v == value))
        };
        self.0.iter().filter(|(sample, _)| fits(sample)).map(|(_, value)| value).sum()
    }

    /// Returns all values of a label.
    pub(crate) fn values(&self, label: &str) -> Vec<&str> {
        self.0.keys().filter_map(|sample| sample.labels.get(label)).map(String::as_str).collect()
    }
}

impl Sample {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, labels) = match text.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').context("no closing brace")?),
            None => (text, ""),
        };
        ensure!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "the name {name:?}");
        let mut parsed = BTreeMap::new();
        let mut rest = labels;
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").context("no value")?;
            let (value, after) = after.split_once('"').context("no end of a value")?;
            ensure!(!value.contains('\\'), "no value of this program needs an escape");
            parsed.insert(label.to_owned(), value.to_owned());
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        Ok(Self { name: name.to_owned(), labels: parsed })
    }
}
