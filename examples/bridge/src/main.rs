//! A bridge for WebSockets between HTTP/1.1 and HTTP/2. `bridge --help` describes it.

use std::process::ExitCode;

use bridge::{Bridge, Options, USAGE};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("bridge: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let failed = |error: &dyn core::fmt::Display| {
        eprintln!("bridge: {}: {error}", options.listen);
        ExitCode::FAILURE
    };
    let listener = match TcpListener::bind(&options.listen).await {
        Ok(listener) => listener,
        Err(error) => return failed(&error),
    };
    let bridge = match Bridge::new(&options) {
        Ok(bridge) => bridge,
        Err(error) => return failed(&error),
    };
    match listener.local_addr() {
        Ok(address) => println!("listening on {address}"),
        Err(error) => return failed(&error),
    }
    bridge.serve(listener).await
}
