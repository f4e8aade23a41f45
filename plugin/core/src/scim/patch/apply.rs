//! From operations to a changed resource.

use super::super::effort::Effort;
use super::super::error::Error;
use super::super::path::{self, Path};
use super::super::reading::{self, Leniency, Reading};
use super::super::resource::{self, Resource, object};
use super::super::schema::{Attribute, Mutability, ResourceType, Schema, Target};
use super::super::value;
use super::context::{Assignment, Destination, PatchContext};
use super::relation::{self, RelationStep};
use super::request::{Op, Operation, PatchRequest};
use super::slot::Slot;
use serde_json::{Map, Value};
use std::borrow::Cow;

impl PatchRequest<'_> {
    /// Carries all operations out, or none. Revision and times are the caller's.
    ///
    /// # Errors
    /// The first operation that cannot be carried out, with the `scimType`; the resource is as it was.
    pub fn apply(&self, of: &ResourceType, resource: &Resource, reading: &Reading) -> Result<Resource, Error> {
        let context = PatchContext { reading, effort: &Effort::default() };
        let mut patch = Patch { of, context, resource: resource.clone(), steps: None };
        patch.carry_out(self, resource)?;
        Ok(patch.resource)
    }

    /// Carries all operations out, or none, where [`ResourceType::relation`] is kept apart from the resource: what the
    /// operations do to it comes out as steps, none of which needed to know what was there. What the operations compare is
    /// counted in `effort`. Revision and times are the caller's.
    ///
    /// # Errors
    /// The first operation that cannot be carried out, with the `scimType`; the resource is as it was.
    pub fn apply_apart<'s>(
        &self,
        of: &'s ResourceType,
        resource: &Resource,
        reading: &'s Reading,
        effort: &'s Effort,
    ) -> Result<(Resource, Vec<RelationStep<'s>>), Error> {
        let context = PatchContext { reading, effort };
        let mut patch = Patch { of, context, resource: resource.clone(), steps: Some(Vec::new()) };
        patch.carry_out(self, resource)?;
        Ok((patch.resource, patch.steps.unwrap_or_default()))
    }
}

/// A request that is being carried out.
struct Patch<'s> {
    of: &'s ResourceType,
    context: PatchContext<'s>,
    /// The copy that changes.
    resource: Resource,
    /// What happens to references that are kept apart; nothing where all is in the resource.
    steps: Option<Vec<RelationStep<'s>>>,
}

impl<'s> Patch<'s> {
    fn carry_out(&mut self, request: &PatchRequest<'_>, before: &Resource) -> Result<(), Error> {
        for (index, (operation, value)) in request.operations().enumerate() {
            self.operation(operation, value).map_err(|error| error.within(&format!("Operations[{index}].")))?;
        }
        self.resource.settle(self.of, Some(before))?;
        resource::check(self.of, self.resource.attributes())
    }

    /// Carries one operation out. `value` is nothing where the client sent none, and null where it sent that.
    fn operation(&mut self, operation: &Operation, value: Option<&Value>) -> Result<(), Error> {
        let (op, sent) = (operation.op, value.unwrap_or(&Value::Null));
        let Some(path) = &operation.path else {
            return self.merge(None, &Assignment { op, value: sent, place: "value" });
        };
        let place = &format!("path {path}");
        let Some(target) = self.bind(path, place)? else {
            return Ok(());
        };
        guard(&target, place)?;
        match (op, target) {
            (Op::Add | Op::Replace, target) => self.assign(path, target, &Assignment { op, value: sent, place }),
            (Op::Remove, Target::Extension(schema)) => {
                clear(&mut self.resource, schema);
                Ok(())
            }
            (Op::Remove, Target::Attribute { extension, attribute, sub }) => {
                let filter = path.filter.as_ref();
                let destination = Destination { context: self.context, extension, attribute, sub, filter, place };
                self.remove(&destination, value)
            }
        }
    }

