//! The `lossproof` program.

fn main() -> std::process::ExitCode {
    lossproof::cli::main()
}
