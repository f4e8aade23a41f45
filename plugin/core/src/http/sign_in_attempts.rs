//! How often somebody has presented a wrong admin secret, so that guessing is slow and nobody is shut out by another's
//! sign_in_attempts.
//!
//! Counted by client address, in the minute that the clock shows. Whoever has tried [`OF_CLIENT_MAX`] wrong ones is refused
//! unlooked, the right one too, at the page and at the API alike: otherwise the slowing down would slow nobody down. All
//! others go on. Where a proxy stands before us, all clients come by its address; so a client is the address that the
//! request came from together with the one that the last proxy names. What a client without a proxy puts there makes it
//! look like many, so an address has a bound for all that come by it, too, [`OF_ADDRESS_MAX`].
//!
//! Each instance counts in memory. What all of them have counted stands under one key, as large as [`COUNTED_MAX`] clients:
//! it is read once a second where secrets are presented, and written with every wrong one below the bounds. Two instances
//! that write at once lose one count of two, which leaves the bound as many times as there are instances at most. A client
//! beyond those that fit is not counted by others than the instance that it comes to.

use crate::keys::Space;
use crate::ports::{Log, Store};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Wrong secrets that one client may try in one minute.
pub const OF_CLIENT_MAX: u32 = 20;

/// Wrong secrets that all clients of one address may try in one minute.
pub const OF_ADDRESS_MAX: u32 = 200;

/// Clients and addresses that are counted at once.
pub const COUNTED_MAX: usize = 256;

const _: () = assert!(OF_CLIENT_MAX < OF_ADDRESS_MAX);

/// How long what other instances have counted is taken for what it was.
const FRESH: Duration = Duration::from_secs(1);

/// In it Spin and our host tell from where a request came; what a client sends in it is replaced.
const CLIENT_ADDRESS: &str = "spin-client-addr";

/// In it each proxy puts from where it got the request, behind what was there.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a request came from, as two digests: no address is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    client: String,
    address: String,
}

impl Client {
    /// Reads it from the headers. All who come without an address are one.
    pub(super) fn of(headers: &HeaderMap) -> Client {
        let last = |name: &str| headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok());
        let address = last(CLIENT_ADDRESS).map(network).unwrap_or_default();
        let named = last(FORWARDED_FOR).and_then(|names| names.rsplit(',').next()).map(network);
        match named {
            Some(named) => Client { client: digest(&format!("{address} {named}")), address: digest(&address) },
            None => Client { client: digest(&format!("{address} ")), address: digest(&address) },
        }
    }
}

/// An address without its port; of an IPv6 one the part that names a network, since whoever has one has 2^64 of the rest.
fn network(text: &str) -> String {
    let text = text.trim();
    let address = text.parse::<SocketAddr>().map(|address| address.ip());
    match address.or_else(|_| text.trim_matches(['[', ']']).parse::<IpAddr>()).map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        Err(_) => text.to_owned(),
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    crate::secrets::text_of(&digest[..6])
}

/// What one instance knows.
#[derive(Default)]
pub(super) struct SignInAttempts {
    counted: RefCell<Counted>,
    /// When the store was last read.
    read: Cell<Option<Duration>>,
}

/// Wrong secrets of one minute, by the digests of clients and of addresses.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
struct Counted {
    /// Since 1970.
    minute: i64,
    counts: BTreeMap<String, u32>,
}

impl Counted {
    fn of(&self, key: &str) -> u32 {
        self.counts.get(key).copied().unwrap_or_default()
    }

    fn is_over(&self, client: &Client) -> bool {
        self.of(&client.client) >= OF_CLIENT_MAX || self.of(&client.address) >= OF_ADDRESS_MAX
    }

    /// Whether anything of a client can be counted.
    fn has_place(&self, client: &Client) -> bool {
        self.takes(&client.address) || self.takes(&client.client)
    }

    fn takes(&self, key: &str) -> bool {
        self.counts.len() < COUNTED_MAX || self.counts.contains_key(key)
    }

