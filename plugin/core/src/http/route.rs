//! From method and path to one case of an enum, so that no route can be forgotten by those who match on it.
//!
//! The paths stand in two lists that are the router and [`table`] at once: what is not in them cannot be reached, and
//! what is in them is tried by every test that walks through the table.

use crate::keys::{Kind, TenantId};
use http::Method;
use percent_encoding::percent_decode_str;

/// Where a request goes.
#[derive(Debug, PartialEq, Clone)]
pub enum Route {
    /// Below a tenant URL. The tenant is not known to exist yet; the rest is read after the token was.
    Scim(Option<TenantId>),
    /// The admin API.
    Admin(Admin),
    /// The OpenAPI document.
    OpenApi,
    /// Whether the service can be used.
    Health,
    /// Whether requests are to be sent here.
    Ready,
    /// What this instance counts.
    Metrics,
    /// The page and its assets, by file name.
    Page(String),
    /// Nothing of ours.
    Nowhere,
}

/// What lies below a tenant URL.
#[derive(Debug, PartialEq, Clone)]
pub enum ScimRoute {
    /// The tenant URL itself
    Root,
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
    /// `/identity-providers/{id}`
    IdentityProvider(String),
    /// `/store`
    Store,
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
    /// `/groups`
    Groups,
    /// `/requests`
    Requests,
    /// `/requests/export`
    Export,
    /// `/requests/{number}`
    Request(u64),
    /// `/activity`
    Activity,
    /// `/export`
    Backup,
    /// `/import`
    Import,
    /// `/check`
    Check,
    /// `/repair`
    Repair,
    /// `/schemas`
    Schemas,
    /// `/schemas/{urn}`
    Schema(String),
}

impl Route {
    /// Reads a path. Each segment is decoded by itself, so an encoded slash never makes two of one; segments that
    /// decode to something that no name of ours holds lead nowhere. A tenant's id is not decoded: it has one spelling, so
    /// that whoever stands before us and shares out by tenant sees the same tenant as we do.
    ///
    /// Below a tenant URL only the tenant is read here: whatever else the path is, the tenant's token is asked for
    /// first, and its journal keeps the request.
    pub fn of(path: &str) -> Route {
        if let Some(rest) = path.strip_prefix("/scim/v2/") {
            return Route::Scim(rest.split('/').next().and_then(TenantId::parse));
        }
        let Some(segments) = segments(path) else {
            return Route::Nowhere;
        };
        if let [first, second, third, rest @ ..] = segments.as_slice()
            && [first, second, third] == ["admin", "api", "v1"]
        {
            let as_written = |route: &Admin| match route {
                Admin::Tenant(tenant, _) => path.split('/').any(|segment| segment == tenant.as_str()),
                Admin::Product
                | Admin::Session
                | Admin::IdentityProviders
                | Admin::IdentityProvider(_)
                | Admin::Store
                | Admin::Tenants
                | Admin::Nowhere => true,
            };
            return Route::Admin(admin(rest).filter(as_written).unwrap_or(Admin::Nowhere));
        }
        if let Some(route) = open(&segments) {
            return route;
        }
        match segments.as_slice() {
            [] => Route::Page("index.html".to_owned()),
            [file] => Route::Page(file.clone()),
            [folder, ..] if folder == "assets" => Route::Page(segments.join("/")),
            _ => Route::Nowhere,
        }
    }
}

impl Route {
    /// The tenant that the path names, whether or not there is one.
    pub(super) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Route::Scim(tenant) => tenant.as_ref(),
            Route::Admin(Admin::Tenant(tenant, _)) => Some(tenant),
            Route::Admin(_)
            | Route::OpenApi
            | Route::Health
            | Route::Ready
            | Route::Metrics
            | Route::Page(_)
            | Route::Nowhere => None,
        }
    }
}

impl ScimRoute {
    /// Reads a path below the tenant URL.
    pub fn of(path: &str) -> ScimRoute {
        ScimRoute::spelt(path).0
    }

