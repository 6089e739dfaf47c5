//! Origins: the default, the lists of a server, and the errors of refused ones.

use sansocket::AcceptOptions;
use sansocket::handshake::{FieldError, OriginPolicy};

use crate::common::head::{Lines, read_head, serve_with};
use crate::handshake::support::{config, expect_lines};

#[test]
fn hs9_hs10_v19_q12_origins() {
    let list = OriginPolicy::list([
        "https://app.example",
        "http://localhost:8080",
        "https://[::1]:8443",
        "chrome-extension://abcdef",
    ]);
    let list = list.unwrap();
    let list_with_null = OriginPolicy::list(["null"]).unwrap();
    let same = OriginPolicy::SameHost;
    let any = OriginPolicy::Any;
    for (policy, host, origin, passes) in [
        (&same, "a.example", "https://a.example", true),
        (&same, "a.example", "http://a.example", true),
        (&same, "A.Example", "https://a.eXample", true),
        (&same, "a.example:443", "https://a.example", true),
        (&same, "a.example", "https://a.example:443", true),
        (&same, "a.example:80", "http://a.example", true),
        (&same, "a.example:8080", "http://a.example:8080", true),
        (&same, "[::1]:9001", "http://[::1]:9001", true),
        (&same, "a.example:", "http://a.example", true),
        (&same, "a.example:80", "https://a.example", false),
        (&same, "a.example:8080", "http://a.example", false),
        (&same, "a.example", "http://a.example:8080", false),
        (&same, "a.example", "https://a.example:80", false),
        (&same, "a.example:8081", "http://a.example:8080", false),
        (&same, "a.example", "https://b.example", false),
        (&same, "a.example", "https://x.a.example", false),
        (&same, "a.example", "https://a.example.evil.example", false),
        (&same, "a.example", "https://a.exampl", false),
        (&same, "a.example", "https://a.example.", false), // another host name for a browser
        (&same, "a.example.", "https://a.example", false),
        (&same, "a.example", "null", false),
        (&same, "null", "null", false),
        (&same, "a.example", "", false),
        (&same, "a.example", "a.example", false),
        (&same, "a.example", "//a.example", false),
        (&same, "a.example", "://a.example", false),
        (&same, "a.example", "https://a.example/", false),
        (&same, "a.example", "https://a.example/x", false),
        (&same, "a.example", "https://u@a.example", false),
        (&same, "a.example", "https://a.example https://b.example", false),
        (&same, "a.example", "https://b.example, https://a.example", false),
        (&same, "a.example", "https:a.example", false),
        (&same, "a.example", "ws://a.example", false),
        (&same, "a.example", "file://a.example", false),
        (&same, "a.example", "https://", false),
        (&any, "a.example", "https://b.example", true),
        (&any, "a.example", "null", true),
        (&any, "a.example", "whatever", true),
        (&list, "a.example", "https://app.example", true),
        (&list, "a.example", "HTTPS://APP.example:443", true),
        (&list, "a.example", "http://localhost:8080", true),
        (&list, "a.example", "https://[::1]:8443", true),
        (&list, "a.example", "chrome-extension://abcdef", true),
        (&list, "a.example", "http://app.example", false),
        (&list, "a.example", "https://app.example:444", false),
        (&list, "a.example", "https://app.example.", false),
        (&list, "a.example", "https://sub.app.example", false),
        (&list, "a.example", "http://localhost", false),
        (&list, "a.example", "https://a.example", false),
        (&list, "a.example", "null", false),
        (&list_with_null, "a.example", "null", true),
        (&list_with_null, "a.example", "NULL", false),
        (&list_with_null, "a.example", "https://a.example", false),
    ] {
        let options = AcceptOptions::new().origins(policy.clone());
        let lines = Lines::request().set("Host", host).with("Origin", origin);
        let served = serve_with(&lines.bytes(), &options);
        let status = if passes { 101 } else { 403 };
        assert_eq!(served.status(), status, "{policy:?}, host {host}, origin {origin}");
    }
    // Two Origin fields, and one that isn't ASCII, are refused under any policy.
    for policy in [&same, &any, &list] {
        let options = AcceptOptions::new().origins(policy.clone());
        let lines = Lines::request().set("Host", "a.example");
        let twice =
            lines.clone().with("Origin", "https://a.example").with("Origin", "https://a.example");
        assert_eq!(serve_with(&twice.bytes(), &options).status(), 400);
        let other = lines.clone().with("Origin", "https://\u{e4}.example");
        assert_eq!(serve_with(&other.bytes(), &options).status(), 400);
        // HS9: a client other than a browser is accepted, unless the setting forbids it.
        assert_eq!(serve_with(&lines.bytes(), &options).status(), 101);
        let strict = options.allow_missing_origin(false);
        assert_eq!(serve_with(&lines.bytes(), &strict).status(), 403);
    }
    // The default is the same host.
    let lines = Lines::request().with("Origin", "https://evil.example");
    expect_lines(&lines, 403, "origin");
}

#[track_caller]
fn origin_passes(listed: &str, origin: &str) -> bool {
    let list = OriginPolicy::list([listed]).unwrap_or_else(|error| panic!("{listed}: {error}"));
    let options = AcceptOptions::new().origins(list);
    match serve_with(&Lines::request().with("Origin", origin).bytes(), &options).status() {
        101 => true,
        403 => false,
        status => panic!("{status}"),
    }
}