    /// RFC 7644 §3.5.2.1 and §3.5.2.3 without a path, and an extension as a whole: each name of the value is an
    /// assignment of its own, and attributes that are not named stay. Entra's names may be whole paths.
    ///
    /// What only the server sets is refused (RFC 7644 §3.5.2), unless it says what is so already, or the reading passes it
    /// over as in PUT: Okta sends the id along.
    fn merge(&mut self, extension: Option<&'s Schema>, assignment: &Assignment<'_>) -> Result<(), Error> {
        let (op, within, reading) = (assignment.op, assignment.place, self.context.reading);
        let found = reading::object(assignment.value, within, reading);
        let Some(names) = found.as_deref().and_then(Value::as_object) else {
            let wanted = if extension.is_none() { "an object where there is no path" } else { "an object" };
            return Err(Error::value(format!("{within}: expected {wanted}, found something else")));
        };
        value::check_names(names, within)?;
        for (name, value) in names {
            // RFC 7643 §3: `schemas` says what an object is made by, and the object of an extension is named by that
            // already.
            if extension.is_some() && name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            let full = match extension {
                Some(schema) => format!("{}:{name}", schema.id),
                None => name.clone(),
            };
            let place = &format!("{within}.{name}");
            let path = match path::parse(&full, reading) {
                Ok(path) => path,
                // A bracket is no part of any name: this was meant as a path, and must not be lost without a word.
                Err(_) if !name.contains('[') && reading.reads(Leniency::UnknownName, &full) => continue,
                Err(error) => return Err(error.within(&format!("{place}: "))),
            };
            let assignment = Assignment { op, value, place };
            match self.bind(&path, place)? {
                Some(target) if target.read_only() => self.pass_over(&target, &assignment)?,
                Some(target) => self.assign(&path, target, &assignment)?,
                None => {}
            }
        }
        Ok(())
    }

    fn pass_over(&self, target: &Target<'s>, assignment: &Assignment<'_>) -> Result<(), Error> {
        let Assignment { value, place, .. } = *assignment;
        // `schemas` is an attribute of every message, and says here what the message is about.
        let says_schemas =
            matches!(target, Target::Attribute { extension: None, attribute, .. } if attribute.name == "schemas");
        let listed = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if says_schemas
            || listed == self.resource.values(self.of, target, None)
            || self.context.reading.reads(Leniency::ReadOnlySent, place)
        {
            return Ok(());
        }
        guard(target, place)
    }

