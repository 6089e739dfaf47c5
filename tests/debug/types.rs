//! Each public type is shown by a test, or is on a list of those without data.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::shown::noted_types;

/// Types without data of a peer or of the caller, by file.
const WITHOUT_DATA: &[(&str, &[&str])] = &[
    ("adapter/connections.rs", &["Drained"]),
    ("adapter/parts.rs", &["Received"]),
    // Counts; a test shows that the reason of a drain is hidden.
    ("blocking/connections.rs", &["Connections"]),
    ("blocking/client_stream.rs", &["ClientStream"]),
    // Counts of bytes.
    ("budget.rs", &["MemoryBudget"]),
    ("close_code.rs", &["CloseCode"]),
    ("config/mod.rs", &["ConfigBuilder", "Delivery"]),
    ("message/options.rs", &["Compress", "SendOptions"]),
    ("deflate/agreement.rs", &["Agreement", "Direction"]),
    ("deflate/decoder/result.rs", &["Corrupt", "Progress", "Needs"]),
    ("deflate/engine.rs", &["Engine"]),
    ("deflate/level.rs", &["Level"]),
    // The parameters of compression.
    ("deflate/negotiation.rs", &["Answer"]),
    ("deflate/options.rs", &["Deflate", "DeflateOptions"]),
    ("deflate/window_bits.rs", &["WindowBits"]),
    ("driver/step.rs", &["Step"]),
    // Names of its two kinds.
    ("entropy.rs", &["Entropy", "EntropyError"]),
    ("error/config.rs", &["ConfigError"]),
    ("error/extension.rs", &["ExtensionError"]),
    (
        "error/protocol.rs",
        &["LimitError", "MisuseError", "PeerError", "ProtocolError", "TimeoutError"],
    ),
    ("error/adapter.rs", &["ConnectStep"]),
    ("error/send.rs", &["SendError"]),
    // The header of a frame, requested by the caller. Its key is sent in front of the data.
    ("frame.rs", &["FrameHead", "FrameHeader"]),
    ("h2/client.rs", &["Client", "ClientSession"]),
    ("h2/error.rs", &["SessionError"]),
    ("h2/options.rs", &["SessionOptions", "SessionOptionsBuilder"]),
    ("h2/prefer.rs", &["Prefer"]),
    // Method and path, or a type of `handshake`.
    ("h2/request.rs", &["Body", "Incoming", "PendingRequest"]),
    ("h2/session.rs", &["Session"]),
    ("h2/stream.rs", &["Stream"]),
    ("h2/tunnel.rs", &["TunnelError"]),
    ("handshake/backoff.rs", &["Backoff"]),
    // The origins that a server accepts.
    ("handshake/origin.rs", &["OriginList", "OriginPolicy"]),
    ("handshake/response.rs", &["StatusError"]),
    ("handshake/version.rs", &["HttpVersion"]),
    ("handshake/proxy/choice.rs", &["ProxyEnvError"]),
    ("handshake/proxy/error.rs", &["SocksError", "SocksReply"]),
    ("handshake/proxy/server.rs", &["ProxyProtocol", "ProxyUrlError"]),
    ("http1/body.rs", &["BodyEnd"]),
    ("http1/error.rs", &["HeadError"]),
    ("http1/writer.rs", &["FieldError"]),
    ("instant.rs", &["Instant"]),
    ("message/data.rs", &["MessageKind"]),
    ("opcode.rs", &["OpCode"]),
    ("role.rs", &["Role"]),
    ("stats.rs", &["Stats"]),
    ("tokio/connections.rs", &["Connections"]),
    ("tokio/client_stream.rs", &["ClientStream"]),
    // At most the one character that a URL must not have.
    ("url.rs", &["UrlError"]),
];

/// All tests that show values.
const TESTS: &[fn()] = &[
    crate::adapters::blocking::pending_requests_and_errors,
    crate::adapters::blocking::sockets_and_halves,
    crate::adapters::tokio::kept_messages,
    crate::adapters::tokio::pending_requests_and_errors,
    crate::adapters::tokio::sockets_and_halves,
    crate::drivers::drivers_and_their_parts,
    crate::handshakes::a_clients_request_shows_its_host_and_path,
    crate::handshakes::unfinished_handshakes_show_lengths,
    crate::handshakes::heads_show_paths_names_and_lengths,
    crate::handshakes::requests_and_responses_of_a_server_show_names_and_lengths,
    crate::handshakes::responses_and_errors_of_a_client_show_lengths_in_debug_and_values_in_display,
    crate::hyper_upgrades::requests_of_a_client_for_another_library,
    crate::hyper_upgrades::upgrades_show_names_and_lengths,
    crate::messages::inputs_prepared_messages_and_negotiated_values,
    crate::messages::mask_keys,
    crate::messages::messages_sent_in_every_form,
    crate::messages::values_show_their_data,
    crate::tunnels::proxies_show_hosts_and_lengths,
    crate::windows::encoders_and_decoders,
];

/// Each `pub struct` and `pub enum` under a folder of `src`, with its module.
fn public_types(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let inner = format!("{module}::{name}");
        if path.is_dir() {
            public_types(&path, &inner, found);
            continue;
        }
        let module = if ["lib", "mod"].contains(&name) { module } else { &inner };
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let item = ["pub struct ", "pub enum ", "pub union "]
                .iter()
                .find_map(|start| line.trim_start().strip_prefix(start));
            if let Some(item) = item {
                let end = item.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
                found.insert(format!("{module}::{}", &item[..end]));
            }
        }
    }
}

#[test]
fn each_public_type_is_shown_by_a_test_or_has_no_data() {
    let mut all = BTreeSet::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    public_types(&src, "sansocket", &mut all);
    assert!(all.len() > 80 && all.contains("sansocket::driver::Driver"), "{all:?}");
    for test in TESTS {
        test();
    }
    let noted = noted_types();
    let shown: BTreeSet<&str> =
        all.iter().map(String::as_str).filter(|name| noted.contains(name)).collect();
    let listed: BTreeSet<String> = WITHOUT_DATA
        .iter()
        .flat_map(|(file, names)| {
            let module = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
            names.iter().map(move |name| format!("sansocket::{module}::{name}"))
        })
        .collect();
    let forgotten: Vec<&String> = all
        .iter()
        .filter(|name| !shown.contains(name.as_str()) && !listed.contains(*name))
        .collect();
    assert!(forgotten.is_empty(), "show values in a test of tests/debug: {forgotten:#?}");
    let stale: Vec<&String> = listed.iter().filter(|name| !all.contains(*name)).collect();
    assert!(stale.is_empty(), "listed, but not there: {stale:#?}");
}
