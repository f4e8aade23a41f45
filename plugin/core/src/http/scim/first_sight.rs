//! A change as it is seen outside of any turn: answered where it is refused or changes nothing, prepared otherwise.

use super::admitted::Admitted;
use super::apply::Prepared;
use super::context::Context;
use super::describe::{Event, describe_change};
use super::prepare::{ChangeRequest, ChangeTarget, Conditions};
use super::span::Span;
use super::{Answer, Provision, Scim};
use crate::directory::Touched;
use crate::http::respond::Problem;
use crate::ledger::Read as _;
use crate::scim::{Effort, JsonBody};
use crate::tenant::state::TenantView;
use http::Response;
use serde_json::Value;
use std::rc::Rc;

/// What became of a change at first sight.
pub(super) enum FirstSight {
    /// It was refused, or there was nothing to change.
    Answered(Response<Vec<u8>>),
    /// It would succeed as things are now. The JSON of its body has so many values.
    Due(Prepared, usize),
}

/// A change as it was seen outside of any turn, before it is answered.
enum Sight {
    Unchanged(Response<Vec<u8>>),
    Due { request: ChangeRequest<'static>, touched: Touched, json: Option<Rc<Value>>, values: usize },
}

impl Scim<'_> {
    /// Reads a change and looks at it outside of any turn. Whatever is refused or changes nothing as things are now is
    /// answered.
    pub(super) fn look_at(
        &self,
        view: &TenantView<'_>,
        request: &Provision<'_>,
        admitted: Admitted,
        span: Span<'_>,
        target: &ChangeTarget,
    ) -> FirstSight {
        let mask = admitted.mask();
        let effort = &Effort::default();
        let context = Context { admitted: &admitted, span: &span, mask: &mask, effort };
        let mut event = target.event();
        let response = match self.sight(view, &context, request, target, &mut event) {
            Ok(Sight::Due { request, touched, json, values }) => {
                let span = self.recorder.kept(&mask, span, json);
                drop(mask);
                return FirstSight::Due(Prepared { admitted, span, request, event, touched }, values);
            }
            Ok(Sight::Unchanged(response)) => Ok(response),
            Err(problem) => {
                target.look_up_name(&mut event, view);
                Err(problem)
            }
        };
        FirstSight::Answered(self.recorder.answer(&mask, &span, Answer { response, event }))
    }

    fn sight(
        &self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        request: &Provision<'_>,
        target: &ChangeTarget,
        event: &mut Event,
    ) -> Result<Sight, Problem> {
        let (json, values) = if target.has_body() {
            let (json, values) = context.json_object(request.headers)?;
            target.name_by_body(event, &json);
            (Some(Rc::new(json)), values)
        } else {
            (None, 0)
        };
        let (body, conditions) = (json.clone().map(JsonBody::Shared), Conditions::of(request.headers));
        let request = self.prepare(context, target.clone(), conditions, body)?;
        // Counted for itself: what is planned again within the turn is the work of one and the same request.
        let plan = request.plan(view, context, &Effort::default())?;
        if !plan.changes() {
            describe_change(event, &plan);
            return Ok(Sight::Unchanged(context.changed(view, &plan, None, &request)?));
        }
        if let Some(before) = &plan.before {
            target.name(event, before);
        }
        self.leave_groups(view, context, &plan)?;
        Ok(Sight::Due { request, touched: plan.touched(view.space()), json, values })
    }
}
