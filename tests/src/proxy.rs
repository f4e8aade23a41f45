//! A way to a server on which one message takes long: what a lossy network does to a write whose packets are sent again,
//! even when its sender has given up and closed the connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Passes connections on to a server, as long as it is held.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// What the next message that holds this text is delayed by.
    delay: Mutex<Option<(&'static [u8], Duration)>>,
    /// How many messages were.
    delayed: Mutex<usize>,
}

impl Proxy {
    /// Listens, and passes on to the server at this address.
    pub fn to(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let weak = Arc::downgrade(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Some(shared)) = (client, weak.upgrade()) else {
                    break;
                };
                let Ok(upstream) = TcpStream::connect(server) else {
                    continue;
                };
                let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
                let back = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass(back.0, back.1, |_| {}));
                thread::spawn(move || pass(client, upstream, |message| shared.hold(message)));
            }
        });
        Proxy { address, shared }
    }

    /// Lets the next message that holds a text arrive so much later.
    pub fn delay_next(&self, text: &'static [u8], by: Duration) {
        *lock(&self.shared.delay) = Some((text, by));
    }

    /// How many messages have arrived late.
    pub fn delayed(&self) -> usize {
        *lock(&self.shared.delayed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The last connection that is taken finds nobody who holds it.
        self.shared = Arc::default();
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn hold(&self, message: &[u8]) {
        let due = lock(&self.delay).take_if(|(text, _)| memchr(message, text));
        if let Some((_, by)) = due {
            thread::sleep(by);
            *lock(&self.delayed) += 1;
        }
    }
}

fn memchr(message: &[u8], text: &[u8]) -> bool {
    message.windows(text.len()).any(|window| window == text)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until the sender closes. What was read by then is delivered all the same.
fn pass(mut from: TcpStream, mut to: TcpStream, hold: impl Fn(&[u8])) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        hold(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
