//! What a tenant and the registry keep in the head of their space, and the turns of both.

use crate::directory::roster::Extent;
use crate::ledger::{Head, HeadState, Migrate, Migration, Turn, View};
use crate::settings::Settings;
use crate::traffic::Traffic;
use jiff::Timestamp;
use serde::de::MapAccess;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;

/// The head of a tenant.
pub type TenantHead = Head<TenantState>;

/// A turn of a tenant.
pub type TenantTurn<'a> = Turn<'a, TenantState>;

/// A tenant as it is now.
pub type TenantView<'a> = View<'a, TenantState>;

/// A turn of the registry.
pub type RegistryTurn<'a> = Turn<'a, RegistryState>;

/// The registry as it is now.
pub type RegistryView<'a> = View<'a, RegistryState>;

/// What a tenant keeps in its head.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantState {
    /// The roster of the users.
    pub main: Extent,
    /// Users that are not disabled.
    pub active: u64,
    /// How often a user was written or removed: where it is what it was, so are all users.
    pub user_changes: u64,
    /// The roster of the groups.
    pub groups: Extent,
    /// The number that the next journal record takes; the first is 1.
    pub next_record: u64,
    /// Slots of the journal's ring, fixed when the tenant is made.
    pub journal_capacity: u64,
    /// Whether an import is under way.
    pub being_restored: bool,
    /// When the provider last got an answer to a valid token.
    pub last_transfer: Option<Timestamp>,
    /// When such a request last succeeded.
    pub last_success: Option<Timestamp>,
    /// When such a request last changed something.
    pub last_change: Option<Timestamp>,
    /// First and last use of each token of the connection.
    pub tokens: Vec<TokenUse>,
    /// What the traffic tells.
    pub traffic: Traffic,
}

/// What a turn of a tenant remembers.
#[derive(Default)]
pub struct TenantMemo {
    /// The seats of the tenant, as they were when the first change asked.
    pub(crate) seats: OnceCell<Option<u64>>,
}

/// When a token was used.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TokenUse {
    /// The token's id in its connection.
    pub id: String,
    /// The first request that carried it.
    pub first: Timestamp,
    /// The latest request that carried it.
    pub last: Timestamp,
}

impl TenantState {
    /// The number of the oldest record that the journal's ring still holds.
    pub fn oldest_record(&self) -> u64 {
        self.next_record.saturating_sub(self.journal_capacity).max(1)
    }
}

impl HeadState for TenantState {
    type Memo = TenantMemo;

    const REQUIRED: &'static [&'static str] = Extent::MEMBERS;

    fn new(settings: &Settings) -> TenantState {
        TenantState { journal_capacity: settings.journal_capacity, ..TenantState::absent() }
    }

    fn absent() -> TenantState {
        TenantState {
            main: Extent::default(),
            active: 0,
            user_changes: 0,
            groups: Extent::default(),
            next_record: 1,
            journal_capacity: 0,
            being_restored: false,
            last_transfer: None,
            last_success: None,
            last_change: None,
            tokens: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    fn write_first<M: SerializeMap>(&self, head: &mut M) -> Result<(), M::Error> {
        self.main.write(head)?;
        head.serialize_entry("active", &self.active)?;
        head.serialize_entry("userChanges", &self.user_changes)?;
        head.serialize_entry("groups", &self.groups)?;
        head.serialize_entry("nextRecord", &self.next_record)?;
        head.serialize_entry("journalCapacity", &self.journal_capacity)?;
        if self.being_restored {
            head.serialize_entry("beingRestored", &true)?;
        }
        Ok(())
    }

    fn write_last<M: SerializeMap>(&self, head: &mut M) -> Result<(), M::Error> {
        head.serialize_entry("lastTransfer", &self.last_transfer)?;
        head.serialize_entry("lastSuccess", &self.last_success)?;
        head.serialize_entry("lastChange", &self.last_change)?;
        head.serialize_entry("tokens", &self.tokens)?;
        head.serialize_entry("traffic", &self.traffic)
    }

    fn read<'de, M: MapAccess<'de>>(&mut self, name: &str, head: &mut M) -> Result<bool, M::Error> {
        match name {
            "active" => self.active = head.next_value()?,
            "userChanges" => self.user_changes = head.next_value()?,
            "groups" => self.groups = head.next_value()?,
            "nextRecord" => self.next_record = head.next_value()?,
            "journalCapacity" => self.journal_capacity = head.next_value()?,
            "beingRestored" => self.being_restored = head.next_value()?,
            "lastTransfer" => self.last_transfer = head.next_value()?,
            "lastSuccess" => self.last_success = head.next_value()?,
            "lastChange" => self.last_change = head.next_value()?,
            "tokens" => self.tokens = head.next_value()?,
            "traffic" => self.traffic = head.next_value()?,
            name => return self.main.read(name, head),
        }
        Ok(true)
    }
}

/// What the registry keeps in its head.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistryState {
    /// The roster of the tenants.
    pub tenants: Extent,
}

impl HeadState for RegistryState {
    type Memo = ();

    const REQUIRED: &'static [&'static str] = Extent::MEMBERS;

    fn new(_: &Settings) -> RegistryState {
        RegistryState::default()
    }

    fn absent() -> RegistryState {
        RegistryState::default()
    }

    fn write_first<M: SerializeMap>(&self, head: &mut M) -> Result<(), M::Error> {
        self.tenants.write(head)
    }

    fn write_last<M: SerializeMap>(&self, _: &mut M) -> Result<(), M::Error> {
        Ok(())
    }

    fn read<'de, M: MapAccess<'de>>(&mut self, name: &str, head: &mut M) -> Result<bool, M::Error> {
        self.tenants.read(name, head)
    }
}

/// No layout has changed what stands in the registry.
impl Migrate for RegistryState {
    const STEPS: &'static [Migration<RegistryState>] =
        &[Migration::without_pieces(1), Migration::without_pieces(2), Migration::without_pieces(3)];
}
