//! Reads the record of one client from its beginning, and checks each entry against the client's position.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use tokio::time::Instant;

use super::{Excuses, Known, Measurements, follows, has_content_of, id};
use crate::chaos::client::{Entry, Record, Style};

/// The state of a client after the entries that were read.
pub(super) struct Reader<'a> {
    pub(super) known: &'a Known<'a>,
    pub(super) record: &'a Record,
    pub(super) excuses: Excuses,
    /// The cursor of the client.
    pub(super) position: Option<String>,
    /// The cursor that was requested, until the stream reports where it starts.
    pub(super) opening: Option<Option<String>>,
    /// When the stream was opened.
    pub(super) open_since: Option<Instant>,
}

impl Reader<'_> {
    pub(super) fn see(
        &mut self,
        at: Instant,
        entry: &Entry,
        measurements: &mut Measurements,
        provisional: &mut BTreeMap<String, usize>,
    ) -> Result<(), String> {
        match entry {
            Entry::Requested(cursor) => {
                if let Some(position) = &self.position
                    && cursor.as_ref() != Some(position)
                {
                    return Err(format!("it requested {cursor:?}, but was at {position}"));
                }
                self.position.clone_from(cursor);
                self.opening = Some(cursor.clone());
            }
            Entry::Refused(_) => self.opening = None,
            Entry::Opened => {
                measurements.openings += 1;
                self.open_since = Some(at);
            }
            Entry::Left | Entry::Dropped(_) => {
                self.opening = None;
                self.open_since = None;
                // Provisional messages of an earlier stream are not retracted on the next one.
                provisional.clear();
                if let Entry::Dropped(how) = entry {
                    measurements.drops += 1;
                    if !self.excuses.drops {
                        return Err(format!("the stream was dropped: {how}"));
                    }
                }
            }
            Entry::Event(event) => match event.event.as_str() {
                "stream-open" => return self.open(&position_in(&event.data)),
                "stream-reset" => {
                    measurements.resets += 1;
                    if !self.excuses.resets {
                        return Err(format!("a reset: {}", event.data));
                    }
                    let position = position_in(&event.data);
                    self.position = Some(position.clone());
                    if let Some(cursor) = &mut self.opening {
                        *cursor = Some(position);
                    }
                }
                "message" => {
                    return self.message(
                        at,
                        event.id.as_deref().unwrap_or_default(),
                        &event.data,
                        measurements,
                        provisional,
                    );
                }
                "keep-alive" => {}
                other => return Err(format!("an event of an unknown kind: {other}")),
            },
        }
        Ok(())
    }

    fn open(&mut self, position: &str) -> Result<(), String> {
        match self.opening.take() {
            None => return Err("a second stream-open".to_owned()),
            Some(Some(cursor)) if cursor != position => {
                return Err(format!("it requested {cursor}, but the stream starts at {position}"));
            }
            Some(_) => {}
        }
        self.position = Some(position.to_owned());
        Ok(())
    }

    fn message(
        &mut self,
        at: Instant,
        message_id: &str,
        data: &str,
        measurements: &mut Measurements,
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
            (false, true) => return Err(format!("a duplicate: {message_id} after {position}")),
            (false, false) => return Err(format!("a gap or a wrong order: {message_id} after {position}")),
        }
        if id(&message) != message_id {
            return Err(format!("the event {message_id} contains another message: {data}"));
        }
        let key = (self.record.room, message_id);
        match self.known.messages.get(&key) {
            Some(stored) if **stored != message => return Err(format!("streamed {message}, but stored {stored}")),
            None if self.excuses.lost_before.is_none() => return Err(format!("streamed, but not stored: {message}")),
            _ => {}
        }
        if repeated {
            measurements.repeats += 1;
            return Ok(());
        }
        if let (Some(acknowledged), Some(open)) = (self.known.acknowledged.get(&key), self.open_since)
            && open < *acknowledged
        {
            measurements.delays.push(at.saturating_duration_since(*acknowledged));
        }
        measurements.deliveries += 1;
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
            return Err("a provisional message on a stream without them".to_owned());
        }
        let message: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        let key = message["provisionalId"].as_str().unwrap_or_default();
        let post = self.known.posts.get(key).filter(|post| post.room == self.record.room);
        if post.is_none_or(|post| !has_content_of(&message, post)) {
            return Err(format!("nobody posted this provisional message: {data}"));
        }
        if message["retracted"] == true {
            shown.remove(key);
        } else if !self.stored_already(key) {
            shown.insert(key.to_owned(), index);
        }
        Ok(())
    }

    /// Whether this stream has the message already: a post that is repeated is published as provisional again.
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

fn position_in(data: &str) -> String {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    data["lastEventId"].as_str().unwrap_or_default().to_owned()
}
