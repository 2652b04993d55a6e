//! One client's record, read from its beginning: where the client stands, and what may come next.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use tokio::time::Instant;

use super::{Excuses, Figures, Known, follows, id, says_the_same};
use crate::chaos::client::{Entry, Record, Style};

/// Follows a client through what it saw.
pub(super) struct Reader<'a> {
    pub(super) known: &'a Known<'a>,
    pub(super) record: &'a Record,
    pub(super) excuses: Excuses,
    /// Where the client stands.
    pub(super) position: Option<String>,
    /// The cursor of the opening that is under way, until the stream says where it goes on.
    pub(super) opening: Option<Option<String>>,
    /// Since when the stream has been open.
    pub(super) open_since: Option<Instant>,
}

impl Reader<'_> {
    pub(super) fn see(
        &mut self,
        at: Instant,
        entry: &Entry,
        figures: &mut Figures,
        provisional: &mut BTreeMap<String, usize>,
    ) -> Result<(), String> {
        match entry {
            Entry::Asked(cursor) => {
                if let Some(position) = &self.position
                    && cursor.as_ref() != Some(position)
                {
                    return Err(format!("it asked for {cursor:?} and stood at {position}"));
                }
                self.position.clone_from(cursor);
                self.opening = Some(cursor.clone());
            }
            Entry::Refused(_) => self.opening = None,
            Entry::Opened => {
                figures.openings += 1;
                self.open_since = Some(at);
            }
            Entry::Left | Entry::Dropped(_) => {
                self.opening = None;
                self.open_since = None;
                // What becomes of what was shown is not told twice.
                provisional.clear();
                if let Entry::Dropped(how) = entry {
                    figures.drops += 1;
                    if !self.excuses.drops {
                        return Err(format!("the stream was dropped: {how}"));
                    }
                }
            }
            Entry::Event(event) => match event.event.as_str() {
                "stream-open" => return self.open(&place(&event.data)),
                "stream-reset" => {
                    figures.resets += 1;
                    if !self.excuses.resets {
                        return Err(format!("a reset: {}", event.data));
                    }
                    let place = place(&event.data);
                    self.position = Some(place.clone());
                    if let Some(cursor) = &mut self.opening {
                        *cursor = Some(place);
                    }
                }
                "message" => {
                    return self.message(
                        at,
                        event.id.as_deref().unwrap_or_default(),
                        &event.data,
                        figures,
                        provisional,
                    );
                }
                "keep-alive" => {}
                other => return Err(format!("an event of an unknown kind: {other}")),
            },
        }
        Ok(())
    }

    fn open(&mut self, place: &str) -> Result<(), String> {
        match self.opening.take() {
            None => return Err("a stream-open within the stream".to_owned()),
            Some(Some(cursor)) if cursor != place => return Err(format!("asked for {cursor}, it goes on at {place}")),
            Some(_) => {}
        }
        self.position = Some(place.to_owned());
        Ok(())
    }

    fn message(
        &mut self,
        at: Instant,
        message_id: &str,
        data: &str,
        figures: &mut Figures,
        provisional: &mut BTreeMap<String, usize>,
    ) -> Result<(), String> {
        let message: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        if self.opening.is_some() {
            return Err("a message before the stream-open".to_owned());
        }
        let position = self.position.clone().unwrap_or_default();
        let follows = follows(&position, message_id);
        let repeated = !follows && self.seen_before(message_id);
        match (follows, repeated) {
            (true, _) => {}
            (false, true) if self.excuses.repeats => {}
            (false, true) => return Err(format!("a double: {message_id} behind {position}")),
            (false, false) => return Err(format!("a gap, or disorder: {message_id} behind {position}")),
        }
        if id(&message) != message_id {
            return Err(format!("the event {message_id} has another message: {data}"));
        }
        let place = (self.record.room, message_id);
        match self.known.messages.get(&place) {
            Some(stored) if **stored != message => return Err(format!("streamed {message}, and stored {stored}")),
            None if self.excuses.lost_before.is_none() => return Err(format!("streamed and not stored: {message}")),
            _ => {}
        }
        if repeated {
            figures.repeats += 1;
            return Ok(());
        }
        if let (Some(acknowledged), Some(open)) = (self.known.acknowledged.get(&place), self.open_since)
            && open < *acknowledged
        {
            figures.delays.push(at.saturating_duration_since(*acknowledged));
        }
        figures.deliveries += 1;
        provisional.remove(message["provisionalId"].as_str().unwrap_or_default());
        self.position = Some(message_id.to_owned());
        Ok(())
    }

    pub(super) fn provisional(
        &self,
        data: &str,
        index: usize,
        shown: &mut BTreeMap<String, usize>,
    ) -> Result<(), String> {
        if self.record.style == Style::Persisted {
            return Err("a provisional message on a stream without".to_owned());
        }
        let message: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        let key = message["provisionalId"].as_str().unwrap_or_default();
        let post = self.known.posts.get(key).filter(|post| post.room == self.record.room);
        if post.is_none_or(|post| !says_the_same(&message, post)) {
            return Err(format!("nobody posted what is shown: {data}"));
        }
        if message["retracted"] == true {
            shown.remove(key);
        } else if !self.stored_already(key) {
            shown.insert(key.to_owned(), index);
        }
        Ok(())
    }

    /// A post that is repeated is shown again, although this stream has its message.
    fn stored_already(&self, key: &str) -> bool {
        let has = |entry: &Entry| match entry {
            Entry::Event(event) => event.id.is_some() && event.data.contains(key),
            _ => false,
        };
        self.known.posts.get(key).is_some_and(|post| post.attempts.len() > 1)
            && self.record.entries.iter().any(|(_, entry)| has(entry))
    }

    fn seen_before(&self, message_id: &str) -> bool {
        let ids = self.record.entries.iter().filter_map(|(_, entry)| match entry {
            Entry::Event(event) => event.id.as_deref(),
            _ => None,
        });
        let mut seen = HashSet::new();
        ids.filter(|id| *id == message_id).any(|id| !seen.insert(id))
    }
}

fn place(data: &str) -> String {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    data["lastEventId"].as_str().unwrap_or_default().to_owned()
}
