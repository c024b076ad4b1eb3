//! How peers and admins write what they send: a byte order mark does no harm, gzip that nobody asked for is unpacked, and text that is no
//! UTF-8 is never taken for other text.

use std::io::Write;
use std::sync::Arc;

use auth::credential::hash_password;
use flate2::Compression;
use flate2::write::GzEncoder;
use mediator_tests::raw_peer::{listener, read_request};
use mediator_tests::running::{
    Mediator, config, eventually, reason, sample_claim, sample_feedback, sandbox, states, story,
};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

/// What becomes of the body of an answer, and a header that says so.
type Rewrite = fn(Vec<u8>) -> (Vec<u8>, &'static str);

fn marked(body: Vec<u8>) -> (Vec<u8>, &'static str) {
    (["\u{feff}".as_bytes(), &body].concat(), "x-marked: yes\r\n")
}

fn packed(body: Vec<u8>) -> (Vec<u8>, &'static str) {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&body).expect("packed");
    (packed.finish().expect("packed"), "content-encoding: gzip\r\n")
}

fn latin1(body: Vec<u8>) -> (Vec<u8>, &'static str) {
    let text = String::from_utf8(body).expect("text").replacen("\":\"", "\":\"\u{e9}", 1);
    (text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect(), "x-latin: 1\r\n")
}

fn brotli(body: Vec<u8>) -> (Vec<u8>, &'static str) {
    (body, "content-encoding: br\r\n")
}

/// A proxy before a stand-in. Returns its address, with the stand-in's path.
async fn before(target: &str, rewrite: Rewrite) -> String {
    let (listener, url) = listener().await;
    let address: Arc<str> = target.trim_start_matches("http://").split('/').next().expect("an address").into();
    let path = target.trim_start_matches("http://").trim_start_matches(&*address).to_owned();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let address = address.clone();
            tokio::spawn(async move {
                let request = read_request(&mut stream).await?;
                let mut peer = TcpStream::connect(&*address).await.expect("the stand-in");
                let head = format!("{}\r\nconnection: close\r\n\r\n", request.head);
                peer.write_all(&[head.as_bytes(), &request.body].concat()).await.expect("sent");
                let mut answer = Vec::new();
                peer.read_to_end(&mut answer).await.expect("an answer");
                let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 2;
                let lines = String::from_utf8(answer[..end].to_vec()).expect("text");
                let (body, header) = rewrite(answer[end + 2..].to_vec());
                let others = lines.split_inclusive("\r\n").filter(|line| !line.starts_with("content-length"));
                let head = format!("{}{header}content-length: {}\r\n\r\n", others.collect::<String>(), body.len());
                stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()
            });
        }
    });
    format!("{url}{path}")
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_peers_with_a_mark_or_packed_are_read() {
    for rewrite in [marked, packed] {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let (cht, openimis) =
            (before(&sandbox.cht.url(), rewrite).await, before(&sandbox.openimis.url(), rewrite).await);
        let changes = [("cht.url", cht.as_str()), ("openimis.url", &openimis)];
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        mediator.post(CLAIM, sample_claim()).await;
        mediator.post(FEEDBACK, sample_feedback()).await;
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
        assert_eq!((sandbox.cht.records().len(), sandbox.openimis.communications().len()), (1, 1));
        assert!(messages.iter().all(|message| message.summary.attempts == 1), "{}", story(&messages));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_another_encoding_is_no_answer() {
    for (rewrite, says) in [(latin1 as Rewrite, "not UTF-8 text"), (brotli as Rewrite, "Content-Encoding")] {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let openimis = before(&sandbox.openimis.url(), rewrite).await;
        let mediator = Mediator::start(config(&sandbox, &dir, &[("openimis.url", openimis.as_str())])).await;
        mediator.post(CLAIM, sample_claim()).await;
        let message = eventually("it was tried", || async {
            let message = mediator.messages().await.pop()?;
            (message.summary.attempts > 0 && !reason(&message).is_empty()).then_some(message)
        })
        .await;
        assert!(reason(&message).contains(says), "{}", story([&message]));
        assert!(sandbox.cht.people().is_empty(), "nothing is made of it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_sends_is_read_strictly() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let hash = hash_password(&"only for admins".into()).expect("a hash");
    let clients = format!(r#"[{{name = "sita", username = "admin", password_hash = "{hash}", scopes = ["admin"]}}]"#);
    let changes = [("clients", clients.as_str()), ("admin.listen", "127.0.0.1:0")];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    let address = eventually("the admin API is served", || async { mediator.host.doors.admin_address.get() }).await;
    let send = async |headers: &[(&str, &str)], body: &[u8]| {
        let request = mediator.client.post(format!("http://{address}/admin/messages/retry")).body(body.to_vec());
        let request = request.basic_auth("admin", Some("only for admins")).header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    };
    for (body, says) in [
        (&b"{\"state\": \"dead\", \"state\": \"delivered\"}"[..], "duplicate field"),
        (b"\xff\xfe{\0}\0", "UTF-16"),
        (b"{\"state\": \"dead\"} {}", "a further document begins"),
        (b"[\"dead\"]", "expected a JSON object"),
    ] {
        let (status, told) = send(&[], body).await;
        assert!(status == StatusCode::BAD_REQUEST && told.contains(says), "{status} {told}");
    }
    let dead = b"{\"state\": \"dead\"}";
    let gzip: &[(&str, &str)] = &[("content-encoding", "gzip")];
    for (headers, body) in [(&gzip[1..], marked(dead.to_vec()).0), (gzip, packed(dead.to_vec()).0)] {
        let (status, told) = send(headers, &body).await;
        assert_eq!((status, told.as_str()), (StatusCode::OK, "{\"retried\":0}"));
    }
    let bomb = packed(vec![b' '; 1 << 20]).0;
    assert_eq!(send(gzip, &bomb).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(&[("content-encoding", "br")], dead).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
