//! What an operator and Entra say, to any server.

use crate::run::Server;
use crate::world::ADMIN_SECRET;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};

/// A tenant whose connection was started.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its secret token.
    pub token: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where there is none.
    pub body: Value,
}

impl Reply {
    /// An answer whose body is read.
    pub fn of(response: Response<Vec<u8>>) -> Reply {
        let body = match response.body().as_slice() {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes))),
        };
        Reply { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    /// The answer, which has to have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Whether it is a 2xx.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A text in the body, by JSON pointer.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("{pointer}: {}", self.body)).to_owned()
    }
}

/// Calls the admin API, with the admin secret.
pub fn admin(server: &mut dyn Server, method: &str, path: &str, body: Option<&Value>) -> Reply {
    admin_with(server, ADMIN_SECRET, method, path, body)
}

/// Sends a request to the admin API with another admin secret than that of the tests.
pub fn admin_with(server: &mut dyn Server, secret: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let path = format!("/admin/api/v1{path}");
    Reply::of(server.answer(request(method, &path, secret, "application/json", body)))
}

impl Tenant {
    /// Makes a tenant and starts its connection.
    pub fn connect(server: &mut dyn Server) -> Tenant {
        let id = admin(server, "POST", "/tenants", Some(&json!({"name": "Contoso"}))).expect(201).text("/id");
        let token = Tenant::start(server, &id).expect(201).text("/secretToken");
        Tenant { id, token }
    }

    /// Starts the connection of a tenant.
    pub fn start(server: &mut dyn Server, id: &str) -> Reply {
        let entra = json!({"identityProvider": "entra"});
        admin(server, "POST", &format!("/tenants/{id}/connection"), Some(&entra))
    }

    /// Calls the admin API below the tenant.
    pub fn admin(&self, server: &mut dyn Server, method: &str, path: &str, body: Option<&Value>) -> Reply {
        admin(server, method, &format!("/tenants/{}{path}", self.id), body)
    }

    /// What the check finds, and what it could not look at: all portions, one after the other.
    pub fn check(&self, server: &mut dyn Server) -> Vec<String> {
        let (mut found, mut path) = (Vec::new(), "/check".to_owned());
        loop {
            let answer = self.admin(server, "GET", &path, None).expect(200).body;
            let texts = ["findings", "unlooked"].into_iter().filter_map(|member| answer[member].as_array()).flatten();
            found.extend(texts.filter_map(Value::as_str).map(str::to_owned));
            match answer["position"].as_str() {
                Some(position) => path = format!("/check?position={position}"),
                None => return found,
            }
        }
    }

    /// Sends a request below the tenant URL, with the token.
    pub fn scim(&self, server: &mut dyn Server, method: &str, path: &str, body: Option<&Value>) -> Reply {
        Reply::of(server.answer(self.request(method, path, body)))
    }

    /// The request that [`Tenant::scim`] sends.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Request<Vec<u8>> {
        let path = format!("/scim/v2/{}{path}", self.id);
        request(method, &path, &self.token, "application/scim+json; charset=utf-8", body)
    }

    /// POST of a user, as Entra's mapping of four attributes makes it.
    pub fn create(&self, server: &mut dyn Server, user_name: &str) -> Reply {
        self.scim(server, "POST", "/Users", Some(&user(user_name)))
    }

    /// GET of one user.
    pub fn read(&self, server: &mut dyn Server, id: &str) -> Reply {
        self.scim(server, "GET", &format!("/Users/{id}"), None)
    }

    /// PATCH of one user.
    pub fn patch(&self, server: &mut dyn Server, id: &str, operations: &Value) -> Reply {
        self.scim(server, "PATCH", &format!("/Users/{id}"), Some(&patch(operations)))
    }

    /// DELETE of one user.
    pub fn delete(&self, server: &mut dyn Server, id: &str) -> Reply {
        self.scim(server, "DELETE", &format!("/Users/{id}"), None)
    }

    /// Entra's matching query.
    pub fn find(&self, server: &mut dyn Server, user_name: &str) -> Reply {
        let name = user_name.replace('@', "%40");
        self.scim(server, "GET", &format!("/Users?filter=userName+eq+%22{name}%22"), None)
    }

    /// The journal, newest first.
    pub fn journal(&self, server: &mut dyn Server) -> Vec<Value> {
        let page = self.admin(server, "GET", "/requests?limit=200", None).expect(200);
        page.body["requests"].as_array().cloned().unwrap_or_default()
    }
}

