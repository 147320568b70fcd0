//! Rebuilds the ledger when a migration is added: `sqlx::migrate!` tracks only the files that it found.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
