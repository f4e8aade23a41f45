//! A world without surprises: the same times, the same random bytes, in every run and for every runner.

use crate::program;
use crate::store::{Backend, Memory};
use jiff::Timestamp;
use rollcall_core::http::Rollcall;
use rollcall_core::ports::{Clock, Condition, Entropy, KeyChange, KeyPage, Log, Ports, Store, StoreError};
use rollcall_core::settings::Settings;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What all instances of a world have in common.
#[derive(Clone)]
pub struct World {
    /// The store.
    pub store: Rc<Memory>,
    /// The time.
    pub time: Time,
    /// The randomness.
    pub random: Random,
    /// Lines of the error output.
    pub log: Rc<RefCell<Vec<String>>>,
    settings: Settings,
}

/// The admin secret of every world.
pub const ADMIN_SECRET: &str = "the-admin-secret-of-the-transcripts";

impl World {
    /// A world whose variables are these, beside the admin secret.
    pub fn new(variables: &BTreeMap<String, String>) -> World {
        World::on(Backend::SQLITE, variables)
    }

    /// A world on a store of another kind.
    pub fn on(backend: Backend, variables: &BTreeMap<String, String>) -> World {
        World::of(Memory::new(backend), Time::default(), variables)
    }

    /// A world that shares its store and its time with programs.
    pub fn beside(programs: &program::Redis) -> World {
        World::of(Memory::at(&programs.url()), Time::of_day(), &BTreeMap::new())
    }

    fn of(store: Memory, time: Time, variables: &BTreeMap<String, String>) -> World {
        let value = |name: &str| match name {
            "admin_secret" => Some(ADMIN_SECRET.to_owned()),
            // Time stands still between requests.
            "requests_per_second" => Some(variables.get(name).cloned().unwrap_or_else(|| "off".to_owned())),
            _ => variables.get(name).cloned(),
        };
        store.lives_in(&time);
        World {
            store: Rc::new(store),
            time,
            random: Random::default(),
            log: Rc::default(),
            settings: Settings::read(value).unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// A world that is the same, and goes its own way from here.
    pub fn fork(&self) -> World {
        let (store, passed) = (self.store.fork(), Arc::new(Mutex::new(self.time.passed())));
        let time = Time { passed, ..self.time.clone() };
        store.lives_in(&time);
        World {
            store: Rc::new(store),
            time,
            random: Random(Arc::new(Mutex::new(*self.random.0.lock().unwrap_or_else(PoisonError::into_inner)))),
            log: Rc::default(),
            settings: self.settings.clone(),
        }
    }

    /// A world on this world's store, beside a clock that is so much ahead.
    pub fn beside_with_clock_ahead(&self, ahead: Duration) -> World {
        let time = Time {
            beginning: self.time.beginning + ahead,
            passed: Arc::new(Mutex::new(self.time.passed())),
            begun: self.time.begun,
        };
        World { time, ..self.clone() }
    }

    /// A further instance of the component, with nothing in its memory.
    pub fn instance(&self) -> Rollcall {
        Rollcall::new(self.ports(), self.settings.clone())
    }

    /// What an instance has of the world.
    pub fn ports(&self) -> Ports {
        Ports {
            store: Box::new(Shared(self.store.clone())),
            clock: Box::new(self.time.clone()),
            entropy: Box::new(self.random.clone()),
            log: Box::new(Lines(self.log.clone())),
        }
    }

    /// What the operator has set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Time that passes when it is told to, or when somebody waits. Beside programs it passes by itself, and whoever waits
/// waits.
#[derive(Clone, Debug)]
pub struct Time {
    /// Since 1970.
    beginning: Duration,
    passed: Arc<Mutex<Duration>>,
    /// When it began to pass by itself.
    begun: Option<Instant>,
}

/// When every world of its own begins: 2026-11-24T09:00:00Z.
const BEGINNING: Duration = Duration::from_secs(1_795_510_800);

impl Default for Time {
    fn default() -> Time {
        Time { beginning: BEGINNING, passed: Arc::default(), begun: None }
    }
}

impl Time {
    /// The time of day.
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn of_day() -> Time {
        let beginning = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
        Time { beginning, passed: Arc::default(), begun: Some(Instant::now()) }
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        match self.begun {
            Some(_) => std::thread::sleep(duration),
            None => *self.passed.lock().unwrap_or_else(PoisonError::into_inner) += duration,
        }
    }

    /// Time since the beginning.
    pub fn passed(&self) -> Duration {
        match self.begun {
            Some(begun) => begun.elapsed(),
            None => *self.passed.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Time since 1970.
    pub fn since_1970(&self) -> Duration {
        self.beginning + self.passed()
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.since_1970().as_millis().try_into().unwrap()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.passed()
    }

    fn pause(&self, duration: Duration) {
        self.pass(duration);
    }
}

/// A stream of bytes that is the same in every run, whoever draws from it and in whatever pieces.
#[derive(Clone, Default, Debug)]
pub struct Random(Arc<Mutex<u64>>);

impl Random {
    /// The next byte.
    pub fn byte(&self) -> u8 {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *drawn += 1;
        // SplitMix64 of the byte's place in the stream.
        let mut z = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()[0]
    }

    /// The next bytes.
    pub fn bytes(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.byte());
    }
}

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        self.bytes(bytes);
    }
}

struct Lines(Rc<RefCell<Vec<String>>>);

impl Log for Lines {
    fn line(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }
}

struct Shared(Rc<Memory>);

impl Store for Shared {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.0.get_many(keys)
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.0.set_many(pairs)
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.0.delete_many(keys)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.0.increment(key, delta)
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        self.0.list_keys()
    }

    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.0.list_page(prefix, cursor)
    }

    fn is_guarded(&self) -> bool {
        self.0.is_guarded()
    }

    fn change_if(&self, condition: Condition<'_>, changes: &[KeyChange]) -> Result<bool, StoreError> {
        self.0.change_if(condition, changes)
    }
}
