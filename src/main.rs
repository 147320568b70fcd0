//! The `postrider` command.
//!
//! Parses the command line and hands over to `cli`; the exit status is 0 where the command did what it
//! was asked, 1 where it could not, 2 where it was asked wrongly (clap).

use std::process::ExitCode;

fn main() -> ExitCode {
    postrider::cli::main()
}
