//! The stamp in every message, which is found again in the bytes that a subscriber reads: the number of the message, and
//! the time at which it was sent.
//!
//! A stamp is plain ASCII of a fixed length, so it is unchanged in JSON, SSE and chunks, and its first bytes identify it.

use memchr::memmem::Finder;

const MARK: &[u8] = b"~gc:";
const NUMBER: usize = 8;
const SENT: usize = 16;

/// The length of a stamp: `~gc:`, the number, `@`, and nanoseconds of [`crate::clock`].
pub(crate) const LENGTH: usize = MARK.len() + NUMBER + 1 + SENT;

/// The number in messages that only show whether all subscribers are subscribed.
pub(crate) const WARM_UP: u32 = 99_999_999;

/// The number of a message, and when it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) number: u32,
    pub(crate) sent: u64,
}

impl Stamp {
    pub(crate) fn text(self) -> String {
        format!("~gc:{:0NUMBER$}@{:0SENT$}", self.number, self.sent)
    }

    /// Parses the stamp at the start of `bytes`.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (number, sent) = bytes.get(MARK.len()..LENGTH)?.split_at(NUMBER);
        let (b'@', sent) = sent.split_first()? else { return None };
        Some(Self { number: u32::try_from(digits(number)?).ok()?, sent: digits(sent)? })
    }
}

fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0, |value: u64, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
}

/// Finds stamps.
pub(crate) struct Scanner(Finder<'static>);

impl Scanner {
    pub(crate) fn new() -> Self {
        Self(Finder::new(MARK))
    }

    /// Calls back for every complete stamp in `bytes`, and returns where the last one ends. An incomplete stamp starts after
    /// that, and in the last [`LENGTH`] - 1 bytes.
    pub(crate) fn scan(&self, bytes: &[u8], mut found: impl FnMut(Stamp)) -> usize {
        let mut from = 0;
        while let Some(at) = self.0.find(&bytes[from..]).map(|at| from + at) {
            if bytes.len() - at < LENGTH {
                break;
            }
            if let Some(stamp) = Stamp::parse(&bytes[at..]) {
                found(stamp);
                from = at + LENGTH;
            } else {
                from = at + MARK.len();
            }
        }
        from
    }
}
