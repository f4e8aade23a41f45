//! Clients that are slow, stand still, break off or come in crowds, and instances that end in the midst of an answer. Every
//! limit is set to a part of a second here.

use acceptance::backup::export_request;
use acceptance::hosted::{self, exchange};
use acceptance::life::{self, Tenant};
use acceptance::load::bytes;
use acceptance::loader::Loader;
use acceptance::run::Server;
use acceptance::world::ADMIN_SECRET;
use http::{Request, Response};
use rollcall_host::keyvalue::{Database, Probe, Stores};
use rollcall_host::limits::{Machine, Pace, Patience};
use rollcall_host::{Component, Limits, Reuse};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What stands for the 30 seconds that a request may take.
const REQUEST: Duration = Duration::from_secs(1);

/// A pause that adds up: no single one is a limit.
const PAUSE: Duration = Duration::from_millis(50);

/// How long something may take that has to happen.
const AT_LAST: Duration = Duration::from_secs(60);

/// Users whose export is longer than what is gathered of a request, and than the buffers of a connection.
const USERS: usize = 6_000;

fn limits() -> Limits {
    Limits { reuse: Reuse { request: REQUEST, ..Reuse::default() }, ..Limits::default() }
}

fn patient(patience: Patience) -> Limits {
    Limits { patience, ..limits() }
}

struct Slow {
    server: rollcall_host::Server,
    tenant: Tenant,
    probe: Arc<Probe>,
    /// A tenant has one export at a time.
    _alone: Option<MutexGuard<'static, ()>>,
}

/// A store with a tenant of so many users.
fn loaded(users: usize) -> (Database, Tenant) {
    let database = Database::in_memory().unwrap();
    let mut loader = Loader::on(database.store(Stores::DEFAULT), ADMIN_SECRET);
    let tenant = loader.tenant("Contoso");
    loader.users(&tenant, users);
    loader.flush();
    (database, tenant)
}

impl Slow {
    /// A host with a tenant that has no users.
    fn small(limits: Limits) -> Slow {
        let (database, tenant) = loaded(0);
        Slow::start(limits, &database, tenant)
    }

    /// A host with a large tenant, which all tests share and only read.
    fn large(limits: Limits) -> Slow {
        static LARGE: OnceLock<(Database, Tenant)> = OnceLock::new();
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (database, tenant) = LARGE.get_or_init(|| loaded(USERS));
        Slow { _alone: Some(alone), ..Slow::start(limits, database, tenant.clone()) }
    }

    fn start(limits: Limits, database: &Database, tenant: Tenant) -> Slow {
        let probe = Probe::new(database.store(Stores::DEFAULT));
        let component = Component::load(hosted::component(), hosted::unpaced(probe.clone())).unwrap();
        let server = rollcall_host::Server::start(component, narrow_listener(), limits).unwrap();
        Slow { server, tenant, probe, _alone: None }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn answers(&mut self) {
        let tenant = self.tenant.clone();
        tenant.scim(self, "GET", "/Users?count=1", None).expect(200);
    }

    /// The export, read whole, or the reason why it is not.
    fn export(&self) -> std::io::Result<String> {
        let answer = exchange(self.address(), &export_request(&self.tenant.id))?;
        Ok(String::from_utf8(answer.into_body()).unwrap())
    }

    /// A tenant for an import of what was exported here, and the head of its request.
    fn import_head(&mut self, id: &str, framing: &str) -> Vec<u8> {
        life::admin(self, "POST", "/tenants", Some(&json!({"name": "New", "id": id})));
        format!(
            "POST /admin/api/v1/tenants/{id}/import HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ADMIN_SECRET}\r\n\
             connection: close\r\n{framing}\r\n\r\n"
        )
        .into_bytes()
    }
}

impl Server for Slow {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        exchange(self.address(), &request).unwrap()
    }

    fn pass(&mut self, duration: Duration) {
        thread::sleep(duration);
    }
}

/// A listener whose connections hold little, so that a slow client is noticed.
fn narrow_listener() -> std::net::TcpListener {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 << 10).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(1024).unwrap().into_std().unwrap()
}

/// A connection whose client holds little.
fn narrow_connection(address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(AT_LAST)).unwrap();
    stream
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(AT_LAST)).unwrap();
    stream
}

/// All that comes, and whether the connection broke.
fn rest(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (all, false),
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (all, true),
            Err(error) => panic!("{error}"),
        }
    }
}

fn text(stream: &mut TcpStream) -> String {
    String::from_utf8(rest(stream).0).unwrap()
}

