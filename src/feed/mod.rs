//! What a subscriber receives: the channels of a room, its events, and the hold of its streams.
//!
//! | event | data | sent |
//! |---|---|---|
//! | `stream-open` | `{"lastEventId"}` | first on a client's own request: the cursor that the stream continues from |
//! | `message` | a message without `id` | when it was posted and is not stored yet; `"retracted": true` retracts it |
//! | `message` | a message, event id = `id` | when it is stored: in order, once |
//! | `stream-reset` | `{"reason", "lastEventId"}` | when the messages after the client's cursor cannot be replayed |
//! | `keep-alive` | `{}` | when nothing else was sent for 20 s |
//!
//! Messages are published on two channels. `messages-<room>` is reliable: every item has an id and names the id
//! before it, so a proxy that missed an item notices and requests the room's next link. `provisional-<room>` is not
//! reliable: its events have no position in the room's log.
//!
//! Events and pages are independent of the transport. `sse` encodes them as Server-Sent Events; another transport adds a
//! second encoder and a format in `items::formats`.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `channels` | names of channels, and of rooms in paths | nothing |
//! | `event` | events, without a transport | nothing |
//! | `items` | what is published | `channels`, `event`, `sse` |
//! | `next_link` | the paths of next links | `channels` |
//! | `page` | the pages of a room's stream, without a transport | `event` |
//! | `sse` | events and pages as Server-Sent Events | `event`, `page` |
//! | `stream` | the responses that carry the pages | `channels`, `next_link`, `page`, `sse` |

mod channels;
mod event;
mod items;
mod next_link;
mod page;
mod sse;
mod stream;

pub use channels::{messages_channel, path_segment};
pub use event::Event;
pub use items::{persisted_item, provisional_item, retraction_item};
pub use next_link::NextLink;
pub use page::{NextStep, StreamPage};
pub use stream::{Feed, SseResponse};

/// Which events a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// All events.
    Full,
    /// No provisional messages.
    Persisted,
}
