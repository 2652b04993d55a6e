//! GRIP, the protocol between a backend and the proxy that holds its clients' connections.
//!
//! Everything except [`Publisher`] is pure: it reads and writes headers, items, keys and tokens. Nothing here depends
//! on chat.
//!
//! Source: <https://pushpin.org/docs/protocols/grip/>, and the observed behaviour of Pushpin 1.36 to 2.0.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `url` | `GRIP_URL`: where to publish, and whose signature to trust | `key`, `sig` |
//! | `publish` | the publishing client | `item`, `url` |
//! | `item` | what is published | `hold` |
//! | `instructions` | response headers, as a proxy reads them | `escape`, `list` |
//! | `hold` | response headers, as a backend writes them | `escape` |
//! | `last` | `Grip-Last`: the position of a proxy's stream | `hold`, `list` |
//! | `sig` | `Grip-Sig` and other tokens | `key` |
//! | `key` | keys, as `GRIP_URL` spells them | nothing |
//! | `list` | the list syntax of headers | nothing |
//! | `escape` | encodings of bytes in headers | nothing |

mod escape;
mod hold;
mod instructions;
mod item;
mod key;
mod last;
mod list;
mod publish;
mod sig;
mod url;

pub use hold::{Channel, Hold, HoldChannel, NextPage};
pub use instructions::{HoldMode, Instructions, InstructionsError, KeepAlive, NextLink, Status, Subscription};
pub use item::{Formats, HttpStream, Item};
pub use key::KeyError;
pub use last::last_id;
pub use publish::{Outcome, Publisher, PublisherError};
pub use sig::{GRIP_SIG, SigError, Signer, Trust, Verifier};
pub use url::{GripUrl, GripUrlError};
