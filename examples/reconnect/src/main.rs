//! Prints the text messages of a server, and connects again when the connection is lost:
//! `reconnect ws://127.0.0.1:9001/ws`.

use core::error::Error;
use core::time::Duration;

use reconnect::{Notice, Policy, stay_connected};
use sansocket::{Config, ConnectRequest, Entropy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: reconnect URL")?;
    let request = ConnectRequest::new(&url)?;
    // A server that vanishes is noticed 20 s after it has sent its last byte.
    let keep_alive = Duration::from_secs(10);
    let config =
        Config::client(Entropy::os()).keep_alive(Some(keep_alive), Some(keep_alive)).build()?;
    let policy = Policy {
        // As RFC 6455 has it.
        first: Duration::from_secs(5),
        max: Duration::from_secs(60),
        stable: Duration::from_secs(30),
    };
    stay_connected(&request, &config, policy, |notice| match notice {
        Notice::Connected => eprintln!("connected"),
        Notice::Text(text) => println!("{text}"),
        Notice::Lost { reason, delay } => {
            eprintln!("{reason}; next attempt in {:.1} s", delay.as_secs_f64());
        }
    })
    .await
}
