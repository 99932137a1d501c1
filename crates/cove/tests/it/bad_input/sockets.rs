//! Clients that never finish what they begin, and heads that nobody needs: both doors cut them off and go on.

use std::io::Write;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::doors::{Aws, Kube};
use crate::http::{Answer, connect, connect_tls, exchange, head, read};
use crate::region::Region;

/// A slow client in a thread of its own, and what it ends with.
struct Slow(&'static str, JoinHandle<Answer>);

/// Sends the beginning and then nothing, until the server closes.
fn plain(name: &'static str, address: &str, beginning: &'static [u8]) -> Slow {
    let mut stream = connect(address);
    Slow(name, thread::spawn(move || begin_and_wait(&mut stream, beginning)))
}

fn begin_and_wait(stream: &mut TcpStream, beginning: &[u8]) -> Answer {
    stream.write_all(beginning).expect("sent");
    read(stream)
}

/// The same after a TLS handshake.
fn over_tls(name: &'static str, kube: &Kube, beginning: Vec<u8>) -> Slow {
    let kube = kube.clone();
    Slow(
        name,
        thread::spawn(move || {
            let mut stream = connect_tls(&kube.address, &kube.trust);
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock).expect("a handshake");
            }
            stream.write_all(&beginning).and_then(|()| stream.flush()).expect("sent");
            read(&mut stream)
        }),
    )
}

#[test]
fn slow_clients_are_cut_off() {
    let region = Region::up(&[]);
    assert!(region.cove(&["create", "cluster", "--name", "c"]).status.success());
    let (aws, kube) = (Aws::of(&region), Kube::of(&region, "c"));
    let authorized = format!("GET /api/v1/pods HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n", kube.token);
    let half_body = format!(
        "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"metadata\":{{\"name\":\"half\"}}",
        kube.token
    );
    let slow = vec![
        plain("AWS: silent", &aws.address, b""),
        plain("AWS: one letter", &aws.address, b"P"),
        plain("AWS: half a head", &aws.address, b"POST / HTTP/1.1\r\nhost: a\r\n"),
        plain("AWS: half a body", &aws.address, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nAction="),
        plain("AWS: half a handshake", &aws.address, b"\x16\x03\x01\x02\x00\x01\x00"),
        plain("AWS: HTTP/2 without an end", &aws.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n"),
        plain("Kubernetes: silent", &kube.address, b""),
        plain("Kubernetes: half a handshake", &kube.address, b"\x16\x03\x01\x02\x00\x01\x00"),
        over_tls("Kubernetes: silent after TLS", &kube, vec![]),
        over_tls("Kubernetes: one letter", &kube, b"P".to_vec()),
        over_tls("Kubernetes: half a head", &kube, authorized.into_bytes()),
        over_tls("Kubernetes: half a body", &kube, half_body.into_bytes()),
    ];
    heads_that_are_too_large(&aws, &kube);
    what_is_no_http(&aws, &kube);
    for Slow(name, client) in slow {
        let answer = client.join().unwrap_or_else(|_| panic!("{name}: not cut off"));
        assert!([0, 408].contains(&answer.status), "{name}: {answer:?}");
    }
    assert_eq!(aws.query("sts", "GetCallerIdentity", &[]).status, 200);
    let maps = kube.get("/api/v1/namespaces/default/configmaps");
    let names: Vec<&Value> = maps["items"].as_array().expect("items").iter().map(|m| &m["metadata"]["name"]).collect();
    assert_eq!(names, ["kube-root-ca.crt"]);
}

fn heads_that_are_too_large(aws: &Aws, kube: &Kube) {
    let huge = "x".repeat(1024 * 1024);
    let headers = [("host", "a"), ("x-huge", huge.as_str())];
    let answer = exchange(connect(&aws.address), &head("GET", "/", &headers, b""));
    assert_eq!(answer.status, 431, "{answer:?}");
    let answer = kube.send("GET", "/api/v1/pods", &[("x-huge", &huge)], b"");
    assert_eq!(answer.status, 431, "{answer:?}");
    let many: Vec<(String, String)> = (0..500).map(|n| (format!("x-{n}"), "y".to_string())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = exchange(connect(&aws.address), &head("GET", "/", &[&[("host", "a")], &many[..]].concat(), b""));
    assert_eq!(answer.status, 431, "{answer:?}");
    assert_eq!(kube.send("GET", "/api/v1/pods", &many, b"").status, 431);
}

fn what_is_no_http(aws: &Aws, kube: &Kube) {
    let answer = exchange(connect(&aws.address), b"coffee\r\n\r\n");
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = exchange(connect_tls(&kube.address, &kube.trust), b"coffee\r\n\r\n");
    assert_eq!(answer.status, 400, "{answer:?}");
    // Plain HTTP to the TLS port: upstream's server says so in plain words.
    let answer = exchange(connect(&kube.address), &head("GET", "/version", &[("host", "a")], b""));
    assert_eq!((answer.status, answer.body.as_str()), (400, "Client sent an HTTP request to an HTTPS server.\n"));
}
