//! Tests of rules.
//! Properties.
