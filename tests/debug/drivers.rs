//! Drivers, their halves and their parts.

use sansocket::driver::{Driver, Step};
use sansocket::{AcceptOptions, ConnectRequest, Role};

use crate::common::{BOTH, End, Frame, at_ms, preset};
use crate::debug::secrets::{check, request};

#[test]
pub(crate) fn drivers_and_their_parts() {
    for role in BOTH {
        check(|secrets, shown| {
            let mut end = End::preset(role);
            end.conn.send_text(&secrets.text, &mut end.out).unwrap();
            end.out.clear();
            let mut driver = Driver::new(end.conn, at_ms(0));
            shown.add("driver", &driver);
            driver.flow.send_text(&secrets.text).unwrap();
            shown.add("driver with output", &driver);
            let mut wire = secrets.wire(Frame::ping(secrets.short()), role);
            wire.extend(secrets.wire(Frame::text(secrets.bytes()), role));
            wire.extend(&secrets.wire(Frame::text(secrets.bytes()), role)[..100]);
            let room = driver.room(|| vec![0; 4096].into());
            room[..wire.len()].copy_from_slice(&wire);
            driver.read_done(wire.len(), at_ms(0));
            shown.add("driver with input", &driver);
            assert_eq!(driver.step(), Step::Event);
            assert!(driver.receive().unwrap().is_some());
            shown.add("driver within its input", &driver);
            shown.add("reply", &driver.flow.reply());
            let mut more = wire.clone();
            shown.add("loan", &driver.received(&mut more, at_ms(0)));
            let Driver { flow, intake } = &driver;
            shown.add("flow", flow);
            shown.add("intake", intake);
            shown.add("parts", &driver.into_parts());
        });
    }
}

#[test]
fn drivers_in_an_opening_handshake() {
    check(|secrets, shown| {
        let config = preset(Role::Server).build().unwrap();
        let bytes = request(secrets);
        for len in [1, 30, bytes.len() - 1, bytes.len()] {
            let mut driver = Driver::server(&config, at_ms(0));
            shown.add("server", &driver);
            drop(driver.received(&mut bytes[..len].to_vec(), at_ms(0)));
            shown.add(&format!("server, {len} bytes"), &driver);
        }
        let mut driver = Driver::server(&config, at_ms(0));
        drop(driver.received(&mut bytes[..].to_vec(), at_ms(0)));
        assert_eq!(driver.step(), Step::Request);
        let head = driver.flow.take_request().unwrap();
        shown.add("request taken", &driver);
        let answer = AcceptOptions::new().field("Set-Cookie", &secrets.text).unwrap();
        driver.flow.accept(&head, &answer, at_ms(0)).unwrap();
        shown.add("accepted", &driver);

        let config = preset(Role::Client).build().unwrap();
        let request = ConnectRequest::new(&format!("ws://a/?token={}", secrets.text)).unwrap();
        let request = request.field("Authorization", &secrets.text).unwrap();
        for response in ["HTTP/1.1 401 ", "HTTP/1.1 101 ", "HTTP/1.1 4", "none "] {
            let mut driver = Driver::client(&request, &config, at_ms(0)).unwrap();
            shown.add("client", &driver);
            let response = format!("{response}{0}\r\nSet-Cookie: {0}\r\n", secrets.text);
            drop(driver.received(&mut response.into_bytes(), at_ms(0)));
            shown.add("client within the response", &driver);
            drop(driver.received(&mut b"\r\n".to_vec(), at_ms(0)));
            shown.add("client after the response", &driver);
        }
    });
}
