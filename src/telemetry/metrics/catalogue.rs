//! Registration of metrics, with name, help text and labels in one place.

use std::{borrow::Cow, fmt};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry, Unit},
};

/// The value of a label. A value that is not a constant still comes from a table in the program, such as the table of
/// routes.
pub(super) type Value = Cow<'static, str>;

/// A closed set of label values, so that no client can create a new time series.
pub(super) trait Label: Copy + 'static {
    /// All values of the set.
    const ALL: &'static [Self];

    /// The value as it appears in the label.
    fn as_str(self) -> &'static str;
}

type Labels<const N: usize> = [(&'static str, Value); N];

/// The description of a metric, as it appears in the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The name in Prometheus. For a histogram, the name without `_bucket`, `_sum` or `_count`.
    pub name: &'static str,
    /// The type of the metric: `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The help text.
    pub help: &'static str,
}

/// Collects all metrics while they are registered.
#[derive(Default)]
pub(super) struct Catalogue {
    pub(super) registry: Registry,
    pub(super) descriptions: Vec<Description>,
}

/// A metric with labels: one time series for each combination of their values.
#[derive(Clone)]
pub(super) struct By<M, const N: usize> {
    names: &'static [&'static str; N],
    family: Family<Labels<N>, M>,
}

/// Reads a value from the system, if the system provides it.
type Read = fn() -> Option<f64>;

struct OnDemand {
    read: Read,
    kind: MetricType,
}

impl Catalogue {
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        let counter = Counter::default();
        self.add(name, "counter", &[], help, counter.clone());
        counter
    }

    /// A counter of fractional amounts.
    pub(super) fn counters_f64<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
    ) -> By<Counter<f64, std::sync::atomic::AtomicU64>, N> {
        self.by(name, "counter", labels, help, Counter::default)
    }

    pub(super) fn counters<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
    ) -> By<Counter, N> {
        self.by(name, "counter", labels, help, Counter::default)
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.add(name, "gauge", &[], help, gauge.clone());
        gauge
    }

    pub(super) fn gauges<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
    ) -> By<Gauge, N> {
        self.by(name, "gauge", labels, help, Gauge::default)
    }

    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: fn() -> Histogram,
    ) -> Histogram {
        let histogram = buckets();
        self.add(name, "histogram", &[], help, histogram.clone());
        histogram
    }

    pub(super) fn histograms<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
        buckets: fn() -> Histogram,
    ) -> By<Histogram, N> {
        self.by(name, "histogram", labels, help, buckets)
    }

    /// A gauge, or a counter if the name ends with `_total`, whose value is read when the metrics are requested. It is
    /// omitted on systems that do not provide it.
    pub(super) fn on_demand(&mut self, name: &'static str, help: &'static str, read: Read) {
        let (kind, kind_name) = match name.ends_with("_total") {
            true => (MetricType::Counter, "counter"),
            false => (MetricType::Gauge, "gauge"),
        };
        self.add(name, kind_name, &[], help, OnDemand { read, kind });
    }

    fn by<M, const N: usize>(
        &mut self,
        name: &'static str,
        kind: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
        make: fn() -> M,
    ) -> By<M, N>
    where
        M: EncodeMetric + TypedMetric + Clone + fmt::Debug + Send + Sync + 'static,
    {
        let family = Family::new_with_constructor(make);
        self.add(name, kind, labels, help, family.clone());
        By { names: labels, family }
    }

    /// The library appends the unit and, to counters, `_total`. This code takes complete names, so that a text search
    /// finds them.
    fn add(
        &mut self,
        name: &'static str,
        kind: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        metric: impl Metric,
    ) {
        self.descriptions.push(Description { name, kind, labels, help });
        let stem = if kind == "counter" { name.trim_end_matches("_total") } else { name };
        // The library adds a full stop to the help text.
        match (stem.strip_suffix("_seconds"), stem.strip_suffix("_bytes")) {
            (Some(stem), _) => self.registry.register_with_unit(stem, help, Unit::Seconds, metric),
            (None, Some(stem)) => self.registry.register_with_unit(stem, help, Unit::Bytes, metric),
            (None, None) => self.registry.register(stem, help, metric),
        }
    }
}

impl<M: Clone, const N: usize> By<M, N> {
    /// Returns the time series with these label values, in the order of the label names.
    pub(super) fn get(&self, values: [impl Into<Value>; N]) -> M {
        let mut names = self.names.iter();
        let labels = values.map(|value| (names.next().copied().unwrap_or_default(), value.into()));
        self.family.get_or_create_owned(&labels)
    }

    /// Creates the time series with these label values at zero, so that Prometheus sees their first increase.
    pub(super) fn initialized(self, values: impl IntoIterator<Item = [&'static str; N]>) -> Self {
        values.into_iter().for_each(|values| drop(self.get(values)));
        self
    }
}

impl<M: Clone> By<M, 1> {
    /// Creates the time series of all values of the label at zero.
    pub(super) fn initialized_with_all<L: Label>(self) -> Self {
        self.initialized(L::ALL.iter().map(|value| [value.as_str()]))
    }
}

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnDemand")
    }
}

impl EncodeMetric for OnDemand {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match ((self.read)(), self.kind) {
            (None, _) => Ok(()),
            (Some(value), MetricType::Counter) => {
                encoder.encode_counter::<prometheus_client::encoding::NoLabelSet, f64, f64>(&value, None)
            }
            (Some(value), _) => encoder.encode_gauge(&value),
        }
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}

/// Defines an enumeration that implements [`Label`].
macro_rules! values {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)*
        }

        impl $crate::telemetry::metrics::catalogue::Label for $name {
            const ALL: &[Self] = &[$(Self::$value),*];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }
    };
}
pub(super) use values;
