//! Fills the host's SQLite store with tenants and users, through the code that a request goes through.

use crate::bulk_store::BulkStore;
use crate::crowd;
use crate::life::{self, Tenant};
use crate::run::Server;
use http::{Request, Response};
use rollcall_core::http::{Body, Rollcall};
use rollcall_core::keys::TenantId;
use rollcall_core::settings::Settings;
use rollcall_host::keyvalue;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Users, or tenants, that go into the file at once.
const BATCH: usize = 20_000;

/// An instance of the core, and its operator. What it does is in the file after [`Loader::flush`].
pub struct Loader {
    rollcall: Rollcall,
    store: BulkStore,
    settings: Settings,
    secret: String,
}

impl Loader {
    /// Fills this store, which nobody else may use meanwhile.
    pub fn on(database: Arc<dyn keyvalue::Store>, secret: &str) -> Loader {
        let store = BulkStore::new(database);
        let settings = Settings::read(|name| (name == "admin_secret").then(|| secret.to_owned())).unwrap();
        let rollcall = Rollcall::new(store.ports(), settings.clone());
        Loader { rollcall, store, settings, secret: secret.to_owned() }
    }

    /// Makes a tenant and its connection.
    pub fn tenant(&mut self, name: &str) -> Tenant {
        let secret = self.secret.clone();
        let mut call = |path: &str, body| life::admin_with(self, &secret, "POST", path, Some(&body)).expect(201);
        let id = call("/tenants", json!({"name": name})).text("/id");
        let token =
            call(&format!("/tenants/{id}/connection"), json!({"identityProvider": "entra"})).text("/secretToken");
        Tenant { id, token }
    }

    /// Makes so many tenants.
    pub fn tenants(&mut self, count: usize) {
        for number in 1..=count {
            self.tenant(&format!("Tenant {number}"));
            if number.is_multiple_of(BATCH) {
                self.flush();
            }
        }
    }

    /// Makes the users of a tenant, `user0@contoso.com` and so on, and answers their ids.
    pub fn users(&mut self, tenant: &Tenant, count: usize) -> Vec<String> {
        let id = TenantId::parse(&tenant.id).unwrap();
        let ports = self.store.ports();
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let numbers = ids.len()..count.min(ids.len() + crowd::AT_ONCE);
            ids.extend(crowd::gather_on(&ports, &self.settings, &id, numbers));
            if ids.len().is_multiple_of(BATCH) {
                self.flush();
                eprint!("\r{} users", ids.len());
            }
        }
        eprint!("\r");
        ids
    }

    /// Writes what waits into the file.
    pub fn flush(&self) {
        self.store.flush().unwrap();
    }
}

impl Server for Loader {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        self.rollcall.handle(request).map(|body| match body {
            Body::Full(bytes) => bytes,
            Body::Stream(_) => unreachable!("nothing is exported here"),
        })
    }

    fn pass(&mut self, _: Duration) {}
}