    /// Counts one more.
    fn add(&mut self, client: &Client) {
        // The address first: it stands for all of its clients.
        for key in [&client.address, &client.client] {
            if self.takes(key) {
                let count = self.counts.entry(key.clone()).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// Takes in what others have counted in the same minute.
    fn join(&mut self, other: Counted) {
        for (key, count) in other.counts.into_iter().filter(|_| other.minute == self.minute) {
            if self.takes(&key) {
                let own = self.counts.entry(key).or_default();
                *own = count.max(*own);
            }
        }
    }
}

impl SignInAttempts {
    /// Whether a client is to be refused unlooked in this minute.
    pub(super) fn is_over(
        &self,
        client: &Client,
        minute: i64,
        now: Duration,
        store: &dyn Store,
        log: &dyn Log,
    ) -> bool {
        self.begin(minute);
        if self.counted.borrow().is_over(client) {
            return true;
        }
        let fresh = self.read.get().is_some_and(|read| now.saturating_sub(read) < FRESH);
        if !fresh {
            self.look(now, store, log);
        }
        self.counted.borrow().is_over(client)
    }

    /// Counts a wrong secret.
    pub(super) fn count(&self, client: &Client, minute: i64, now: Duration, store: &dyn Store, log: &dyn Log) {
        self.begin(minute);
        if !self.counted.borrow().has_place(client) {
            return;
        }
        self.look(now, store, log);
        let mut counted = self.counted.borrow_mut();
        counted.add(client);
        let bytes = serde_json::to_vec(&*counted).expect("counts are plain data");
        if let Err(error) = store.set_many(&[(Space::registry().sign_in_attempts(), bytes)]) {
            log.line(&format!("sign-in: a wrong secret is not counted for other instances: {error}"));
        }
    }

    fn begin(&self, minute: i64) {
        let mut counted = self.counted.borrow_mut();
        if counted.minute != minute {
            *counted = Counted { minute, counts: BTreeMap::new() };
        }
    }

    /// Reads what all have counted. A store that does not answer stops nobody from signing in.
    fn look(&self, now: Duration, store: &dyn Store, log: &dyn Log) {
        match store.get(&Space::registry().sign_in_attempts()) {
            Ok(found) => {
                self.read.set(Some(now));
                // What cannot be read is written anew with the next one.
                let found = found.and_then(|bytes| serde_json::from_slice::<Counted>(&bytes).ok());
                self.counted.borrow_mut().join(found.unwrap_or_default());
            }
            Err(error) => log.line(&format!("sign-in: wrong secrets at other instances are not counted: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, forwarded: &[&str]) -> Client {
        let mut headers = HeaderMap::new();
        headers.insert(CLIENT_ADDRESS, address.parse().unwrap());
        forwarded.iter().for_each(|value| {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        });
        Client::of(&headers)
    }

    #[test]
    fn a_client_is_an_address_without_its_port_and_whom_the_last_proxy_names() {
        let one = client("192.0.2.7:999", &[]);
        assert_eq!(one, client("192.0.2.7:1", &[]));
        assert_eq!(one, client("[::ffff:192.0.2.7]:1", &[]));
        assert_ne!(one, client("192.0.2.8:999", &[]));
        assert_eq!(client("[2001:db8:1:2::1]:999", &[]), client("[2001:db8:1:2:3:4:5:6]:1", &[]));
        assert_ne!(client("[2001:db8:1:2::1]:999", &[]), client("[2001:db8:1:3::1]:999", &[]));
        let behind = client("10.0.0.1:999", &["203.0.113.1, 198.51.100.7"]);
        assert_eq!(behind, client("10.0.0.1:1", &["192.0.2.1", "192.0.2.2, 198.51.100.7:443"]));
        assert_ne!(behind, client("10.0.0.1:999", &["198.51.100.8"]));
        // Nobody is counted for what another one says that it is.
        assert_ne!(client("192.0.2.8:999", &["192.0.2.7"]).client, one.client);
        assert_eq!(Client::of(&HeaderMap::new()), Client::of(&HeaderMap::new()));
    }

    #[test]
    fn as_many_clients_are_counted_as_fit_and_none_takes_the_place_of_another() {
        let mut counted = Counted::default();
        let first = client("192.0.2.1:1", &[]);
        counted.add(&first);
        for number in 0..10 * COUNTED_MAX {
            counted.add(&client(&format!("10.0.{}.{}:1", number / 256, number % 256), &[]));
        }
        assert_eq!((counted.counts.len(), counted.of(&first.client)), (COUNTED_MAX, 1));
        assert!(counted.has_place(&first) && !counted.has_place(&client("192.0.2.99:1", &[])));
        let mut joined = Counted::default();
        joined.add(&client("192.0.2.99:1", &[]));
        joined.join(counted);
        assert_eq!(joined.counts.len(), COUNTED_MAX);
        // Below what every store takes as a value.
        assert!(serde_json::to_vec(&joined).unwrap().len() < 8 * 1024);
    }

    #[test]
    fn what_was_counted_in_another_minute_counts_nothing() {
        let mut counted = Counted { minute: 7, counts: BTreeMap::new() };
        let one = client("192.0.2.1:1", &[]);
        for minute in [6, 8, i64::MAX] {
            counted.join(Counted { minute, counts: BTreeMap::from([(one.client.clone(), 1_000)]) });
            assert!(!counted.is_over(&one));
        }
        counted.join(Counted { minute: 7, counts: BTreeMap::from([(one.client.clone(), OF_CLIENT_MAX)]) });
        assert!(counted.is_over(&one));
    }
}
