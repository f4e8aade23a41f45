//! From method and path to one case of an enum, so that no route can be forgotten by those who match on it.

use crate::space::{Kind, TenantId};
use http::Method;
use percent_encoding::percent_decode_str;

/// Where a request goes.
#[derive(Debug, PartialEq, Clone)]
pub enum Route {
    /// Below a tenant URL. The tenant is not known to exist yet; the rest is read after the token was.
    Scim(Option<TenantId>),
    /// The admin API.
    Admin(Admin),
    /// The page and its assets, by file name.
    Page(String),
    /// Nothing of ours.
    Nowhere,
}

/// What lies below a tenant URL.
#[derive(Debug, PartialEq, Clone)]
pub enum Scim {
    /// `/Users`, `/Groups`
    Resources(Kind),
    /// `/Users/{id}`, `/Groups/{id}`
    Resource(Kind, String),
    /// `/ServiceProviderConfig`
    ServiceProviderConfig,
    /// `/ResourceTypes`
    ResourceTypes,
    /// `/ResourceTypes/{name}`
    ResourceType(String),
    /// `/Schemas`
    Schemas,
    /// `/Schemas/{urn}`
    Schema(String),
    /// `/Me`
    Me,
    /// `/Bulk`
    Bulk,
    /// `/.search`, at the root or below a resource type
    Search(Option<Kind>),
    /// Nothing that SCIM knows.
    Nowhere,
}

/// The calls of the admin API.
#[derive(Debug, PartialEq, Clone)]
pub enum Admin {
    /// `/session`
    Session,
    /// `/product`
    Product,
    /// `/identity-providers`
    IdentityProviders,
    /// `/tenants`
    Tenants,
    /// `/tenants/{id}` and below
    Tenant(TenantId, OfTenant),
    /// Nothing.
    Nowhere,
}

/// The calls about one tenant.
#[derive(Debug, PartialEq, Clone)]
pub enum OfTenant {
    /// The tenant itself.
    Itself,
    /// `/connection`
    Connection,
    /// `/connection/rotate`
    Rotate,
    /// `/users`
    Users,
    /// `/users/{id}`
    User(String),
    /// `/requests`
    Requests,
    /// `/requests/export`
    Export,
    /// `/requests/{number}`
    Request(u64),
    /// `/activity`
    Activity,
    /// `/check`
    Check,
}

impl Route {
    /// Reads a path. Each segment is decoded by itself, so an encoded slash never makes two of one; segments that
    /// decode to something that no name of ours holds lead nowhere.
    ///
    /// Below a tenant URL only the tenant is read here: whatever else the path is, the tenant's token is asked for
    /// first, and its journal keeps the request.
    pub fn of(path: &str) -> Route {
        if let Some(rest) = path.strip_prefix("/scim/v2/") {
            let tenant = rest.split('/').next().and_then(segment);
            return Route::Scim(tenant.as_deref().and_then(TenantId::parse));
        }
        let Some(segments) = segments(path) else {
            return Route::Nowhere;
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["admin", "api", "v1", rest @ ..] => Route::Admin(Admin::of(rest)),
            [] => Route::Page("index.html".to_owned()),
            [file] => Route::Page((*file).to_owned()),
            ["assets", ..] => Route::Page(segments.join("/")),
            _ => Route::Nowhere,
        }
    }
}

impl Scim {
    /// Reads a path below the tenant URL.
    pub fn of(path: &str) -> Scim {
        let Some(segments) = segments(path) else {
            return Scim::Nowhere;
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["Users"] => Scim::Resources(Kind::User),
            ["Groups"] => Scim::Resources(Kind::Group),
            [".search"] => Scim::Search(None),
            ["Users", ".search"] => Scim::Search(Some(Kind::User)),
            ["Groups", ".search"] => Scim::Search(Some(Kind::Group)),
            ["Users", id] => Scim::Resource(Kind::User, (*id).to_owned()),
            ["Groups", id] => Scim::Resource(Kind::Group, (*id).to_owned()),
            ["ServiceProviderConfig"] => Scim::ServiceProviderConfig,
            ["ResourceTypes"] => Scim::ResourceTypes,
            ["ResourceTypes", name] => Scim::ResourceType((*name).to_owned()),
            ["Schemas"] => Scim::Schemas,
            ["Schemas", urn] => Scim::Schema((*urn).to_owned()),
            ["Me"] => Scim::Me,
            ["Bulk"] => Scim::Bulk,
            _ => Scim::Nowhere,
        }
    }

    /// The methods that the resource knows, RFC 7644 §3.2.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            Scim::Resources(_) => &[Method::GET, Method::POST],
            Scim::Resource(..) => &[Method::GET, Method::PUT, Method::PATCH, Method::DELETE],
            Scim::ServiceProviderConfig
            | Scim::ResourceTypes
            | Scim::ResourceType(_)
            | Scim::Schemas
            | Scim::Schema(_) => &[Method::GET],
            Scim::Me => &[Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            Scim::Bulk | Scim::Search(_) => &[Method::POST],
            Scim::Nowhere => &[],
        }
    }
}

