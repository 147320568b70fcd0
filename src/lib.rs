//! Postrider dispatches customer feedback requests: the map of the house.
//!
//! # Flow
//!
//! ```text
//! AMQP ─► intake ─► facts ─► rules (pure) ─► ledger ─► dispatch ─► providers
//!           ▲                                (Postgres)    │           │
//!           └────── ack only after commit ◄──────┘ ◄─outcome┘ receipt ◄─┘ webhooks
//! ```
//!
//! Stages meet only in the ledger. Every handler gathers facts, decides (pure), applies, and only
//! then settles the outside world. Walk a request through `intake` → `rules` → `ledger` →
//! `dispatch` → `providers` → `webhooks`.
//!
//! # Glossary (one meaning each)
//!
//! * **Job**: what a producer hands in, unparsed. **Request**: one accepted wish to ask one customer.
//! * **Channel**: the interaction's channel (phone, chat …). **Medium**: how we deliver (email, sms).
//! * **Account**: a company's credentials at one provider. **Lane**: company × account, the unit of
//!   fairness, limits and breakers; an account belongs to one company, so its number names the lane.
//! * **Decision**: what the rules said. **Message**: one thing to deliver for a request.
//! * **Claim**: the right, for a lease, to make one attempt. **Attempt**: one call to one provider.
//! * **Response**: what the customer answered; the request is then *answered*.
//! * **Outcome**: what the call told us at once. **Receipt**: what the provider told us later.
//! * **Lapse**: a claim whose lease ran out before it was begun. **Suspect**: a job or a message over which
//!   workers may have died; it is tried alone. **Quarantine**: where a suspect waits for a person.
//!
//! # Invariants
//!
//! * A delivery is acknowledged only after its request or its rejection is committed.
//! * An attempt starts only after its begin is committed, under the epoch of its claim.
//! * An unknown attempt blocks every further attempt of its message.
//! * A message's state changes only along `lifecycle::transition`; the database refuses the rest.
//! * Pure folders (`message`, `company`, `rules`, `lifecycle`, `content`, every `wire.rs`) do no I/O.
//!
//! # Decisions
//!
//! * The stored state of a message is finer than the six public status words (`lifecycle::State`):
//!   one enum, one column, and the trigger in the database guards exactly that column.
//! * A receipt's token is derived, never stored: HMAC over message, attempt and account. A receipt
//!   through another account's path therefore fails the token, without a look-up.
//! * Settle and receipts carry their transition table to the row: for every stored state the byte of
//!   the state to move to, made by `lifecycle::transition`. SQL repeats no rule of its own.
//! * A hash-made idempotency key is retired after 24 h by renaming the old row's key, so that one
//!   unique index serves both kinds of key.
//! * Jobs of one batch that want the same person or carry the same key are accepted in rounds: the
//!   later ones gather again after the first committed, so their decision names the true holder.
//! * A message begun later than planned must win its own reservations' rows in the begin statement: an
//!   overtaker that commits in that instant would otherwise ask as well. The direct path pays nothing.
//! * A lane claims only what it can begin within a quarter of a lease; what it gives back keeps its due
//!   time, and so its place in the line.
//! * A test request goes to the company's test address, or to `dispatch::simulated`: no provider hears of it then.
//! * Receipts are missed by batch, not by message: settle writes one `watch` row for what it accepted
//!   through one account, because nearly all of it is delivered before anybody looks.
//! * Both of Mailgun's look-ups must come back empty before a message counts as absent; what hinders either
//!   makes it unclear. What is sent once more (`resend_if_absent`) is *waiting* with `reached` set: it can
//!   no longer be canceled or suppressed, only conclude, because it may be out already.
//! * Begin answers by claim, message and epoch: a batch can hold a lapsed claim beside the one that came
//!   after it, while the database was away, and only the begun one may be called.
//! * Begin judges blocks and answers by its statement's snapshot. One that took long (it waited for a lock)
//!   is checked once more before the call; rows that it locks need no second look.
//! * That a suspect is tried is written down before, and what may kill the worker is not done beside it: a
//!   death accuses the one that was being tried, and no other that was only claimed or delivered then.
//! * A worker that hung up is not dead: another worker's note about a job is believed after seconds only.
//! * Accept begins the attempts for which a call slot is free, at most half of a lane's slots at once for a
//!   crowd; the rest of a batch waits for the next slots, half a second in all, before it is written due. Texts
//!   are made before, so a text that kills its worker costs two deaths of its job before the three of its message.
//! * An accept whose answer was lost may have begun attempts: after a third of a lease, when no statement can
//!   still be under way, this worker writes down that it called none of them.
//! * What nobody held is inserted plainly (reservations, receipts): `on conflict` looks once more and writes twice.
//!   Who loses the race for a key starts over. The state before an update is kept in the row (`message.was`),
//!   because `returning` gives new values only, and a look beforehand cost a lock and a descent a row.
//! * Rows of tables that are often empty are found by `= any(array(...))`: analysed while empty, they would be
//!   read whole for a join, by every claim and settle, until they are analysed again.
//! * Hot ledgers keep their connections between statements; plans are dropped every ten seconds, because one made
//!   for an almost empty table reads it whole. A transaction has a connection that nobody uses again (trap F1).
//! * Sending calls use HTTP/1.1 lines of our own, a small pool a lane; look-ups use reqwest.
//! * A response and its request find one another whichever is written first: a response that finds none is
//!   awaited, a job asks whether any is awaited before it is decided, and who missed one another in that instant
//!   are found by the sweep. `answered` is the last rule, so that either order ends the same. A request is
//!   completed by the row that the fence reads; there is no status for it.
//! * An interaction's response answers first asks only: a service recovery asks after it. An answered root
//!   counts as sent, because its customer says so.
//! * A person's job comes by a door where somebody answers for the name (HTTP, the command line); an override
//!   takes the person over as a recovery does, and no rule but the suppression period knows of it.
//! * A simulation asks the policy of the time as well as the changed one, and goes by what is written down:
//!   where the old policy does not give the recorded outcome again, the request is left out and said to be.
//!   Ends that nobody decided (a refusal, a cancel, a lost fence) are taken as they were.
//! * An alert is a request of a source of its own (`ledger::alerts::ALERT_SOURCE`) with a message that reserves
//!   nobody, written by the same statement that wins the company's hour: so it has a lane, limits, receipts and
//!   look-ups like any other, and no moment in which it is decided and not on its way. Lists, counts and
//!   simulations leave that source out.
//! * Refused jobs count for alerts from the start of an hour of their own, so that one counter a row is enough;
//!   the count can be too low for a moment, never too high.
//! * Over the API a company changes what is its own; what says where a secret is read or sent, and who speaks at
//!   the broker, stays the operator's: whoever writes both reads every secret of the installation.
//! * A block keeps the address only where a person blocked it; of what customers asked for the hash is enough.
//! * Members change without a version of the policy (a count of their own): a nightly sync of thousands would
//!   otherwise make every worker read every company thousands of times.
//! * Whom a person's request names is written down after the acceptance and is no part of it: a customer's row
//!   that cannot be written refuses nobody, and the next request names them again.
//! * One replay of a refused job at a time, by a lock of its connection: who dies over it keeps nobody waiting.
//! * `company` is a pure folder of its own: the company's file, its policy document and the change
//!   between two of them are no part of one request's journey.

pub mod clock;
pub mod config;
pub mod crash;
pub mod directory;
pub mod quiet;
pub mod shutdown;
pub mod simulate;
pub mod startup;
pub mod telemetry;

pub mod company;
pub mod content;
pub mod lifecycle;
pub mod message;
pub mod rules;
pub mod simulation;

pub mod alerts;
pub mod api;
pub mod blocks;
pub mod dispatch;
pub mod intake;
pub mod ledger;
pub mod providers;
pub mod requests;
pub mod sheet;
pub mod webhooks;

pub mod cli;
pub mod simulator;
