//! gripchat: chat rooms over Server-Sent Events, from a backend that holds no connections.
//!
//! A GRIP proxy (Pushpin, Fastly Fanout, or the built-in edge) keeps the browsers' streams open. The backend answers short
//! requests, tells the proxy which streams to hold, and publishes to it. Messages are stored in DynamoDB or in a local
//! file.
//!
//! # The life of a message
//!
//! ```text
//! browser ──POST /rooms/lobby/messages/──► proxy ──► backend
//!                                                      1 parse and validate            web::extract, chat
//!           ◄─ event: message (no id) ── proxy ◄────── 2 publish provisionally         feed, grip::publish
//!                                                      3 append to the store           store
//!           ◄─ event: message, id e-57 ─ proxy ◄────── 4 publish with its prev-id      feed, grip::publish
//!           ◄──────────────── 200 {id, …} ──────────── 5 respond                       web::messages
//! ```
//!
//! [`app`] performs these steps in order. A crash between any two of them loses no acknowledged message and leaves no gap
//! in a stream: every stored message is published with the id of the previous one, so a proxy that missed a message
//! notices, and requests it from the backend.
//!
//! # The modules and their imports
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | [`cli`] | the commands and their exit codes | `config`, `edge`, `failpoint`, `features`, `serve`, `store`, `telemetry` |
//! | [`config`] | the configuration, validated as a whole | `edge`, `features`, `forwarded`, `grip`, `store`, `telemetry`, `web` |
//! | [`serve`] | the backend process: start and shutdown | `app`, `config`, `grip`, `server`, `store`, `web` |
//! | [`web`] | HTTP: routes, extractors, pages | `app`, `chat`, `feed`, `forwarded`, `grip`, `health`, `store`, `telemetry` |
//! | [`app`] | the use cases, in order of effect | `chat`, `failpoint`, `feed`, `grip`, `store`, `telemetry` |
//! | [`feed`] | what a subscriber receives: channels, events, held streams | `chat`, `grip`, `sse`, `store` |
//! | [`store`] | the `Store` trait, and its implementations: DynamoDB and a local file | `chat`, `failpoint`, `telemetry` |
//! | [`edge`] | a GRIP proxy for one machine | `forwarded`, `grip`, `health`, `server`, `telemetry` |
//! | [`grip`] | the GRIP protocol, and the publishing client | `telemetry` |
//! | [`chat`] | the domain, without I/O | nothing |
//! | [`sse`] | the encoder for Server-Sent Events | nothing |
//! | [`forwarded`] | the address of a client behind trusted proxies | nothing |
//! | [`health`] | health checks and responses to probes | nothing |
//! | [`server`] | HTTP connections of the program's own routers | nothing |
//! | [`features`] | the optional features of this binary | nothing |
//! | [`failpoint`] | points at which tests crash the program | nothing |
//! | [`telemetry`] | logs, metrics, request ids | nothing |
//!
//! `tests/architecture.rs` checks this table. Larger modules have a table of their own files in the docs of their `mod.rs`.

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