    /// What a path means; nothing where the reading passes over it, since no schema has its names: one mapping too many at
    /// the provider must not keep the rest of the request from being done.
    fn bind(&self, path: &Path, place: &str) -> Result<Option<Target<'s>>, Error> {
        let name = match (&path.sub, &path.filter) {
            (Some(sub), Some(_)) => Cow::Owned(format!("{}.{sub}", path.name)),
            (Some(_) | None, _) => Cow::Borrowed(&path.name),
        };
        match self.of.resolve(&name) {
            Ok(target) => Ok(Some(target)),
            Err(_) if self.context.reading.reads(Leniency::UnknownName, &name) => Ok(None),
            Err(problem) => Err(Error::path(problem).within(&format!("{place}: "))),
        }
    }

    /// `add` and `replace`.
    fn assign(&mut self, path: &Path, target: Target<'s>, assignment: &Assignment<'_>) -> Result<(), Error> {
        let (extension, attribute, sub) = match target {
            Target::Extension(schema) => return self.assign_extension(schema, assignment),
            Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
        };
        // Not kept, as in POST and PUT; a refusal of its value would have to quote a secret.
        if attribute.is_hidden() || sub.is_some_and(Attribute::is_hidden) {
            return Ok(());
        }
        let Assignment { op, value, place } = *assignment;
        let filter = path.filter.as_ref();
        let destination = Destination { context: self.context, extension, attribute, sub, filter, place };
        if destination.is_external_id() {
            self.resource.external_id = destination.admit(attribute, value)?.and_then(resource::text_of);
            return Ok(());
        }
        let added = destination.as_added(op, value);
        let assignment = &Assignment { op, value: added.as_ref().unwrap_or(value), place };
        if let Some(steps) = self.steps_for(&destination) {
            steps.append(&mut relation::assign(&destination, assignment)?);
            return Ok(());
        }
        self.slot(destination).assign(assignment)?;
        tidy(&mut self.resource, extension);
        Ok(())
    }

    fn assign_extension(&mut self, schema: &'s Schema, assignment: &Assignment<'_>) -> Result<(), Error> {
        if !assignment.value.is_null() {
            return self.merge(Some(schema), assignment);
        }
        if assignment.op == Op::Replace {
            clear(&mut self.resource, schema);
        }
        Ok(())
    }

    /// RFC 7644 §3.5.2.2, of an attribute. `value` is nothing where the client sent none.
    fn remove(&mut self, destination: &Destination<'_, 's>, value: Option<&Value>) -> Result<(), Error> {
        destination.keeps_required(destination.is_whole())?;
        if destination.is_external_id() {
            self.resource.external_id = None;
            return Ok(());
        }
        if let Some(steps) = self.steps_for(destination) {
            steps.extend(relation::remove(destination, value)?);
            return Ok(());
        }
        self.slot(*destination).remove(value)?;
        tidy(&mut self.resource, destination.extension);
        Ok(())
    }

    /// Where the steps of a destination go, if it is kept apart.
    fn steps_for(&mut self, destination: &Destination<'_, 's>) -> Option<&mut Vec<RelationStep<'s>>> {
        self.steps.as_mut().filter(|_| self.of.is_relation(destination.extension, destination.attribute))
    }

    /// Where an attribute of the resource or of an extension stands.
    fn slot<'p>(&'p mut self, destination: Destination<'p, 's>) -> Slot<'p, 's> {
        let is_beside_relation = self.steps.is_some();
        let attributes = self.resource.attributes_mut();
        let parent = match destination.extension {
            None => attributes,
            Some(schema) => object(attributes, &schema.id),
        };
        Slot { destination, parent, is_beside_relation }
    }
}

/// RFC 7644 §3.5.2: a path to what only the server sets is refused, and one to what never changes once it is set.
fn guard(target: &Target<'_>, place: &str) -> Result<(), Error> {
    let found = match target {
        _ if target.read_only() => "a readOnly one",
        // Of the built-in attributes only members have such parts. They are kept apart and come and go whole; what a
        // tenant's own schema has is compared with what was there.
        Target::Attribute { extension: None, sub: Some(sub), .. } if sub.mutability == Mutability::Immutable => {
            "an immutable one"
        }
        Target::Attribute { .. } | Target::Extension(_) => return Ok(()),
    };
    Err(Error::mutability(format!("{place}: expected an attribute that clients may change, found {found}")))
}

/// Unsets what a client sees of an extension. What it does not see is not the client's.
fn clear(resource: &mut Resource, schema: &Schema) {
    let seen =
        |name: &str| schema.attribute(name).filter(|attribute| resource.of_extension(schema, attribute).is_some());
    let gone: Vec<&Attribute> = schema.attributes.iter().filter_map(|attribute| seen(&attribute.name)).collect();
    if let Some(Value::Object(parts)) = resource.attributes_mut().get_mut(&*schema.id) {
        parts.retain(|name, _| !gone.iter().any(|attribute| attribute.name == *name));
    }
    tidy(resource, Some(schema));
}

/// An extension without attributes is not there.
fn tidy(resource: &mut Resource, extension: Option<&Schema>) {
    if let Some(schema) = extension {
        let attributes = resource.attributes_mut();
        if attributes.get(&*schema.id).and_then(Value::as_object).is_some_and(Map::is_empty) {
            attributes.shift_remove(&*schema.id);
        }
    }
}
