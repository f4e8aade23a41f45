//! A load generator: connections that are kept, each of which sends one request after the other.
//!
//! It runs on the thread that calls it, so that what it costs can be told from what it measures.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::Instant;

/// How to load a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Where it listens.
    pub address: SocketAddr,
    /// How many connections are open at once.
    pub connections: usize,
    /// For how long.
    pub duration: Duration,
    /// Requests a second of all connections together; nothing for as many as there can be.
    pub rate: Option<f64>,
    /// How many requests a connection sends before it closes; nothing for as many as there is time for.
    pub requests_each: Option<usize>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// How many answers had which status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, and why.
    pub broken: Vec<String>,
    /// Of each answer, in ascending order. Where there is a rate, from the moment at which the request was due.
    pub latencies: Vec<Duration>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Measured {
    /// Answers a second.
    pub fn throughput(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that this share of the answers was not above.
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }

    /// Answers with a status from 200 to 299.
    pub fn succeeded(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    /// Takes in what another load measured.
    pub fn merge(&mut self, other: Measured) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.broken.extend(other.broken);
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

impl Load {
    /// Sends what `request` makes of the number of a connection and the number of its request, as
    /// [`bytes`] does it, until the time is over.
    pub fn run(&self, request: impl Fn(usize, usize) -> Vec<u8> + 'static) -> io::Result<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (load, request) = (*self, Rc::new(request));
        let local = LocalSet::new();
        let all = local.run_until(async move {
            let begun = Instant::now();
            let tasks: Vec<_> = (0..load.connections)
                .map(|number| {
                    let request = request.clone();
                    tokio::task::spawn_local(async move { load.connection(number, begun, &*request).await })
                })
                .collect();
            let mut all = Measured::default();
            for task in tasks {
                let one = task.await.map_err(io::Error::other)?;
                for (status, count) in one.statuses {
                    *all.statuses.entry(status).or_default() += count;
                }
                all.broken.extend(one.broken);
                all.latencies.extend(one.latencies);
            }
            all.latencies.sort_unstable();
            all.elapsed = begun.elapsed();
            Ok::<_, io::Error>(all)
        });
        runtime.block_on(all)
    }

    async fn connection(self, number: usize, begun: Instant, request: &impl Fn(usize, usize) -> Vec<u8>) -> Measured {
        let mut measured = Measured::default();
        let end = begun + self.duration;
        let mut connection = None;
        for nth in 0..self.requests_each.unwrap_or(usize::MAX) {
            let due = match self.pace() {
                // The connections take turns, so that their requests do not come all at once.
                Some(pace) => begun + pace.mul_f64(nth as f64 + number as f64 / self.connections as f64),
                None => Instant::now(),
            };
            if due >= end {
                break;
            }
            if self.rate.is_some() {
                tokio::time::sleep_until(due).await;
            }
            let bytes = request(number, nth);
            match self.exchange(&mut connection, &bytes).await {
                Ok(status) => {
                    *measured.statuses.entry(status).or_default() += 1;
                    measured.latencies.push(due.elapsed());
                }
                Err(error) => {
                    measured.broken.push(error.to_string());
                    connection = None;
                }
            }
        }
        measured
    }

    /// The time from one request of a connection to its next.
    fn pace(&self) -> Option<Duration> {
        self.rate.map(|rate| Duration::from_secs_f64(self.connections as f64 / rate))
    }

    async fn exchange(&self, connection: &mut Option<Connection>, request: &[u8]) -> io::Result<u16> {
        if connection.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            *connection = Some(Connection { stream, buffer: Vec::new() });
        }
        let connection = connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        connection.stream.write_all(request).await?;
        connection.answer().await
    }
}

/// A request as it goes over the wire.
pub fn bytes(request: &http::Request<Vec<u8>>) -> Vec<u8> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut bytes = format!("{} {target} HTTP/1.1\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        bytes.extend_from_slice(format!("{name}: ").as_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", request.body().len()).as_bytes());
    bytes.extend_from_slice(request.body());
    bytes
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Reads one answer and forgets it but for its status.
    async fn answer(&mut self) -> io::Result<u16> {
        let (status, head, body) = loop {
            if let Some(head) = find(&self.buffer, b"\r\n\r\n") {
                break read_head(&self.buffer[..head]).map(|(status, body)| (status, head + 4, body));
            }
            self.more().await?;
        }
        .ok_or_else(|| io::Error::other("what came is no HTTP answer"))?;
        let end = match body {
            Body::Length(length) => head + length,
            // Our chunks hold JSON or CSV, which have no empty chunk in them.
            Body::Chunked => loop {
                match find(&self.buffer[head..], b"0\r\n\r\n") {
                    Some(last) => break head + last + 5,
                    None => self.more().await?,
                }
            },
        };
        while self.buffer.len() < end {
            self.more().await?;
        }
        self.buffer.drain(..end);
        Ok(status)
    }

    async fn more(&mut self) -> io::Result<()> {
        self.buffer.reserve(16 * 1024);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Body {
    Length(usize),
    Chunked,
}

fn read_head(head: &[u8]) -> Option<(u16, Body)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut body = Body::Length(0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = Body::Length(value.trim().parse().ok()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunked;
        }
    }
    Some((status, body))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_the_status_and_how_the_body_ends() {
        let head = |text: &str| read_head(text.as_bytes());
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 12"), Some((200, Body::Length(12))));
        assert_eq!(head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"), Some((200, Body::Chunked)));
        assert_eq!(head("HTTP/1.1 204 No Content\r\ndate: x"), Some((204, Body::Length(0))));
        assert_eq!(head("hello"), None);
    }

    #[test]
    fn a_quantile_is_one_of_the_latencies() {
        let latencies = (1..=100).map(Duration::from_millis).collect();
        let measured = Measured { latencies, elapsed: Duration::from_secs(10), ..Measured::default() };
        assert_eq!(measured.quantile(0.0), Duration::from_millis(1));
        assert_eq!(measured.quantile(1.0), Duration::from_millis(100));
        assert!((measured.throughput() - 10.0).abs() < 1e-9);
        assert_eq!(Measured::default().quantile(0.99), Duration::ZERO);
    }
}
