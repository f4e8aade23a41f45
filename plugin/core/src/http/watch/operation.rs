//! The values of the labels of `/metrics`. They come from here alone, so no caller makes new ones up.

use crate::http::route::Route;
use crate::journal::Action;
use http::StatusCode;

/// What a request was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum OperationLabel {
    Create,
    Update,
    Rename,
    Disable,
    Enable,
    Delete,
    Read,
    Match,
    Probe,
    List,
    Discover,
    Bulk,
    /// A SCIM request that was refused before it was looked at.
    Refused,
    /// A call of the admin API.
    Admin,
    /// A file of the page, or the OpenAPI document.
    Page,
    /// `/healthz`, `/readyz`, `/metrics`.
    Watch,
    /// A path of which nothing is ours.
    Nowhere,
}

impl OperationLabel {
    /// Every operation, in the order of the cases.
    pub(in crate::http) const ALL: [OperationLabel; 17] = [
        OperationLabel::Create,
        OperationLabel::Update,
        OperationLabel::Rename,
        OperationLabel::Disable,
        OperationLabel::Enable,
        OperationLabel::Delete,
        OperationLabel::Read,
        OperationLabel::Match,
        OperationLabel::Probe,
        OperationLabel::List,
        OperationLabel::Discover,
        OperationLabel::Bulk,
        OperationLabel::Refused,
        OperationLabel::Admin,
        OperationLabel::Page,
        OperationLabel::Watch,
        OperationLabel::Nowhere,
    ];

    /// What the journal says that a request did.
    pub(in crate::http) fn of_action(action: Action) -> OperationLabel {
        match action {
            Action::Create => OperationLabel::Create,
            Action::Update => OperationLabel::Update,
            Action::Rename => OperationLabel::Rename,
            Action::Disable => OperationLabel::Disable,
            Action::Enable => OperationLabel::Enable,
            Action::Delete => OperationLabel::Delete,
            Action::Read => OperationLabel::Read,
            Action::Match => OperationLabel::Match,
            Action::Probe => OperationLabel::Probe,
            Action::List => OperationLabel::List,
            Action::Discover => OperationLabel::Discover,
            Action::Bulk => OperationLabel::Bulk,
            // No request mends.
            Action::Refused | Action::Mend => OperationLabel::Refused,
        }
    }

    /// What is known by the path alone.
    pub(super) fn of_route(route: &Route) -> OperationLabel {
        match route {
            Route::Scim(_) => OperationLabel::Refused,
            Route::Admin(_) => OperationLabel::Admin,
            Route::OpenApi | Route::Page(_) => OperationLabel::Page,
            Route::Health | Route::Ready | Route::Metrics => OperationLabel::Watch,
            Route::Nowhere => OperationLabel::Nowhere,
        }
    }

    /// Its name as a label and in the request log.
    pub(super) fn name(self) -> &'static str {
        match self {
            OperationLabel::Create => "create",
            OperationLabel::Update => "update",
            OperationLabel::Rename => "rename",
            OperationLabel::Disable => "disable",
            OperationLabel::Enable => "enable",
            OperationLabel::Delete => "delete",
            OperationLabel::Read => "read",
            OperationLabel::Match => "match",
            OperationLabel::Probe => "probe",
            OperationLabel::List => "list",
            OperationLabel::Discover => "discover",
            OperationLabel::Bulk => "bulk",
            OperationLabel::Refused => "refused",
            OperationLabel::Admin => "admin",
            OperationLabel::Page => "page",
            OperationLabel::Watch => "watch",
            OperationLabel::Nowhere => "nowhere",
        }
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum RequestOutcome {
    /// 2xx and 3xx.
    Success,
    /// 4xx, but for 429.
    ClientError,
    /// 429.
    Throttled,
    /// 5xx.
    ServerError,
}

impl RequestOutcome {
    /// Every outcome, in the order of the cases.
    pub(in crate::http) const ALL: [RequestOutcome; 4] =
        [RequestOutcome::Success, RequestOutcome::ClientError, RequestOutcome::Throttled, RequestOutcome::ServerError];

    /// That of a status.
    pub(super) fn of(status: StatusCode) -> RequestOutcome {
        match status.as_u16() {
            429 => RequestOutcome::Throttled,
            500.. => RequestOutcome::ServerError,
            400..=499 => RequestOutcome::ClientError,
            0..=399 => RequestOutcome::Success,
        }
    }

    /// Its name as a label and in the request log.
    pub(super) fn name(self) -> &'static str {
        match self {
            RequestOutcome::Success => "success",
            RequestOutcome::ClientError => "client_error",
            RequestOutcome::Throttled => "throttled",
            RequestOutcome::ServerError => "server_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_every_outcome_has_the_place_of_its_case_and_a_name_of_its_own() {
        for (place, operation) in OperationLabel::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, place);
        }
        for (place, outcome) in RequestOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
        let names: std::collections::BTreeSet<_> = OperationLabel::ALL.map(OperationLabel::name).into_iter().collect();
        assert_eq!(names.len(), OperationLabel::ALL.len());
    }

    #[test]
    fn a_status_has_the_outcome_of_its_class_and_429_one_of_its_own() {
        for (status, name) in [
            (200, "success"),
            (304, "success"),
            (400, "client_error"),
            (428, "client_error"),
            (429, "throttled"),
            (430, "client_error"),
            (499, "client_error"),
            (500, "server_error"),
            (503, "server_error"),
        ] {
            assert_eq!(RequestOutcome::of(StatusCode::from_u16(status).unwrap()).name(), name, "{status}");
        }
    }
}
