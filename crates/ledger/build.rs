//! Rebuilds the ledger when a migration is added: `sqlx::migrate!` tracks only the files that it found.
//!
//! Cargo looks at the folder itself; read `lib.rs` for the check of the schema.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
