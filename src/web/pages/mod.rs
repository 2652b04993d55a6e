//! The pages, rendered on the server with the messages in them.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `author` | the initials and the color of an author | nothing |
//! | `error` | errors as a page | `render` |
//! | `index` | `/` | `error`, `link` |
//! | `link` | links to rooms | nothing |
//! | `render` | a template as a response | nothing |
//! | `room` | `/{room}` | `error`, `render`, `view` |
//! | `rooms` | the page of `/rooms/` | `error`, `link`, `render`, `view` |
//! | `text` | links and emoji in a text | nothing |
//! | `view` | the values that the templates show | `author`, `link`, `text` |
//!
//! The templates are in `templates/`.

mod author;
mod error;
mod index;
mod link;
mod render;
mod room;
mod rooms;
mod text;
mod view;

pub(super) use self::{error::PageError, index::index, link::room_path, room::room, rooms::rooms};
