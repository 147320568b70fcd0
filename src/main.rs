//! The `postrider` command.
//!
//! `cli` parses the arguments and runs the command. Exit status: 0 success, 1 failure, 2 wrong arguments (clap).

use std::process::ExitCode;

fn main() -> ExitCode {
    postrider::cli::main()
}
