//! The body and the parameters of a call.

use super::error::AdminError;
use crate::journal::{Outcome, RecordFilter, RecordKind};
use crate::json;
use crate::scim::Parameters;
use http::{Request, Uri};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The body as what the call expects.
pub(super) fn body<T: DeserializeOwned>(request: &Request<Vec<u8>>, expected: &str) -> Result<T, AdminError> {
    match json::typed(request.body()) {
        Ok(Some(wish)) => Ok(wish),
        Ok(None) | Err(json::JsonError::Malformed { .. }) => {
            Err(AdminError::InvalidBody(format!("body: expected {expected}")))
        }
        Err(refusal @ (json::JsonError::Encoded(_) | json::JsonError::Beyond(_))) => {
            Err(AdminError::InvalidBody(format!("body: {refusal}")))
        }
    }
}

/// The parameters of a call. The last of several with one name counts.
pub(super) struct CallParameters<'r>(Parameters<'r>);

impl CallParameters<'_> {
    pub(super) fn of(uri: &Uri) -> CallParameters<'_> {
        CallParameters(Parameters::of(uri.query()))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().filter(|(key, _)| *key == name).last().map(|(_, value)| value)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, AdminError> {
        self.parsed(name, "a whole number")
    }

    pub(super) fn count(&self, name: &str, default: usize, max: usize) -> Result<usize, AdminError> {
        Ok(self.parsed(name, "a whole number")?.unwrap_or(default).min(max))
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, AdminError> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| bad_parameter(name, expected))
    }

    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, AdminError> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        found.map(Some).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            bad_parameter(name, &words.join(" or "))
        })
    }

    pub(super) fn filter(&self) -> Result<RecordFilter, AdminError> {
        let outcomes = [("success", Outcome::Success), ("failure", Outcome::Failure)];
        let action = self.text("operation").filter(|word| !word.is_empty());
        let action = action.map(|word| serde_json::from_value(Value::String(word.to_owned()))).transpose();
        Ok(RecordFilter {
            outcome: self.choice("outcome", &outcomes)?,
            kind: self.choice("kind", &[("change", RecordKind::Change), ("read", RecordKind::Read)])?,
            action: action.map_err(|_| bad_parameter("operation", "an action such as create or disable"))?,
            status: self.parsed("status", "an HTTP status")?,
            subject: self.text("user").filter(|id| !id.is_empty()).map(str::to_owned),
            from: self.parsed("from", "an RFC 3339 time")?,
            to: self.parsed("to", "an RFC 3339 time")?,
            search: self.text("search").filter(|text| !text.is_empty()).map(str::to_owned),
            without_probes: self.choice("probes", &[("true", false), ("false", true)])?.unwrap_or(false),
        })
    }
}

fn bad_parameter(name: &str, expected: &str) -> AdminError {
    AdminError::InvalidParameter(format!("{name}: expected {expected}"))
}
