//! 8x8: a social interaction that an agent accepted, ended and wrapped up makes a request.
//!
//! `jws` (PURE) says whether 8x8 sent a notice, `wire` (PURE) what it tells about its interaction,
//! `interaction` (PURE) puts what was told together in any order, says when it is complete, and makes the
//! job. `client` asks 8x8 for the public keys that sign notices; everything else notices carry themselves.

pub mod client;
pub mod interaction;
pub mod jws;
pub mod wire;