/// Waits until the server has closed the connection, without reading what it sent.
fn is_closed(stream: &mut TcpStream) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < AT_LAST {
        if stream.write(b"x").is_err() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn an_export_comes_whole_however_slowly_it_is_taken() {
    let slow = Slow::large(limits());
    let whole = slow.export().unwrap();
    let mut stream = narrow_connection(slow.address());
    stream.write_all(&bytes(&export_request(&slow.tenant.id))).unwrap();
    let begun = Instant::now();
    let (mut all, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    while !all.ends_with(b"\r\n0\r\n\r\n") {
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0, "it ended after {} of {} bytes", all.len(), whole.len());
        all.extend_from_slice(&piece[..count]);
        if begun.elapsed() < 3 * REQUEST {
            thread::sleep(PAUSE);
        }
    }
    assert!(begun.elapsed() > 2 * REQUEST && all.len() > whole.len());
}

#[test]
fn a_client_that_takes_nothing_of_its_export_is_cut_off_and_nobody_else_notices() {
    let patience = Patience { answer: REQUEST, ..Patience::default() };
    let mut slow = Slow::large(patient(patience));
    let mut stream = narrow_connection(slow.address());
    stream.write_all(&bytes(&export_request(&slow.tenant.id))).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    assert!(is_closed(&mut stream));
    slow.answers();
}

#[test]
fn an_answer_breaks_off_when_its_instance_ends() {
    let mut slow = Slow::large(limits());
    // The store becomes so slow in the midst of it that the component's time is over.
    slow.probe.stall(200.., PAUSE);
    let error = slow.export().expect_err("the export is not whole");
    assert!(error.to_string().contains("cut off") || error.kind() == ErrorKind::ConnectionReset, "{error}");
    slow.probe.heal();
    slow.answers();

    // To a client of HTTP/1.0 the end of the connection is the end of the answer, so that one is reset.
    slow.probe.stall(200.., PAUSE);
    let mut stream = connect(slow.address());
    let request = String::from_utf8(bytes(&export_request(&slow.tenant.id))).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    stream.write_all(request.as_bytes()).unwrap();
    let (all, is_reset) = rest(&mut stream);
    assert!(is_reset, "{} bytes, and then an end", all.len());
    slow.probe.heal();
    slow.answers();
}

#[test]
fn an_export_whose_store_fails_breaks_off() {
    let slow = Slow::large(limits());
    slow.probe.fail(200..300, rollcall_host::keyvalue::Fault::Refused);
    assert!(slow.export().is_err());
}

/// A request for a file whose caller takes trailers, or does not say so.
fn file_request(slow: &Slow, path: &str, takes: &str) -> Vec<u8> {
    format!(
        "GET /admin/api/v1/tenants/{}/{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ADMIN_SECRET}\r\n{takes}\
         connection: close\r\n\r\n",
        slow.tenant.id
    )
    .into_bytes()
}

/// The head of an answer, how many bytes its chunks have, and what follows the last one; nothing where there is no last
/// one.
fn ends(all: &[u8]) -> (String, usize, String) {
    let end = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|window| window == text);
    let head = end(all, b"\r\n\r\n").unwrap();
    let (mut length, mut rest) = (0, &all[head + 4..]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while let Some(line) = end(rest, b"\r\n") {
        let size = usize::from_str_radix(&text(&rest[..line]), 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return (text(&all[..head]), length, text(rest));
        }
        length += size;
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    (text(&all[..head]), length, String::new())
}

#[test]
fn a_trailer_tells_whoever_takes_trailers_how_long_a_whole_file_is() {
    let slow = Slow::large(limits());
    for path in ["export", "requests/export?format=csv", "requests/export?format=ndjson"] {
        let answer = |takes: &str| {
            let mut stream = connect(slow.address());
            stream.write_all(&file_request(&slow, path, takes)).unwrap();
            ends(&rest(&mut stream).0)
        };
        for takes in ["te: trailers\r\n", "TE: Trailers\r\n"] {
            let (head, length, trailers) = answer(takes);
            assert!(path != "export" || length > 1 << 20, "{path}: {length}");
            assert!(head.to_lowercase().contains("\r\ntrailer: rollcall-complete\r\n"), "{path}: {head}");
            assert_eq!(trailers, format!("rollcall-complete: bytes={length}\r\n\r\n"), "{path}");
        }
        let (head, _, trailers) = answer("");
        assert!(!head.to_lowercase().contains("trailer"), "{path}: {head}");
        assert_eq!(trailers, "\r\n", "{path}");
    }
}

#[test]
fn a_connection_goes_on_after_a_trailer() {
    let slow = Slow::large(limits());
    let mut stream = connect(slow.address());
    let request = String::from_utf8(file_request(&slow, "requests/export", "te: trailers\r\n")).unwrap();
    stream.write_all(request.replace("connection: close\r\n", "").as_bytes()).unwrap();
    stream.write_all(&file_request(&slow, "requests/export", "te: trailers\r\n")).unwrap();
    let (all, is_reset) = rest(&mut stream);
    let all = String::from_utf8(all).unwrap();
    assert_eq!(
        (all.matches("HTTP/1.1 200").count(), all.matches("rollcall-complete: bytes=").count()),
        (2, 2),
        "{all}"
    );
    assert!(!is_reset);
}

#[test]
fn an_export_that_breaks_off_has_no_trailer() {
    let slow = Slow::large(limits());
    slow.probe.fail(200..300, rollcall_host::keyvalue::Fault::Refused);
    let mut stream = connect(slow.address());
    stream.write_all(&file_request(&slow, "export", "te: trailers\r\n")).unwrap();
    let (head, _, trailers) = ends(&rest(&mut stream).0);
    // It was announced, and neither it nor the last chunk came.
    assert!(head.to_lowercase().contains("trailer: rollcall-complete"), "{head}");
    assert_eq!(trailers, "");
}

#[test]
fn an_import_is_taken_however_slowly_it_comes() {
    let mut slow = Slow::large(limits());
    let file = slow.export().unwrap().into_bytes();
    assert!(file.len() > 3 << 19, "{} bytes", file.len());
    // A part of it takes the component a while.
    let request = 5 * REQUEST;
    let mut new = Slow::small(Limits { reuse: Reuse { request, ..Reuse::default() }, ..limits() });
    let id = slow.tenant.id.clone();
    let head = new.import_head(&id, &format!("content-length: {}", file.len()));
    let mut stream = connect(new.address());
    stream.write_all(&head).unwrap();
    let begun = Instant::now();
    for piece in file.chunks(file.len() / 40) {
        stream.write_all(piece).unwrap();
        thread::sleep(request / 25);
    }
    assert!(begun.elapsed() > request);
    let answer = text(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""state":"done""#), "{answer}");
    slow.answers();
}

#[test]
fn of_an_import_that_breaks_off_no_half_line_is_taken_and_the_same_command_completes_it() {
    let slow = Slow::large(limits());
    let file = slow.export().unwrap().into_bytes();
    let cut = file.len() * 3 / 4;
    let id = slow.tenant.id.clone();
    for ending in ["malformed", "cut", "stands still"] {
        let upload = Pace { bytes: 1 << 10, within: REQUEST };
        let patience = Patience { upload, ..Patience::default() };
        let mut new = Slow::small(Limits { patience, ..Limits::default() });
        let head = new.import_head(&id, "transfer-encoding: chunked");
        let mut stream = connect(new.address());
        stream.write_all(&head).unwrap();
        stream.write_all(format!("{cut:x}\r\n").as_bytes()).unwrap();
        stream.write_all(&file[..cut]).unwrap();
        match ending {
            "malformed" => stream.write_all(b"\r\nno length\r\n").unwrap(),
            "cut" => stream.shutdown(Shutdown::Write).unwrap(),
            _ => {}
        }
        let answer = text(&mut stream);
        if ending != "cut" {
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("breaks off"), "{ending}: {answer}");
        }
        let progress = || -> Value {
            let request = Request::get(format!("/admin/api/v1/tenants/{id}/import")).header("host", "a");
            let request = request.header("authorization", format!("Bearer {ADMIN_SECRET}")).body(Vec::new()).unwrap();
            serde_json::from_slice(exchange(new.address(), &request).unwrap().body()).unwrap()
        };
        let begun = Instant::now();
        let taken = loop {
            if let Some(lines) = progress()["lines"].as_u64() {
                break lines as usize;
            }
            assert!(begun.elapsed() < AT_LAST, "{ending}: nothing was taken");
        };
        let lines = file[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert!(taken <= lines, "{ending}: {taken} of {lines} whole lines");
        let head = new.import_head(&id, &format!("content-length: {}", file.len()));
        let mut stream = connect(new.address());
        stream.write_all(&[head, file.clone()].concat()).unwrap();
        let answer = text(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{ending}: {answer}");
    }
}

#[test]
fn a_body_that_comes_too_slowly_or_breaks_is_answered_before_the_component_sees_it() {
    let body = Pace { bytes: 1 << 10, within: REQUEST };
    let mut slow = Slow::small(patient(Patience { body, ..Patience::default() }));
    let head = |framing: &str| {
        let tenant = &slow.tenant;
        format!(
            "POST /scim/v2/{}/Users HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n{framing}\r\n\r\n",
            tenant.id, tenant.token
        )
    };
    // It stands still.
    let mut stream = connect(slow.address());
    stream.write_all((head("content-length: 2000") + "{").as_bytes()).unwrap();
    assert!(text(&mut stream).starts_with("HTTP/1.1 408 "));
    // It drips.
    let mut stream = connect(slow.address());
    stream.write_all(head("content-length: 60000").as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let answer = thread::spawn(move || text(&mut reader));
    while !answer.is_finished() {
        thread::sleep(PAUSE / 4);
        let _ = stream.write(b" ");
    }
    assert!(answer.join().unwrap().starts_with("HTTP/1.1 408 "));
    // It is no HTTP.
    let mut stream = connect(slow.address());
    stream.write_all((head("transfer-encoding: chunked") + "2\r\n{}\r\nno length\r\n").as_bytes()).unwrap();
    assert!(text(&mut stream).starts_with("HTTP/1.1 400 "));
    assert_eq!(slow.probe.calls(), [], "the component saw none of them");
    slow.answers();
}

#[test]
fn a_head_that_does_not_come_closes_the_connection() {
    let patience = Patience { head: REQUEST, ..Patience::default() };
    let mut slow = Slow::small(patient(patience));
    let (mut silent, mut begun, mut again) =
        (connect(slow.address()), connect(slow.address()), connect(slow.address()));
    begun.write_all(b"GET / HTTP/1.1\r\nhost: ").unwrap();
    let health = b"GET /.well-known/spin/health HTTP/1.1\r\nhost: a\r\n\r\n";
    again.write_all(health).unwrap();
    again.read_exact(&mut [0; 12]).unwrap();
    assert_eq!((rest(&mut silent).0, rest(&mut begun).0), (vec![], vec![]));
    // One that has had its answer may be quiet for longer.
    again.write_all(health).unwrap();
    assert!(again.read(&mut [0; 200]).unwrap() > 0);
    slow.answers();
}

#[test]
fn the_connection_that_is_unused_for_longest_makes_room_for_a_new_one() {
    for machine in
        [Machine { connections: 4, ..Machine::default() }, Machine { connections_per_address: 4, ..Machine::default() }]
    {
        let mut slow = Slow::small(Limits { machine, ..limits() });
        let mut idle: Vec<_> = (0..4).map(|_| connect(slow.address())).collect();
        for stream in &mut idle {
            stream.write_all(b"GET /.well-known/spin/health HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            stream.read_exact(&mut [0; 12]).unwrap();
        }
        slow.answers();
        rest(&mut idle[0]);
        // The others are open still.
        idle[3].write_all(b"GET /.well-known/spin/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        assert!(text(&mut idle[3]).contains("HTTP/1.1 200 "));
    }
}

#[test]
fn an_address_with_all_its_connections_in_use_gets_no_further_one() {
    let machine = Machine { connections_per_address: 2, ..Machine::default() };
    let slow = Slow::small(Limits { machine, ..limits() });
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(slow.address());
            stream
                .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n")
                .unwrap();
            let mut said = [0; 25];
            stream.read_exact(&mut said).unwrap();
            assert!(said.starts_with(b"HTTP/1.1 100 "));
            stream
        })
        .collect();
    let mut third = connect(slow.address());
    let _ = third.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(rest(&mut third).0, b"");
    drop(busy);
}

#[test]
fn a_request_is_answered_while_those_of_another_tenant_hold_their_instances_up() {
    let reuse = Reuse { request: AT_LAST, ..Reuse::default() };
    let mut slow = Slow::small(Limits { reuse, ..limits() });
    let other = Tenant::connect(&mut slow);
    slow.answers();
    other.scim(&mut slow, "GET", "/Users", None).expect(200);
    slow.probe.reset();
    let held = Duration::from_secs(5);
    slow.probe.stall(0..1, held);
    let address = slow.address();
    let request = slow.tenant.request("GET", "/Users", None);
    let begun = Instant::now();
    let stuck = thread::spawn(move || exchange(address, &request).unwrap().status());
    while slow.probe.calls().is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    // As many as an instance takes, and none of them is given to the one that stands still.
    for _ in 0..20 {
        other.scim(&mut slow, "GET", "/Users", None).expect(200);
    }
    assert!(begun.elapsed() < held, "they were answered before the one that came before them");
    assert_eq!(stuck.join().unwrap(), 200);
}
