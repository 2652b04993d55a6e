//! Content codings: the form in which a client gets what lies ready in several.

use axum::http::{HeaderMap, header};

/// In the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// What a client accepts most, and what is shortest among that (RFC 9110, section 12.5.3). Nobody is refused for
    /// accepting nothing.
    ///
    /// Who does not say what they accept get no coding: that is Pushpin, which would pass it on without its name.
    pub(super) fn negotiate(headers: &HeaderMap) -> Self {
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
            // Acceptable unless it is excluded, and after all that is listed.
            listed.unwrap_or(u16::from(*coding == Self::Identity))
        };
        let best = Self::ALL.into_iter().rev().max_by_key(weight).filter(|best| weight(best) > 0);
        best.unwrap_or(Self::Identity)
    }

    /// As Content-Encoding has it, where it has it at all.
    pub(super) fn name(self) -> Option<&'static str> {
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

/// A coding and its weight in thousandths. What cannot be read is not accepted.
fn parse(element: &str) -> Option<(&str, u16)> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, "q=1"));
    let (q, weight) = parameters.split_once('=')?;
    let weight: f32 = weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    // Exact: three digits at most, and none of them lost to the cast.
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
    fn a_client_gets_the_shortest_of_what_it_likes_best() {
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
    fn what_cannot_be_read_is_not_accepted() {
        for line in ["br;q=2", "br;q=-1", "br;q=NaN", "br;q=", "br;level=1", "br;q=0.5;x", ";;=,,", "br gzip"] {
            assert_eq!(negotiated(&[line]), Identity, "{line}");
        }
        assert_eq!(negotiated(&["br;q=x, gzip"]), Gzip);
    }
}
