//! Queries in the document: a schema of its own for every operation, told apart by the field `operation`, so that
//! generated clients have a type for each. Made from the document as it comes from the types: a new operation needs
//! nothing here.

use std::collections::BTreeMap;

use utoipa::openapi::schema::{AllOf, Discriminator, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use crate::http::tagged_body::TAG;

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Gives the variants of the schema of that name schemas of their own.
pub(super) fn name_variants(schemas: &mut Schemas, name: &str) {
    let Some(RefOr::T(Schema::OneOf(mut all))) = schemas.remove(name) else { return };
    let mut mapping = Vec::new();
    for item in &mut all.items {
        let Some((operation, schema)) = variant(item, schemas) else { continue };
        let own = format!("{name}{}", capitalised(&operation));
        let reference = format!("#/components/schemas/{own}");
        schemas.insert(own, RefOr::T(schema));
        *item = RefOr::Ref(Ref::new(reference.clone()));
        mapping.push((operation, reference));
    }
    all.discriminator = Some(Discriminator::with_mapping(TAG, mapping));
    schemas.insert(name.to_owned(), RefOr::T(Schema::OneOf(all)));
}

/// The operation of a variant, and what belongs to it with the field that names it.
fn variant(item: &RefOr<Schema>, schemas: &Schemas) -> Option<(String, Schema)> {
    match item {
        RefOr::T(Schema::Object(variant)) => options(variant, schemas),
        RefOr::T(Schema::AllOf(variant)) => answer(variant),
        _ => None,
    }
}

/// Options and operation in one object: two schemas that each refuse what they do not know would refuse each other's
/// fields.
fn options(variant: &Object, schemas: &Schemas) -> Option<(String, Schema)> {
    let (operation, RefOr::Ref(options)) = variant.properties.iter().next()? else { return None };
    let name = options.ref_location.rsplit('/').next()?;
    let RefOr::T(Schema::Object(options)) = schemas.get(name)? else { return None };
    let mut object = options.clone();
    let only = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([operation.as_str()])).build();
    object.properties.insert(TAG.to_owned(), RefOr::T(Schema::Object(only)));
    object.required.insert(0, TAG.to_owned());
    object.description = variant.description.clone().or(object.description);
    Some((operation.clone(), Schema::Object(object)))
}

/// Answers are open, so what they hold and the operation stand side by side already.
fn answer(variant: &AllOf) -> Option<(String, Schema)> {
    let operation = variant.items.iter().find_map(|item| {
        let RefOr::T(Schema::Object(object)) = item else { return None };
        let RefOr::T(Schema::Object(tag)) = object.properties.get(TAG)? else { return None };
        tag.enum_values.as_ref()?.first()?.as_str().map(str::to_owned)
    })?;
    Some((operation, Schema::AllOf(variant.clone())))
}

/// `copy_prefix` as `CopyPrefix`.
fn capitalised(word: &str) -> String {
    let parts = word.split('_').map(|part| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    parts.collect()
}
