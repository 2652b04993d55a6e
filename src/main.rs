//! The program. All of it is in the library, where tests can reach it and where it is compiled once for them all.

use std::process::ExitCode;

fn main() -> ExitCode {
    gripchat::cli::main()
}
