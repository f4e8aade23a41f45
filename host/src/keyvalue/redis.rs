//! Spin's `key-value-redis`: the same commands for the same calls, with no prefix before the keys, whatever the label.
//!
//! One connection serves the whole process. A call that fails answers with the failure and is not repeated, because it
//! may have been done; the next call makes a new connection. The one that failed is closed with a reset, so that the
//! kernel does not go on sending what nobody answers for any more.
//!
//! Beyond Spin, [`Store::change_if`] is one script, where the server runs scripts.

use std::fmt;
use std::time::Duration;

use anyhow::anyhow;
use parking_lot::Mutex;
use redis::io::tcp::TcpSettings;
use redis::{Client, Connection, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, RedisError, RedisResult};
use redis::{Script, cmd};

use super::TOO_LATE;
use super::{CALL_MAX, Cas, Change, Condition, Deadline, KEYS_A_PAGE, KeyPage, Pair, Result, Store, StoreError, Swap};
use super::{value_within_limit, within_limit};

/// Changes all keys but the first if that one has the expected value, which is marked with "+", or empty for an absent key.
/// A value is marked likewise, and empty for a key that is deleted.
const CHANGE_IF: &str = "
    local held = redis.call('GET', KEYS[1])
    if ARGV[1] == '' then
        if held then return 0 end
    elseif held ~= string.sub(ARGV[1], 2) then
        return 0
    end
    for place = 2, #KEYS do
        if ARGV[place] == '' then
            redis.call('DEL', KEYS[place])
        else
            redis.call('SET', KEYS[place], string.sub(ARGV[place], 2))
        end
    end
    return 1";

/// A database of a Redis server.
pub struct Redis {
    client: Client,
    /// Nothing before the first call, and after one that failed.
    connection: Mutex<Option<Connection>>,
    script: Script,
    /// Whether the server runs the script.
    runs_script: bool,
}

impl Redis {
    /// Connects, so that a server that is not there is found before a request does.
    pub fn connect(url: &str) -> anyhow::Result<Self> {
        let refuse = |error| anyhow!("the store's URL: expected redis://HOST:PORT/, found one with a problem: {error}");
        let info = url.into_connection_info().map_err(refuse)?;
        if !matches!(info.addr(), ConnectionAddr::Tcp(..)) {
            return Err(anyhow!("the store's URL: expected redis://HOST:PORT/, found {}", info.addr()));
        }
        let settings = TcpSettings::default().set_nodelay(true).set_linger_time(Duration::ZERO);
        let client = Client::open(info.set_tcp_settings(settings))?;
        let script = Script::new(CHANGE_IF);
        let mut redis = Self { client, connection: Mutex::default(), script, runs_script: false };
        let ponged: Result<String> = redis.call(&cmd("PING"));
        ponged.map_err(|error| anyhow!("cannot reach the store, {redis}: {error}"))?;
        redis.runs_script = redis.tries_script()?;
        Ok(redis)
    }

    /// Whether the server, or what stands before it, runs the script: on no key, so that it changes nothing.
    fn tries_script(&self) -> anyhow::Result<bool> {
        let mut connection = connect(&self.client, CALL_MAX)?;
        match self.script.key("").arg("").invoke::<bool>(&mut connection) {
            Ok(_) => Ok(true),
            Err(error) if error.is_io_error() => Err(anyhow!("cannot reach the store, {self}: {error}")),
            Err(_) => Ok(false),
        }
    }

    fn call<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T> {
        self.ask(|connection| command.query(connection))
    }

    /// One deadline over the lock, the connection, and the way there and back.
    fn ask<T>(&self, ask: impl FnOnce(&mut Connection) -> RedisResult<T>) -> Result<T> {
        let deadline = Deadline::of_a_call();
        let locked = self.connection.try_lock_for(deadline.left());
        let mut shared = locked.ok_or_else(|| StoreError(TOO_LATE.to_owned()))?;
        deadline.left_to_send()?;
        // Taken out, so that whatever goes wrong it is not used again: an answer that comes late would be taken for
        // the next call's.
        let mut connection = match shared.take() {
            Some(connection) => connection,
            None => connect(&self.client, deadline.left())?,
        };
        let left = deadline.left_to_send()?;
        connection.set_read_timeout(Some(left))?;
        connection.set_write_timeout(Some(left))?;
        let answer = ask(&mut connection)?;
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

    /// The cursor is that of `SCAN`. A page may have no keys.
    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage> {
        let cursor: u64 = match cursor {
            Some(cursor) => {
                cursor.parse().map_err(|_| StoreError(format!("cursor: expected a number, found {cursor:?}")))?
            }
            None => 0,
        };
        let pattern = [&literal(prefix), "*"].concat();
        let scan = cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(KEYS_A_PAGE).to_owned();
        let (next, keys): (u64, Vec<String>) = self.call(&scan)?;
        Ok((keys, Some(next).filter(|next| *next != 0).map(|next| next.to_string())))
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

    /// Not where the server, or what stands before it, has no scripts for us.
    fn is_guarded(&self) -> bool {
        self.runs_script
    }

    fn change_if(&self, condition: &Condition, changes: &[Change]) -> Result<bool> {
        let marked =
            |value: &Option<Vec<u8>>| value.as_ref().map_or_else(Vec::new, |value| [b"+", &value[..]].concat());
        let mut call = self.script.key(condition.key.as_str());
        call.arg(marked(&condition.value));
        for (key, value) in changes {
            call.key(key.as_str()).arg(marked(value));
        }
        self.ask(|connection| call.invoke(connection))
    }

    /// `WATCH` belongs to a connection, so each attempt has its own.
    fn compare_and_swap(&self, key: &str) -> Result<Box<dyn Cas>> {
        Ok(Box::new(RedisCas { key: key.to_owned(), connection: Mutex::new(connect(&self.client, CALL_MAX)?) }))
    }
}

/// A pattern that fits a text alone.
fn literal(text: &str) -> String {
    let special = |character| matches!(character, '*' | '?' | '[' | ']' | '^' | '\\');
    text.chars().flat_map(|character| special(character).then_some('\\').into_iter().chain([character])).collect()
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

/// A connection is waited for at least so long: the operating system takes no time limit of zero.
const CONNECT_MIN: Duration = Duration::from_millis(1);

fn connect(client: &Client, within: Duration) -> Result<Connection> {
    let connection = client.get_connection_with_timeout(within.max(CONNECT_MIN))?;
    connection.set_read_timeout(Some(CALL_MAX))?;
    connection.set_write_timeout(Some(CALL_MAX))?;
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