/// A user as Entra sends it.
pub fn user(user_name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "externalId": format!("object-of-{user_name}"),
        "userName": user_name,
        "active": true,
        "displayName": "Somebody",
        "meta": {"resourceType": "User"},
        "roles": [],
    })
}

/// The body of a PATCH.
pub fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn request(method: &str, path: &str, secret: &str, media: &str, body: Option<&Value>) -> Request<Vec<u8>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "scim.example.com")
        .header("authorization", format!("Bearer {secret}"));
    if body.is_some() {
        request = request.header("content-type", media);
    }
    request.body(body.map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default()).unwrap()
}

/// The two ways in which Entra writes a change: without and with `aadOptscim062020` behind the tenant URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Capital operation names, a path each, booleans as text.
    Legacy,
    /// Lower case, one operation for several attributes, booleans.
    Flag,
}

impl Wire {
    /// The operations that set these attributes.
    pub fn set(self, attributes: &Value) -> Value {
        match self {
            Wire::Flag => json!([{"op": "replace", "value": attributes}]),
            Wire::Legacy => {
                let text = |value: &Value| value.as_bool().map_or(value.clone(), |flag| Value::from(flag.to_string()));
                let operation =
                    |(path, value): (&String, &Value)| json!({"op": "Replace", "path": path, "value": text(value)});
                attributes.as_object().unwrap().iter().map(operation).collect()
            }
        }
    }

    fn query(self) -> &'static str {
        match self {
            Wire::Legacy => "",
            Wire::Flag => "&aadOptscim062020",
        }
    }
}

/// A user's whole life at Entra: connection test, match, create, update, rename, disable, restore, recycle bin, deletion.
pub fn of_a_user(server: &mut dyn Server, tenant: &Tenant, wire: Wire, alice: &str) {
    let renamed = format!("renamed.{alice}");
    let binned = format!("3f2a6c1e0b7d4c55a1e29f0d6b8c7a11{renamed}");
    test_connection(server, tenant, wire);
    assert_eq!(tenant.find(server, alice).expect(200).body["totalResults"], 0);
    let created = tenant.create(server, alice).expect(201);
    let id = created.text("/id");
    assert_eq!(created.headers["location"], format!("http://scim.example.com/scim/v2/{}/Users/{id}", tenant.id));
    assert_eq!(tenant.create(server, alice).expect(409).text("/scimType"), "uniqueness");
    assert_eq!(tenant.find(server, &alice.to_uppercase()).expect(200).text("/Resources/0/id"), id);

    let mut change = |attributes: Value| tenant.patch(server, &id, &wire.set(&attributes)).expect(200);
    assert_eq!(change(json!({"displayName": "Alice B"})).body["displayName"], "Alice B");
    assert_eq!(change(json!({"userName": renamed})).body["userName"], renamed.as_str());
    assert_eq!(change(json!({"active": false})).body["active"], false);
    assert_eq!(change(json!({"active": true})).body["active"], true);
    let gone = change(json!({"active": false, "userName": binned}));
    assert_eq!((&gone.body["active"], gone.text("/userName")), (&json!(false), binned));

    // Somebody new gets the name while the old account lies in the recycle bin, so it cannot have it back.
    let heir = tenant.create(server, &renamed).expect(201).text("/id");
    let back = wire.set(&json!({"active": true, "userName": renamed}));
    assert_eq!(tenant.patch(server, &id, &back).expect(409).text("/scimType"), "uniqueness");
    assert_eq!(tenant.read(server, &id).expect(200).body["active"], false);
    tenant.delete(server, &heir).expect(204);
    assert_eq!(tenant.patch(server, &id, &back).expect(200).body["active"], true);

    tenant.delete(server, &id).expect(204);
    tenant.read(server, &id).expect(404);
    tenant.delete(server, &id).expect(404);
    assert_eq!(tenant.find(server, &renamed).expect(200).body["totalResults"], 0);
}

fn test_connection(server: &mut dyn Server, tenant: &Tenant, wire: Wire) {
    for (path, attribute) in [("/Users", "userName"), ("/Groups", "displayName")] {
        let nobody = "7d420df3-9995-4831-a406-ecf8166f5f6a";
        let path = format!("{path}?filter={attribute}+eq+%22{nobody}%22{}", wire.query());
        assert_eq!(tenant.scim(server, "GET", &path, None).expect(200).body["totalResults"], 0);
    }
}
