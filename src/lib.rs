//! gripchat: chat rooms over Server-Sent Events, from a backend that holds no connection.
//!
//! A GRIP proxy (Pushpin, Fanout) keeps the browsers' streams open. The backend answers short requests,
//! tells the proxy what to hold, and publishes. Messages live in DynamoDB.
//!
//! # One message's life
//!
//! ```text
//! browser ──POST /rooms/lobby/messages/──► proxy ──► backend
//!                                                      1 parse and validate            web::extract, chat
//!           ◄─ event: message (no id) ── proxy ◄────── 2 publish provisionally         feed, grip::publish
//!                                                      3 append to the store           store
//!           ◄─ event: message, id e-57 ─ proxy ◄────── 4 publish, with the id before   feed, grip::publish
//!           ◄──────────────── 200 {id, …} ──────────── 5 answer                        web::messages
//! ```
//!
//! [`app`] holds these steps in order. A crash between any two of them loses nothing that was
//! acknowledged and leaves no gap: every persisted message names the one before it, so a proxy
//! that missed one notices, and asks.
//!
//! # The modules, and who may import whom
//!
//! | module | is | imports of ours |
//! |---|---|---|
//! | [`cli`] | commands, exit codes | `config`, `edge`, `failpoint`, `features`, `serve`, `store`, `telemetry` |
//! | [`config`] | the whole configuration, validated | `edge`, `features`, `forwarded`, `grip`, `store`, `telemetry`, `web` |
//! | [`serve`] | wiring, shutdown | `app`, `config`, `grip`, `server`, `store`, `web` |
//! | [`web`] | HTTP: routes, parsing, pages | `app`, `chat`, `feed`, `forwarded`, `grip`, `health`, `store`, `telemetry` |
//! | [`app`] | the use cases | `chat`, `failpoint`, `feed`, `grip`, `store`, `telemetry` |
//! | [`feed`] | channels, events, holds | `chat`, `grip`, `sse`, `store` |
//! | [`store`] | the trait, DynamoDB, a file | `chat`, `failpoint`, `telemetry` |
//! | [`edge`] | a GRIP proxy for one machine | `forwarded`, `grip`, `health`, `server`, `telemetry` |
//! | [`grip`] | the GRIP protocol | `telemetry` |
//! | [`chat`] | the domain, no I/O | nothing |
//! | [`sse`] | the encoder | nothing |
//! | [`forwarded`] | whose request it is, behind trusted proxies | nothing |
//! | [`health`] | what probes are told | nothing |
//! | [`server`] | HTTP connections of the program's own routers | nothing |
//! | [`features`] | what this binary was built with | nothing |
//! | [`failpoint`] | where tests crash it | nothing |
//! | [`telemetry`] | the log, metrics, request ids | nothing |
//!
//! `tests/architecture.rs` holds this table to be true.

pub mod app;
pub mod chat;
pub mod cli;
pub mod config;
pub mod edge;
pub mod failpoint;
pub mod features;
pub mod feed;
pub mod forwarded;
pub mod grip;
pub mod health;
pub mod serve;
pub mod server;
pub mod sse;
pub mod store;
pub mod telemetry;
pub mod web;