    /// Reads a path below the tenant URL, and how it was spelled. A client that puts the path behind a tenant URL with a
    /// slash at its end makes two slashes; an empty segment names nothing, so it can only be meant as none. Whatever could
    /// be read in two ways stays nowhere.
    pub(super) fn spelt(path: &str) -> (ScimRoute, Spelling) {
        let Some(raw) = raw_segments(path) else {
            return (ScimRoute::Nowhere, Spelling::default());
        };
        let mut spelling = Spelling::default();
        let mut segments = Vec::new();
        for raw in raw {
            if raw.is_empty() {
                spelling.double_slash = true;
                continue;
            }
            let Some(text) = segment(raw) else {
                return (ScimRoute::Nowhere, Spelling::default());
            };
            let name = scim_name(segments.len(), &text).filter(|name| **name != text);
            spelling.letter_case |= name.is_some();
            segments.push(name.map_or(text, str::to_owned));
        }
        match scim(&segments) {
            Some(route) => (route, spelling),
            None => (ScimRoute::Nowhere, Spelling::default()),
        }
    }

    /// The methods that the resource knows, RFC 7644 §3.2. What knows GET knows HEAD, RFC 9110 §9.1.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            ScimRoute::Resources(_) => &[Method::GET, Method::HEAD, Method::POST],
            ScimRoute::Resource(..) => &[Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE],
            ScimRoute::Root
            | ScimRoute::ServiceProviderConfig
            | ScimRoute::ResourceTypes
            | ScimRoute::ResourceType(_)
            | ScimRoute::Schemas
            | ScimRoute::Schema(_) => &[Method::GET, Method::HEAD],
            ScimRoute::Me => &[Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            ScimRoute::Bulk | ScimRoute::Search(_) => &[Method::POST],
            ScimRoute::Nowhere => &[],
        }
    }
}

/// How a path below a tenant URL differs from what RFC 7644 §3.2 has.
#[derive(Debug, PartialEq, Eq, Clone, Copy, Default)]
pub(super) struct Spelling {
    /// A segment is empty, as in `//Users`.
    pub(super) double_slash: bool,
    /// An endpoint has other capitals, as in `/users`.
    pub(super) letter_case: bool,
}

impl Admin {
    /// Who may call it.
    pub fn door(&self) -> Door {
        match self {
            Admin::Product => Door::Open,
            Admin::Session => Door::SignIn,
            Admin::IdentityProviders
            | Admin::IdentityProvider(_)
            | Admin::Store
            | Admin::Tenants
            | Admin::Tenant(..)
            | Admin::Nowhere => Door::Secret,
        }
    }

    /// Whether its answer is meant to hold the secret token, for the provider's admin to copy. Calls that are not named
    /// here cannot give one away.
    pub(super) fn shows_token(&self) -> bool {
        matches!(self, Admin::Tenant(_, OfTenant::Connection | OfTenant::Rotate))
    }

    /// The methods that the call knows.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            Admin::Session => &[Method::GET, Method::POST, Method::DELETE],
            Admin::Product | Admin::IdentityProviders | Admin::IdentityProvider(_) => &[Method::GET],
            Admin::Store | Admin::Tenants => &[Method::GET, Method::POST],
            Admin::Tenant(_, OfTenant::Itself) => &[Method::GET, Method::PATCH, Method::DELETE],
            Admin::Tenant(_, OfTenant::Connection) => &[Method::GET, Method::POST, Method::PATCH, Method::DELETE],
            Admin::Tenant(_, OfTenant::Import) => &[Method::GET, Method::POST, Method::DELETE],
            Admin::Tenant(_, OfTenant::Rotate | OfTenant::Repair) => &[Method::POST],
            Admin::Tenant(_, OfTenant::Schema(_)) => &[Method::GET, Method::PUT, Method::DELETE],
            Admin::Tenant(_, OfTenant::Users | OfTenant::User(_)) => &[Method::GET, Method::DELETE],
            Admin::Tenant(
                _,
                OfTenant::Groups
                | OfTenant::Requests
                | OfTenant::Export
                | OfTenant::Request(_)
                | OfTenant::Activity
                | OfTenant::Backup
                | OfTenant::Check
                | OfTenant::Schemas,
            ) => &[Method::GET],
            Admin::Nowhere => &[],
        }
    }
}

/// What a caller has to show to be let in.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Door {
    /// Nothing.
    Open,
    /// A token of the tenant.
    Token,
    /// The admin secret, or a session of the page.
    Secret,
    /// What the call itself looks at: it is where sessions begin and end.
    SignIn,
    /// The metrics secret. Without one, nobody is let in.
    Metrics,
}

