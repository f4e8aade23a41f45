//! The component inside another program: the program has the listener and calls the component's own interfaces.
//!
//! `cargo run --example embed [COMPONENT]`, once `spin build` or `cargo run` has made the component.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rollcall_host::plugin::provisioning::{Header, Request};
use rollcall_host::{Component, Environment, Plugin, Reuse, Server, State, serve};

const ADMIN_SECRET: &str = "for-this-example-only";

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).map_or_else(built_here, PathBuf::from);
    let environment = Environment {
        stores: State::Memory.stores()?,
        variables: [("admin_secret", ADMIN_SECRET)].into_iter().collect(),
        ..Environment::default()
    };
    let component = Component::load(&path, environment)?;
    let customer = set_up(component.clone())?;
    tokio::runtime::Runtime::new()?.block_on(provision(&component, &customer))
}

fn built_here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/wasm32-wasip2/component/rollcall.wasm")
}

struct Customer {
    tenant: String,
    token: String,
}

/// What the identity provider sends, as the program's listener hands it on, and what the application then sees.
async fn provision(component: &Component, customer: &Customer) -> Result<()> {
    let mut plugin = Plugin::instantiate(component).await?;
    let user =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"alice@contoso.com","active":true}"#;
    let header = |name: &str, value: String| Header { name: name.to_owned(), value };
    let response = plugin
        .handle(Request {
            tenant: customer.tenant.clone(),
            method: "POST".to_owned(),
            path: "/Users".to_owned(),
            query: None,
            headers: vec![
                header("authorization", format!("Bearer {}", customer.token)),
                header("content-type", "application/scim+json".to_owned()),
            ],
            tenant_url: Some(format!("https://scim.example.com/scim/v2/{}", customer.tenant)),
            body: user.as_bytes().to_vec(),
        })
        .await??;
    println!("provisioning.handle answered {}", response.status);

    let found = plugin.find_user(&customer.tenant, "ALICE@contoso.com").await??;
    let found = found.context("the user is not there")?;
    println!("directory.find found {}, active: {}", found.user_name, found.active);

    let page = plugin.users(&customer.tenant, 1, 100).await??;
    println!("directory.list-entries has {} of {}", page.entries.len(), page.total);

    let page = plugin.requests(&customer.tenant, None, 10).await??;
    for request in page.entries {
        println!("journal.list-entries has #{} {}: {}", request.number, request.operation, request.status);
    }
    Ok(())
}

/// Once for each customer, the administrator makes a tenant and a connection. That is the admin API, over HTTP; both
/// ways share the store.
fn set_up(component: Component) -> Result<Customer> {
    let listener = serve::listen(([127, 0, 0, 1], 0).into())?;
    let server = Server::start(component, listener, Reuse::default())?;
    let post = |path: &str, body: &str| post(server.address(), path, body);
    let made = post("/admin/api/v1/tenants", r#"{"name":"Contoso"}"#)?;
    let tenant = member(&made, "id")?;
    let path = format!("/admin/api/v1/tenants/{tenant}/connection");
    let made = post(&path, r#"{"identityProvider":"entra"}"#)?;
    let token = member(&made, "secretToken")?;
    server.stop();
    Ok(Customer { tenant, token })
}

fn post(address: SocketAddr, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ADMIN_SECRET}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Enough of JSON for two answers.
fn member(answer: &str, name: &str) -> Result<String> {
    let value = answer.split_once(&format!("\"{name}\":\"")).and_then(|(_, rest)| rest.split_once('"'));
    let (value, _) = value.with_context(|| format!("expected {name:?}, found {answer}"))?;
    Ok(value.to_owned())
}
