//! Queries in the document: a schema of its own for every operation, told apart by the field `operation`, so that
//! generated clients have a type for each. Made from the document as it comes from the types: a new operation needs
//! nothing here.

use std::collections::BTreeMap;

use utoipa::openapi::schema::{AllOf, Discriminator, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

type Schemas = BTreeMap<String, RefOr<Schema>>;

const TAG: &str = "operation";

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

/// The operation of a variant, and its fields with the one that names it.
fn variant(item: &RefOr<Schema>, schemas: &Schemas) -> Option<(String, Schema)> {
    match item {
        // the fields stand in the variant itself
        RefOr::T(Schema::Object(object)) => Some((operation_of(object)?, Schema::Object(object.clone()))),
        RefOr::T(Schema::AllOf(both)) => {
            let tag = both.items.iter().find_map(|part| match part {
                RefOr::T(Schema::Object(object)) => operation_of(object),
                _ => None,
            })?;
            let fields = both.items.iter().find_map(|part| match part {
                RefOr::Ref(reference) => Some(reference),
                RefOr::T(_) => None,
            })?;
            Some((tag.clone(), with_tag(both, fields, &tag, schemas)))
        }
        _ => None,
    }
}

fn operation_of(object: &Object) -> Option<String> {
    let RefOr::T(Schema::Object(tag)) = object.properties.get(TAG)? else { return None };
    tag.enum_values.as_ref()?.first()?.as_str().map(str::to_owned)
}

/// The fields of the variant's type and its tag in one object: two schemas that each refuse what they do not know
/// would refuse each other's fields.
fn with_tag(both: &AllOf, fields: &Ref, tag: &str, schemas: &Schemas) -> Schema {
    let name = fields.ref_location.rsplit('/').next().unwrap_or_default();
    let Some(RefOr::T(Schema::Object(object))) = schemas.get(name) else {
        return Schema::AllOf(both.clone());
    };
    let mut object = object.clone();
    let only = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([tag])).build();
    object.properties.insert(TAG.to_owned(), RefOr::T(Schema::Object(only)));
    object.required.insert(0, TAG.to_owned());
    object.description = both.description.clone().or(object.description);
    Schema::Object(object)
}

/// `copy_prefix` as `CopyPrefix`.
fn capitalised(word: &str) -> String {
    let parts = word.split('_').map(|part| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    parts.collect()
}
