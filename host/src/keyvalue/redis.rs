//! Spin's `key-value-redis`: the same commands for the same calls, with no prefix before the keys, whatever the label.
//!
//! One connection serves the whole process. A call that fails answers with the failure and is not repeated, because it
//! may have been done; the next call makes a new connection.

use std::fmt;
use std::time::Duration;

use anyhow::anyhow;
use parking_lot::Mutex;
use redis::{Client, Connection, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, RedisError, cmd};

use super::{Cas, Pair, Result, Store, StoreError, Swap, value_within_limit, within_limit};

/// How long a connection may take to be made, and how long an answer may. The component takes a turn for dead after
/// four seconds, so a call that hangs has to be over well before.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A database of a Redis server.
pub struct Redis {
    client: Client,
    /// Nothing before the first call, and after one that failed.
    connection: Mutex<Option<Connection>>,
}

impl Redis {
    /// Connects, so that a server that is not there is found before a request does.
    pub fn connect(url: &str) -> anyhow::Result<Self> {
        let refuse = |error| anyhow!("the store's URL: expected redis://HOST:PORT/, found one with a problem: {error}");
        let info = url.into_connection_info().map_err(refuse)?;
        if !matches!(info.addr(), ConnectionAddr::Tcp(..)) {
            return Err(anyhow!("the store's URL: expected redis://HOST:PORT/, found {}", info.addr()));
        }
        let redis = Self { client: Client::open(info)?, connection: Mutex::default() };
        let ponged: Result<String> = redis.call(&cmd("PING"));
        ponged.map_err(|error| anyhow!("cannot reach the store, {redis}: {error}"))?;
        Ok(redis)
    }

    fn call<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T> {
        let mut shared = self.connection.lock();
        // Taken out, so that whatever goes wrong it is not used again: an answer that comes late would be taken for
        // the next call's.
        let mut connection = match shared.take() {
            Some(connection) => connection,
            None => connect(&self.client)?,
        };
        let answer = command.query(&mut connection)?;
        *shared = Some(connection);
        Ok(answer)
    }
}

/// The server, without the password.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis at {}", self.client.get_connection_info().addr())
    }
}

impl Store for Redis {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        value_within_limit(self.call(cmd("GET").arg(key))?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.call(cmd("SET").arg(key).arg(value))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.call(cmd("DEL").arg(key))
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.call(cmd("EXISTS").arg(key))
    }

    fn list_keys(&self) -> Result<Vec<String>> {
        let keys: Vec<String> = self.call(cmd("KEYS").arg("*"))?;
        within_limit(keys.iter().map(|key| size_of::<String>() + key.len()).sum())?;
        Ok(keys)
    }

    /// Spin sends `KEYS` with the keys as patterns, which the server refuses.
    fn get_many(&self, _keys: &[String]) -> Result<Vec<Pair<Option<Vec<u8>>>>> {
        Err(StoreError("wrong number of arguments for 'keys' command".to_owned()))
    }

    fn set_many(&self, pairs: &[Pair<Vec<u8>>]) -> Result<()> {
        let mut command = cmd("MSET");
        for (key, value) in pairs {
            command.arg(key).arg(value.as_slice());
        }
        self.call(&command)
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        self.call(cmd("DEL").arg(keys))
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        self.call(cmd("INCRBY").arg(key).arg(delta))
    }

    /// `WATCH` belongs to a connection, so each attempt has its own.
    fn compare_and_swap(&self, key: &str) -> Result<Box<dyn Cas>> {
        Ok(Box::new(RedisCas { key: key.to_owned(), connection: Mutex::new(connect(&self.client)?) }))
    }
}

struct RedisCas {
    key: String,
    connection: Mutex<Connection>,
}

impl RedisCas {
    fn connection(&mut self) -> &mut Connection {
        self.connection.get_mut()
    }
}

impl Cas for RedisCas {
    fn current(&mut self) -> Result<Option<Vec<u8>>> {
        let key = self.key.clone();
        let connection = self.connection();
        cmd("WATCH").arg(&key).exec(connection)?;
        value_within_limit(cmd("GET").arg(&key).query(connection)?)
    }

    /// Writes if nothing changed, and says "failed" whatever it did: Spin ends with an `UNWATCH` that has an argument,
    /// which the server refuses, and takes that for its answer.
    fn swap(&mut self, value: &[u8]) -> Result<Swap> {
        let key = self.key.clone();
        let mut transaction = redis::pipe();
        transaction.atomic().cmd("SET").arg(key).arg(value);
        let _: std::result::Result<(), RedisError> = transaction.exec(self.connection());
        Ok(Swap::Failed)
    }
}

fn connect(client: &Client) -> Result<Connection> {
    let connection = client.get_connection_with_timeout(TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    Ok(connection)
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn problem(url: &str) -> String {
        Redis::connect(url).err().unwrap().to_string()
    }

    #[test]
    fn a_server_that_is_not_there_is_named_without_the_password() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let said = problem(&format!("redis://:hidden@{free}/"));
        assert!(said.starts_with(&format!("cannot reach the store, Redis at {free}: ")), "{said}");
        assert!(!said.contains("hidden") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn a_server_that_does_not_answer_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let said = problem(&format!("redis://{address}/"));
        assert!(said.starts_with(&format!("cannot reach the store, Redis at {address}: ")), "{said}");
    }

    #[test]
    fn only_a_url_of_redis_is_one() {
        for url in ["", "127.0.0.1:6379", "http://127.0.0.1/", "unix:///tmp/redis"] {
            let said = problem(url);
            assert!(said.starts_with("the store's URL: expected redis://HOST:PORT/, found "), "{said}");
        }
    }
}