/// A row of the route table.
#[derive(Debug)]
pub struct Row {
    /// The path as RFC 6570 writes it, with `{name}` for a segment that may be any.
    pub template: String,
    /// The methods that are known there.
    pub methods: &'static [Method],
    /// Who is let in.
    pub door: Door,
}

/// Every path below which something of ours answers, but for the page's files.
pub fn table() -> Vec<Row> {
    let row = |template: String, methods, door| Row { template, methods, door };
    let mut rows = Vec::new();
    for (template, segments) in SCIM_PATHS.iter().map(|path| written(path)) {
        let methods = scim(&segments).map_or(&[][..], |route| route.methods());
        rows.push(row(format!("/scim/v2/{{tenant}}{template}"), methods, Door::Token));
    }
    for (template, segments) in ADMIN_PATHS.iter().map(|path| written(path)) {
        if let Some(route) = admin(&segments) {
            rows.push(row(format!("/admin/api/v1{template}"), route.methods(), route.door()));
        }
    }
    rows.extend(OPEN_PATHS.iter().map(|path| {
        let (template, segments) = written(path);
        let door = if open(&segments) == Some(Route::Metrics) { Door::Metrics } else { Door::Open };
        row(template, FILE_METHODS, door)
    }));
    rows
}

/// Makes a function from segments to a route, and the list of the paths that it knows, out of one text. A quoted segment
/// is meant literally, a name stands for any.
macro_rules! routes {
    ($function:ident, $paths:ident, $route:ty, { $([$($segment:tt),*] => $made:expr,)* }) => {
        fn $function(segments: &[String]) -> Option<$route> {
            let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
            match segments.as_slice() {
                $([$($segment),*] => $made,)*
                _ => None,
            }
        }

        const $paths: &[&[&str]] = &[$(&[$(stringify!($segment)),*]),*];
    };
}

routes!(scim, SCIM_PATHS, ScimRoute, {
    [] => Some(ScimRoute::Root),
    ["Users"] => Some(ScimRoute::Resources(Kind::User)),
    ["Groups"] => Some(ScimRoute::Resources(Kind::Group)),
    [".search"] => Some(ScimRoute::Search(None)),
    ["Users", ".search"] => Some(ScimRoute::Search(Some(Kind::User))),
    ["Groups", ".search"] => Some(ScimRoute::Search(Some(Kind::Group))),
    ["Users", id] => Some(ScimRoute::Resource(Kind::User, (*id).to_owned())),
    ["Groups", id] => Some(ScimRoute::Resource(Kind::Group, (*id).to_owned())),
    ["ServiceProviderConfig"] => Some(ScimRoute::ServiceProviderConfig),
    ["ResourceTypes"] => Some(ScimRoute::ResourceTypes),
    ["ResourceTypes", name] => Some(ScimRoute::ResourceType((*name).to_owned())),
    ["Schemas"] => Some(ScimRoute::Schemas),
    ["Schemas", urn] => Some(ScimRoute::Schema((*urn).to_owned())),
    ["Me"] => Some(ScimRoute::Me),
    ["Bulk"] => Some(ScimRoute::Bulk),
});

routes!(admin, ADMIN_PATHS, Admin, {
    ["session"] => Some(Admin::Session),
    ["product"] => Some(Admin::Product),
    ["identity-providers"] => Some(Admin::IdentityProviders),
    ["identity-providers", provider] => Some(Admin::IdentityProvider((*provider).to_owned())),
    ["store"] => Some(Admin::Store),
    ["tenants"] => Some(Admin::Tenants),
    ["tenants", tenant] => of_tenant(tenant, OfTenant::Itself),
    ["tenants", tenant, "connection"] => of_tenant(tenant, OfTenant::Connection),
    ["tenants", tenant, "connection", "rotate"] => of_tenant(tenant, OfTenant::Rotate),
    ["tenants", tenant, "users"] => of_tenant(tenant, OfTenant::Users),
    ["tenants", tenant, "users", user] => of_tenant(tenant, OfTenant::User((*user).to_owned())),
    ["tenants", tenant, "groups"] => of_tenant(tenant, OfTenant::Groups),
    ["tenants", tenant, "requests"] => of_tenant(tenant, OfTenant::Requests),
    ["tenants", tenant, "requests", "export"] => of_tenant(tenant, OfTenant::Export),
    ["tenants", tenant, "requests", number] => of_tenant(tenant, OfTenant::Request(number.parse().ok()?)),
    ["tenants", tenant, "activity"] => of_tenant(tenant, OfTenant::Activity),
    ["tenants", tenant, "check"] => of_tenant(tenant, OfTenant::Check),
    ["tenants", tenant, "repair"] => of_tenant(tenant, OfTenant::Repair),
    ["tenants", tenant, "export"] => of_tenant(tenant, OfTenant::Backup),
    ["tenants", tenant, "import"] => of_tenant(tenant, OfTenant::Import),
    ["tenants", tenant, "schemas"] => of_tenant(tenant, OfTenant::Schemas),
    ["tenants", tenant, "schemas", urn] => of_tenant(tenant, OfTenant::Schema((*urn).to_owned())),
});

