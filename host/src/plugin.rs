//! The component without HTTP: its own interfaces, for whoever owns the listener.

use anyhow::{Result, anyhow};
use wasmtime::Store;

use crate::component::{Component, Guest};
use bindings::PluginPre;
pub use bindings::exports::rollcall::scim::types;
pub use bindings::exports::rollcall::scim::{directory, journal, provisioning};

mod bindings {
    #![allow(missing_docs, unreachable_pub, reason = "generated code")]

    wasmtime::component::bindgen!({
        path: "../wit",
        world: "rollcall:scim/plugin",
        with: { "wasi:keyvalue": crate::bindings::wasi::keyvalue },
    });
}

/// An instance that answers one call after the other. An error ends it; make a new one then, the data are elsewhere.
pub struct Plugin {
    store: Store<Guest>,
    exports: bindings::Plugin,
}

/// The outer result is the instance's failure, the inner one its answer.
pub type Answer<T> = Result<Result<T, types::Error>>;

macro_rules! call {
    ($plugin:ident.$interface:ident().$function:ident($($argument:expr),*)) => {{
        let exports = $plugin.exports.$interface();
        let call = $plugin.store.run_concurrent(async |accessor| {
            exports.$function(accessor, $($argument),*).await
        });
        call.await.flatten().map_err(ended)
    }};
}

impl Plugin {
    /// Makes an instance. It needs a runtime of tokio around it, with timers.
    pub async fn instantiate(component: &Component) -> Result<Self> {
        let exports = PluginPre::new(component.instance.clone())
            .map_err(|_| anyhow!("the component does not export the interfaces of rollcall:scim@0.1.0"))?;
        let mut store = component.store(None);
        let exports = exports.instantiate_async(&mut store).await.map_err(ended)?;
        Ok(Self { store, exports })
    }

    /// `provisioning.handle`
    pub async fn handle(&mut self, request: provisioning::Request) -> Answer<provisioning::Response> {
        call!(self.rollcall_scim_provisioning().call_handle(request))
    }

    /// `directory.get`
    pub async fn user(&mut self, tenant: &str, id: &str) -> Answer<Option<directory::Entry>> {
        call!(self.rollcall_scim_directory().call_get(tenant.to_owned(), id.to_owned()))
    }

    /// `directory.find`
    pub async fn find_user(&mut self, tenant: &str, user_name: &str) -> Answer<Option<directory::Entry>> {
        call!(self.rollcall_scim_directory().call_find(tenant.to_owned(), user_name.to_owned()))
    }

    /// `directory.list-entries`
    pub async fn users(&mut self, tenant: &str, start_index: u64, count: u32) -> Answer<directory::Page> {
        call!(self.rollcall_scim_directory().call_list_entries(tenant.to_owned(), start_index, count))
    }

    /// `journal.list-entries`
    pub async fn requests(&mut self, tenant: &str, before: Option<u64>, limit: u32) -> Answer<journal::Page> {
        call!(self.rollcall_scim_journal().call_list_entries(tenant.to_owned(), before, limit))
    }

    /// `journal.get`
    pub async fn request(&mut self, tenant: &str, number: u64) -> Answer<Option<journal::Entry>> {
        call!(self.rollcall_scim_journal().call_get(tenant.to_owned(), number))
    }
}

fn ended(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("the instance has ended: {error:#}")
}
