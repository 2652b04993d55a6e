//! Links to rooms.

use url::form_urlencoded::Serializer;

use crate::{
    chat::{Author, RoomId},
    feed,
};

/// The path and query of a room's page for a person with this name.
pub(crate) fn room_path(room: &RoomId, user: &Author) -> String {
    format!("/{}{}", feed::path_segment(room), query(&[("user", Some(user.as_str()))]))
}

/// A query of the parameters that have a value, with its question mark; empty if none has.
pub(super) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter_map(|&(name, value)| Some((name, value?))));
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}