#[test]
fn q12_a_wildcard_lists_all_hosts_below_a_name() {
    for (listed, origin, passes) in [
        ("https://*.example.com", "https://a.example.com", true),
        ("https://*.example.com", "https://b.a.example.com", true),
        ("https://*.example.com", "HTTPS://A.EXAMPLE.COM:443", true),
        ("HTTPS://*.Example.com", "https://a.example.com", true),
        ("https://*.example.com:8443", "https://a.example.com:8443", true),
        ("http://*.localhost:8080", "http://app.localhost:8080", true),
        ("https://*.com", "https://example.com", true),
        ("https://*.host1", "https://a.host1", true),
        // The name itself, other names, schemes and ports.
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://aexample.com", false),
        ("https://*.example.com", "https://a.example.com.evil.example", false),
        ("https://*.example.com", "https://evil.example/.example.com", false),
        ("https://*.example.com", "https://evil.example?.example.com", false),
        ("https://*.example.com", "https://evil@a.example.com", false),
        ("https://*.example.com", "https://a.example.com.", false),
        ("https://*.example.com", "https://.example.com", false),
        ("https://*.example.com", "https://a..example.com", false),
        ("https://*.example.com", "https://..example.com", false),
        ("https://*.example.com", "http://a.example.com", false),
        ("https://*.example.com", "https://a.example.com:8443", false),
        ("https://*.example.com:8443", "https://a.example.com", false),
        ("https://*.example.com", "null", false),
        ("https://*.example.com", "app://a.example.com", false),
    ] {
        assert_eq!(origin_passes(listed, origin), passes, "{listed} {origin}");
    }
}

#[test]
fn q12_origins_of_other_schemes_are_listed_as_they_are_sent() {
    for listed in [
        "file://",
        "app://",
        "app://.",
        "capacitor://localhost",
        "ionic://localhost:8080",
        "tauri://localhost",
        "vscode-webview://0b2f-1a",
        "chrome-extension://abcdefghijklmnop",
        "moz-extension://4a6d",
        "null",
    ] {
        assert!(origin_passes(listed, listed), "{listed}");
        for other in ["file:///", "file://x", "app:", "app://x", "https://localhost", "NULL"] {
            assert!(!origin_passes(listed, other), "{listed} {other}");
        }
    }
    assert!(!origin_passes("vscode-webview://ab", "vscode-webview://AB"));
}

#[test]
fn q12_a_list_refuses_entries_that_match_no_origin() {
    for bad in [
        "https://a.example/",
        "https://a.example/x",
        "https://u@a.example",
        "a.example",
        "*",
        "",
        "https://",
        "http://:80",
        "a b",
        "https://*",
        "https://*.",
        "https://*:443",
        "https://*.*.example",
        "https://a.*.example",
        "https://*a.example",
        "https://a*.example",
        "https://**.example",
        "*.example",
        "*://a.example",
        "https://*..example",
        "https://*.127.0.0.1",
        "https://*.[::1]",
        "https://ex%61mple.com",
        "https://\u{e4}.example",
        "app://*",
        "app://*.x",
        "app://a/b",
        "1app://x",
        "://x",
        "a!b://x",
        "null ",
    ] {
        assert_eq!(OriginPolicy::list([bad]), Err(FieldError::InvalidOrigin), "{bad:?}");
    }
}

/// Both sides of the comparison, and the setting: bytes of the peer are escaped.
#[test]
fn hs10_the_error_of_a_refused_origin_names_the_setting() {
    let same = AcceptOptions::new();
    let list = OriginPolicy::list(["https://a.example", "http://*.b.example:81", "file://"]);
    let list = AcceptOptions::new().origins(list.unwrap());
    let lines = Lines::request().with("Origin", "https://evil.example");
    let refusal = |lines: &Lines, options: &AcceptOptions| {
        let (head, _) = read_head(&[&lines.bytes()], &config());
        let head = head.unwrap().unwrap();
        head.upgrade().unwrap().accept(options).unwrap_err()
    };
    let body = "the origin \"https://evil.example\" is not that of the host \
                \"server.example.com\": see AcceptOptions::origins";
    let found = refusal(&lines, &same);
    assert_eq!(found.body(), body.as_bytes());
    assert_eq!(found.to_string(), format!("the handshake was refused: 403 Forbidden: {body}"));
    #[cfg(feature = "std")]
    assert_eq!(
        sansocket::error::AcceptError::Refused(found.clone()).to_string(),
        found.to_string()
    );
    // The list is for the server's log only.
    let found = refusal(&lines, &list);
    let body = "the origin \"https://evil.example\" is not on the list: see AcceptOptions::origins";
    assert_eq!(found.body(), body.as_bytes());
    let shown = format!(
        "the handshake was refused: 403 Forbidden: {body} (the list: https://a.example, \
         http://*.b.example:81, file://)"
    );
    assert_eq!(found.to_string(), shown);
    let found = refusal(&lines, &list).with_field("X", "y").unwrap();
    assert_eq!(found.to_string(), shown);

    let evil = format!("<script>'\"\\\t&{}", "x".repeat(1000));
    let found = refusal(&Lines::request().with("Origin", &evil), &same);
    let text = String::from_utf8(found.body().to_vec()).unwrap();
    let shown = r#"the origin "\x3cscript\x3e'\x22\x5c\x09\x26xxx"#;
    assert!(text.starts_with(shown) && text.contains("xxx...\" is not"), "{text}");
    assert!(text.len() < 300, "{text}");

    let strict = same.allow_missing_origin(false);
    let found = refusal(&Lines::request(), &strict);
    assert!(found.to_string().contains("AcceptOptions::allow_missing_origin"), "{found}");
}
