//! Content codings: the compression in which a client gets a response.

use axum::http::{HeaderMap, header};

/// In order of preference: the smallest result first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// Chooses the coding to which the client gives the highest weight, and of several the one with the smallest result
    /// (RFC 9110, section 12.5.3). A client that accepts no coding is not refused.
    ///
    /// A client that sends no `Accept-Encoding` gets no coding. Pushpin sends none, and would forward a compressed body
    /// without its `Content-Encoding`.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
        let accepted: Vec<(&str, u16)> = lines.flat_map(|line| line.split(',')).filter_map(parse).collect();
        let weight_of = |names: &[&str]| {
            accepted
                .iter()
                .find(|(name, _)| names.iter().any(|other| name.eq_ignore_ascii_case(other)))
                .map(|found| found.1)
        };
        let weight = |coding: &Self| {
            let listed = weight_of(coding.names()).or_else(|| weight_of(&["*"]));
            // Identity is acceptable unless it is excluded, but less than everything that is listed.
            listed.unwrap_or(u16::from(*coding == Self::Identity))
        };
        let best = Self::ALL.into_iter().rev().max_by_key(weight).filter(|best| weight(best) > 0);
        best.unwrap_or(Self::Identity)
    }

    /// The value of `Content-Encoding`, if it is needed.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Brotli => &["br"],
            // RFC 9110, section 8.4.1.3.
            Self::Gzip => &["gzip", "x-gzip"],
            Self::Identity => &["identity"],
        }
    }
}

/// Parses a coding and its weight in thousandths. An invalid element counts as not accepted.
fn parse(element: &str) -> Option<(&str, u16)> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, "q=1"));
    let (q, weight) = parameters.split_once('=')?;
    let weight: f32 = weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    // The cast is exact: a weight has three decimals at most.
    q.trim().eq_ignore_ascii_case("q").then(|| (name.trim(), (weight * 1000.0).round() as u16))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::{Coding::*, *};

    fn negotiated(lines: &[&'static str]) -> Coding {
        let lines = lines.iter().map(|line| (header::ACCEPT_ENCODING, HeaderValue::from_static(line)));
        Coding::negotiate(&lines.collect())
    }

    #[test]
    fn a_client_gets_the_smallest_of_the_codings_it_prefers() {
        let table: &[(&[&str], Coding)] = &[
            (&[], Identity),
            (&[""], Identity),
            (&["gzip, deflate, br, zstd"], Brotli),
            (&["gzip", "br"], Brotli),
            (&["gzip, deflate"], Gzip),
            (&["X-GZip"], Gzip),
            (&["BR"], Brotli),
            (&["deflate"], Identity),
            (&["brotli, gzipped"], Identity),
            (&["br;q=0.5, gzip;q=0.8"], Gzip),
            (&["br ; Q=0.5 , gzip ; q=0.500"], Brotli),
            (&["br;q=0.001"], Brotli),
            (&["br;q=0, gzip;q=0.0"], Identity),
            (&["br;q=0, *"], Gzip),
            (&["*"], Brotli),
            (&["*;q=0"], Identity),
            (&["*;q=0, gzip;q=0.1"], Gzip),
            (&["identity, br;q=0.5"], Identity),
            (&["identity;q=0.2, gzip;q=0.1, *;q=0"], Identity),
            (&["identity;q=0, gzip"], Gzip),
            (&["identity;q=0"], Identity),
            (&["identity;q=0, *;q=0"], Identity),
        ];
        for (lines, expected) in table {
            assert_eq!(negotiated(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn an_invalid_element_is_not_accepted() {
        for line in ["br;q=2", "br;q=-1", "br;q=NaN", "br;q=", "br;level=1", "br;q=0.5;x", ";;=,,", "br gzip"] {
            assert_eq!(negotiated(&[line]), Identity, "{line}");
        }
        assert_eq!(negotiated(&["br;q=x, gzip"]), Gzip);
    }
}