impl Admin {
    fn of(segments: &[&str]) -> Admin {
        match segments {
            ["session"] => Admin::Session,
            ["product"] => Admin::Product,
            ["identity-providers"] => Admin::IdentityProviders,
            ["tenants"] => Admin::Tenants,
            ["tenants", id, rest @ ..] => match (TenantId::parse(id), OfTenant::of(rest)) {
                (Some(id), Some(rest)) => Admin::Tenant(id, rest),
                (None, _) | (_, None) => Admin::Nowhere,
            },
            _ => Admin::Nowhere,
        }
    }

    /// The methods that the call knows.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            Admin::Session => &[Method::GET, Method::POST, Method::DELETE],
            Admin::Product | Admin::IdentityProviders => &[Method::GET],
            Admin::Tenants => &[Method::GET, Method::POST],
            Admin::Tenant(_, OfTenant::Itself) => &[Method::GET, Method::PATCH, Method::DELETE],
            Admin::Tenant(_, OfTenant::Connection) => &[Method::GET, Method::POST, Method::PATCH, Method::DELETE],
            Admin::Tenant(_, OfTenant::Rotate) => &[Method::POST],
            Admin::Tenant(_, OfTenant::Users | OfTenant::User(_)) => &[Method::GET, Method::DELETE],
            Admin::Tenant(
                _,
                OfTenant::Requests | OfTenant::Export | OfTenant::Request(_) | OfTenant::Activity | OfTenant::Check,
            ) => &[Method::GET],
            Admin::Nowhere => &[],
        }
    }
}

impl OfTenant {
    fn of(segments: &[&str]) -> Option<OfTenant> {
        Some(match segments {
            [] => OfTenant::Itself,
            ["connection"] => OfTenant::Connection,
            ["connection", "rotate"] => OfTenant::Rotate,
            ["users"] => OfTenant::Users,
            ["users", id] => OfTenant::User((*id).to_owned()),
            ["requests"] => OfTenant::Requests,
            ["requests", "export"] => OfTenant::Export,
            ["requests", number] => OfTenant::Request(number.parse().ok()?),
            ["activity"] => OfTenant::Activity,
            ["check"] => OfTenant::Check,
            _ => return None,
        })
    }
}

/// Why a request fits no route.
#[derive(Debug, PartialEq, Clone, Copy)]
pub enum Misrouted {
    /// Nothing is there.
    NotFound,
    /// Something is there, and these are the methods that it knows.
    Method(&'static [Method]),
}

/// Refuses a method that a route does not know: 405 where the route exists, 404 where it does not.
pub fn check_method(method: &Method, known: &'static [Method]) -> Result<(), Misrouted> {
    if known.contains(method) {
        Ok(())
    } else if known.is_empty() {
        Err(Misrouted::NotFound)
    } else {
        Err(Misrouted::Method(known))
    }
}

/// The segments of a path, decoded; one slash at the end is allowed. Nothing for a path that could be read in two ways.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.split('/').map(segment).collect()
}

fn segment(raw: &str) -> Option<String> {
    let text = percent_decode_str(raw).decode_utf8().ok()?;
    let plain = !text.is_empty()
        && text != "."
        && text != ".."
        && !text.contains(|c: char| c == '/' || c == '\\' || c == '%' || c.is_control());
    plain.then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_be_read_in_two_ways_leads_nowhere() {
        let confusing = [
            "/scim//v2/abcdefghjk",
            "/scim%2fv2/abcdefghjk",
            "/admin/api/v1/tenants%2Fabcdefghjk",
            "/admin/api/v1/%2574enants",
            "/Admin/api/v1/tenants",
            "/admin/api/v1/tenants/abcdefghjk%00",
            "",
            "admin",
        ];
        for path in confusing {
            assert!(matches!(Route::of(path), Route::Nowhere | Route::Admin(Admin::Nowhere)), "{path}");
        }
    }

    #[test]
    fn a_path_below_a_tenant_url_is_the_tenants_whatever_it_is() {
        let tenant = Route::Scim(TenantId::parse("abcdefghjk"));
        for below in ["", "/", "/Users", "//Users", "/../tenants", "/%2e%2e/admin", "/Users/%", "/Users/%2525", "/%ff"]
        {
            assert_eq!(Route::of(&format!("/scim/v2/abcdefghjk{below}")), tenant, "{below}");
        }
        for below in ["", "/", "//Users", "/../tenants", "/%2e%2e/admin", "/Users/%2525", "/%ff"] {
            assert_eq!(Scim::of(below), Scim::Nowhere, "{below}");
        }
        for path in ["/scim/v2/", "/scim/v2/..", "/scim/v2/%2e%2e/admin", "/scim/v2/abcdefghjk%2FUsers"] {
            assert_eq!(Route::of(path), Route::Scim(None), "{path}");
        }
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        assert_eq!(Scim::of("/Users/"), Scim::Resources(Kind::User));
        assert_eq!(Route::of("/"), Route::Page("index.html".into()));
        assert_eq!(Scim::of("/Users//"), Scim::Nowhere);
    }

    #[test]
    fn an_encoded_id_is_decoded_once() {
        assert_eq!(Scim::of("/Users/a%2Db"), Scim::Resource(Kind::User, "a-b".into()));
        assert_eq!(Scim::of("/Users/a%252Db"), Scim::Nowhere);
    }

    #[test]
    fn scim_names_are_exact() {
        assert_eq!(Scim::of("/users"), Scim::Nowhere);
        assert_eq!(
            Scim::of("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"),
            Scim::Schema("urn:ietf:params:scim:schemas:core:2.0:User".into())
        );
    }
}
