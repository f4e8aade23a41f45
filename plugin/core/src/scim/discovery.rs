//! What the server says of itself (RFC 7644 §4, RFC 7643 §5 to §7), rendered from the tables that the engine enforces.
//!
//! Only what works is announced: groups where the connection synchronises them. Which types are served, the caller says.

use super::schema::{ResourceType, Schema};
use crate::settings::LIMITS;
use serde_json::{Value, json};

/// RFC 7643 §5. `base` is the tenant URL.
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {
            "supported": true,
            "maxOperations": LIMITS.bulk_operations_max,
            "maxPayloadSize": LIMITS.body_bytes_max,
        },
        "filter": {"supported": true, "maxResults": LIMITS.page_max},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        // RFC 9865 §4. Index stays the default, §2.4: that is what providers expect that say nothing.
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": LIMITS.page_default,
            "maxPageSize": LIMITS.page_max,
            "cursorTimeout": LIMITS.cursor_seconds_max,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A long-lived secret token in the Authorization header",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": meta("ServiceProviderConfig", format!("{base}/ServiceProviderConfig")),
    })
}

/// RFC 7643 §6, all of them.
pub fn resource_types(base: &str, served: &[&ResourceType]) -> Value {
    list(served.iter().map(|of| render_resource_type(base, of)).collect())
}

/// RFC 7643 §6, the one of this name.
pub fn resource_type(base: &str, served: &[&ResourceType], name: &str) -> Option<Value> {
    served.iter().find(|of| of.name.eq_ignore_ascii_case(name)).map(|of| render_resource_type(base, of))
}

/// RFC 7643 §7, all of them.
pub fn schemas(base: &str, served: &[&ResourceType]) -> Value {
    list(served.iter().flat_map(|of| of.schemas()).map(|schema| render_schema(base, schema)).collect())
}

/// RFC 7643 §7, the one of this URN.
pub fn schema(base: &str, served: &[&ResourceType], urn: &str) -> Option<Value> {
    let mut all = served.iter().flat_map(|of| of.schemas());
    all.find(|schema| schema.id.eq_ignore_ascii_case(urn)).map(|schema| render_schema(base, schema))
}

/// RFC 7644 §4: these lists are whole, whatever page a client asks for.
fn list(resources: Vec<Value>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

fn render_resource_type(base: &str, of: &ResourceType) -> Value {
    let extension = |schema: &Schema| json!({"schema": schema.id, "required": false});
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": of.name,
        "name": of.name,
        "endpoint": of.endpoint,
        "description": of.description,
        "schema": of.schema.id,
        "schemaExtensions": of.schemas().skip(1).map(extension).collect::<Vec<Value>>(),
        "meta": meta("ResourceType", format!("{base}/ResourceTypes/{}", of.name)),
    })
}

fn render_schema(base: &str, schema: &Schema) -> Value {
    let mut document = schema.to_json();
    document.insert("meta".to_owned(), meta("Schema", format!("{base}/Schemas/{}", schema.id)));
    Value::Object(document)
}

fn meta(resource_type: &str, location: String) -> Value {
    json!({"resourceType": resource_type, "location": location})
}

#[cfg(test)]
mod tests {
    use super::*;

    static USERS: [&ResourceType; 1] = [ResourceType::user()];

    const BASE: &str = "https://scim.example.com/scim/v2/t";

    fn all<'v>(list: &'v Value, name: &str) -> Vec<&'v str> {
        let resources = list["Resources"].as_array().unwrap();
        assert_eq!(list["totalResults"], json!(resources.len()));
        resources.iter().map(|resource| resource[name].as_str().unwrap()).collect()
    }

    fn attribute<'v>(attributes: &'v Value, name: &str) -> &'v Value {
        attributes.as_array().unwrap().iter().find(|attribute| attribute["name"] == name).unwrap()
    }

    fn no_null(value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::Array(elements) => elements.iter().all(no_null),
            Value::Object(object) => object.values().all(no_null),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }

    #[test]
    fn the_configuration_announces_what_works_and_nothing_else() {
        let config = service_provider_config(BASE);
        let supported = |name: &str| config[name]["supported"].as_bool().unwrap();
        assert_eq!(["patch", "filter", "sort", "etag", "bulk"].map(supported), [true; 5]);
        assert!(!supported("changePassword"));
        assert_eq!(config["filter"]["maxResults"], json!(LIMITS.page_max));
        assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
        assert_eq!(config["meta"]["location"], json!(format!("{BASE}/ServiceProviderConfig")));
    }

    #[test]
    fn users_and_their_extension_are_announced() {
        assert_eq!(all(&resource_types(BASE, &USERS), "id"), ["User"]);
        assert_eq!(
            all(&schemas(BASE, &USERS), "id"),
            [
                "urn:ietf:params:scim:schemas:core:2.0:User",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            ]
        );
    }

    #[test]
    fn one_is_found_by_its_name_without_case() {
        assert_eq!(
            resource_type(BASE, &USERS, "user").unwrap()["meta"]["location"],
            json!(format!("{BASE}/ResourceTypes/User"))
        );
        assert_eq!(schema(BASE, &USERS, "URN:ietf:params:scim:schemas:core:2.0:user").unwrap()["name"], "User");
        assert_eq!(resource_type(BASE, &USERS, "Group"), None);
        assert_eq!(schema(BASE, &USERS, "urn:example"), None);
    }

    #[test]
    fn an_attribute_is_rendered_with_its_characteristics() {
        let user = schema(BASE, &USERS, "urn:ietf:params:scim:schemas:core:2.0:User").unwrap();
        assert_eq!(
            *attribute(&user["attributes"], "userName"),
            json!({
                "name": "userName", "type": "string", "multiValued": false,
                "description": "The name that the user signs in with, unique in the tenant without case",
                "required": true, "caseExact": false, "mutability": "readWrite", "returned": "default",
                "uniqueness": "server",
            })
        );
        let kind = attribute(&attribute(&user["attributes"], "emails")["subAttributes"], "type");
        assert_eq!(kind["canonicalValues"], json!(["work", "home", "other"]));
        assert_eq!(attribute(&user["attributes"], "profileUrl")["referenceTypes"], json!(["external"]));
        assert_eq!(attribute(&user["attributes"], "password")["returned"], "never");
        assert_eq!(attribute(&user["attributes"], "active").get("caseExact"), None);
    }

    #[test]
    fn nothing_is_null() {
        assert!(
            no_null(&schemas(BASE, &USERS))
                && no_null(&resource_types(BASE, &USERS))
                && no_null(&service_provider_config(BASE))
        );
    }
}
