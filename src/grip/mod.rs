//! GRIP, the protocol between a backend and the proxy that holds its clients' connections.
//!
//! Pure parts: [`GripUrl`] (where to publish and whom to trust), [`Hold`] and [`NextPage`] (the headers
//! that make a proxy hold or page a response), [`Instructions`] (how a proxy reads them), [`last_id`] (where
//! a proxy's stream stands), and the keys and tokens of both directions. [`Publisher`] does the I/O. Nothing here knows chat.
//!
//! Source: <https://pushpin.org/docs/protocols/grip/>, and what Pushpin 1.36 to 2.0 really do.

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