routes!(open, OPEN_PATHS, Route, {
    ["openapi.json"] => Some(Route::OpenApi),
    ["healthz"] => Some(Route::Health),
    ["readyz"] => Some(Route::Ready),
    ["metrics"] => Some(Route::Metrics),
});

/// Whether a body means anything in a request of this method to this path below a tenant URL.
pub(super) fn takes_body(method: &Method, path: &str) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
        && check_method(method, ScimRoute::of(path).methods()).is_ok()
}

/// What an answer says of the methods of a resource, RFC 9110 §10.2.1: those that it knows, with HEAD where it knows GET
/// (§9.1), and OPTIONS, which is answered everywhere.
pub fn allow(known: &[Method]) -> String {
    let mut names: Vec<&str> = Vec::with_capacity(known.len() + 2);
    for method in known {
        names.push(method.as_str());
        if *method == Method::GET && !known.contains(&Method::HEAD) {
            names.push(Method::HEAD.as_str());
        }
    }
    names.push(Method::OPTIONS.as_str());
    names.join(", ")
}

/// The methods of the page's files, and of every other document that is the same for everybody.
pub(super) const FILE_METHODS: &[Method] = &[Method::GET, Method::HEAD];

fn of_tenant(tenant: &str, what: OfTenant) -> Option<Admin> {
    TenantId::parse(tenant).map(|tenant| Admin::Tenant(tenant, what))
}

/// A path of a list as a template, and with a segment for each name that every route takes: ten digits are an id, a
/// number and a name.
fn written(path: &[&str]) -> (String, Vec<String>) {
    let template = |segment: &&str| match literal(segment) {
        Some(text) => format!("/{text}"),
        None => format!("/{{{segment}}}"),
    };
    let example = |segment: &&str| literal(segment).unwrap_or("2222222222").to_owned();
    (path.iter().map(template).collect(), path.iter().map(example).collect())
}

fn literal(segment: &str) -> Option<&str> {
    segment.strip_prefix('"')?.strip_suffix('"')
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
///
/// # Errors
/// Which of the two it is, with the methods that the route knows.
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
    if path.is_empty() {
        return None;
    }
    raw_segments(path)?.into_iter().map(segment).collect()
}

/// The segments of a path as they were sent, without the slash at the end.
fn raw_segments(path: &str) -> Option<Vec<&str>> {
    if matches!(path, "" | "/") {
        return Some(Vec::new());
    }
    let path = path.strip_prefix('/')?;
    Some(path.strip_suffix('/').unwrap_or(path).split('/').collect())
}

/// The name that the router knows at this place of a path below a tenant URL and that differs in its capitals at most.
fn scim_name(place: usize, text: &str) -> Option<&'static str> {
    let mut names = SCIM_PATHS.iter().filter_map(|path| literal(path.get(place)?));
    names.find(|name| name.eq_ignore_ascii_case(text))
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
            "/admin/api/v1/tenants/%61bcdefghjk",
            "/admin/api/v1/tenants/abcdefghj%6b/users",
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
        for below in
            ["/../tenants", "/%2e%2e/admin", "/Users/%2525", "/%ff", "//../tenants", "/Users//..", "/Users%2f", "Users"]
        {
            assert_eq!(ScimRoute::of(below), ScimRoute::Nowhere, "{below}");
        }
        for below in ["", "/"] {
            assert_eq!(ScimRoute::of(below), ScimRoute::Root, "{below}");
        }
        for path in [
            "/scim/v2/",
            "/scim/v2/..",
            "/scim/v2/%2e%2e/admin",
            "/scim/v2/abcdefghjk%2FUsers",
            "/scim/v2/%61bcdefghjk",
        ] {
            assert_eq!(Route::of(path), Route::Scim(None), "{path}");
        }
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        assert_eq!(ScimRoute::of("/Users/"), ScimRoute::Resources(Kind::User));
        assert_eq!(Route::of("/"), Route::Page("index.html".into()));
        assert_eq!(ScimRoute::spelt("/Users/"), (ScimRoute::Resources(Kind::User), Spelling::default()));
        assert_eq!(ScimRoute::spelt("/"), (ScimRoute::Root, Spelling::default()));
        assert_eq!(ScimRoute::spelt("/users"), (ScimRoute::Resources(Kind::User), OTHER_CASE));
    }

    const DOUBLED: Spelling = Spelling { double_slash: true, letter_case: false };
    const OTHER_CASE: Spelling = Spelling { double_slash: false, letter_case: true };

    #[test]
    fn a_slash_too_many_below_a_tenant_url_is_passed_over_and_told() {
        for path in ["//Users", "//Users/", "/Users//", "///Users"] {
            assert_eq!(ScimRoute::spelt(path), (ScimRoute::Resources(Kind::User), DOUBLED), "{path}");
        }
        assert_eq!(ScimRoute::spelt("/Users//a"), (ScimRoute::Resource(Kind::User, "a".into()), DOUBLED));
        assert_eq!(ScimRoute::spelt("//"), (ScimRoute::Root, DOUBLED));
        assert_eq!(ScimRoute::spelt("//Devices"), (ScimRoute::Nowhere, Spelling::default()));
    }

    #[test]
    fn every_endpoint_is_known_in_any_case_and_told_and_an_id_is_not() {
        for path in SCIM_PATHS {
            let (template, segments) = written(path);
            let exact = format!("/{}", segments.join("/"));
            let names = path.iter().any(|segment| literal(segment).is_some());
            let expected = if names { OTHER_CASE } else { Spelling::default() };
            let route = scim(&segments).unwrap();
            for other in [exact.to_lowercase(), exact.to_uppercase()].into_iter().filter(|other| *other != exact) {
                assert_eq!(ScimRoute::spelt(&other), (route.clone(), expected), "{template}: {other}");
            }
            assert_eq!(ScimRoute::spelt(&exact).1, Spelling::default(), "{template}");
        }
        assert_eq!(ScimRoute::of("/USERS/aB"), ScimRoute::Resource(Kind::User, "aB".into()));
    }

    #[test]
    fn what_knows_get_allows_head_and_everything_allows_options() {
        assert_eq!(allow(ScimRoute::Root.methods()), "GET, HEAD, OPTIONS");
        assert_eq!(allow(ScimRoute::Bulk.methods()), "POST, OPTIONS");
        assert_eq!(allow(Admin::Tenants.methods()), "GET, HEAD, POST, OPTIONS");
    }

    #[test]
    fn an_encoded_id_is_decoded_once() {
        assert_eq!(ScimRoute::of("/Users/a%2Db"), ScimRoute::Resource(Kind::User, "a-b".into()));
        assert_eq!(ScimRoute::of("/Users/a%252Db"), ScimRoute::Nowhere);
    }

    #[test]
    fn every_row_of_the_table_leads_somewhere() {
        let rows = table();
        assert_eq!(rows.len(), SCIM_PATHS.len() + ADMIN_PATHS.len() + OPEN_PATHS.len());
        for row in rows {
            let path: Vec<&str> =
                row.template.split('/').map(|part| if part.starts_with('{') { "2222222222" } else { part }).collect();
            let (methods, door) = match Route::of(&path.join("/")) {
                Route::Scim(_) => (ScimRoute::of(&format!("/{}", path[4..].join("/"))).methods(), Door::Token),
                Route::Admin(admin) => (admin.methods(), admin.door()),
                Route::OpenApi | Route::Health | Route::Ready => (FILE_METHODS, Door::Open),
                Route::Metrics => (FILE_METHODS, Door::Metrics),
                Route::Page(_) | Route::Nowhere => panic!("{}", row.template),
            };
            assert!(!methods.is_empty() && methods == row.methods && door == row.door, "{}", row.template);
        }
    }

    #[test]
    fn a_schema_is_asked_for_by_its_urn() {
        assert_eq!(
            ScimRoute::of("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"),
            ScimRoute::Schema("urn:ietf:params:scim:schemas:core:2.0:User".into())
        );
    }
}
