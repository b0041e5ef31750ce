// Schemas: one shape for the many ways to write one, the tree that shows it, and examples that fit it.

import { DEEPEST, api, follow } from "./api.js";
import { code, el, lazy } from "./elements.js";
import { prose } from "./prose.js";

/** One shape for the many ways to write a schema: references followed, null split off, allOf joined. */
export function shape(schema, depth = 0) {
  const empty = { types: [], properties: [], groups: [], facts: [], nullable: false };
  if (schema === false) return { ...empty, types: ["nothing"] };
  if (typeof schema !== "object" || schema === null || depth > DEEPEST) return empty;
  const { node, name } = follow(schema);
  const types = [node.type ?? []].flat();
  const required = new Set(node.required ?? []);
  const own = {
    ...empty,
    name,
    title: node.title,
    types: types.filter((type) => type !== "null"),
    nullable: types.includes("null"),
    format: node.format,
    description: node.description,
    enum: Object.hasOwn(node, "const") ? [node.const] : node.enum,
    properties: Object.entries(node.properties ?? {}).map(([key, value]) => [key, value, required.has(key)]),
    items: node.items,
    additional: typeof node.additionalProperties === "object" ? node.additionalProperties : undefined,
    facts: facts(node),
    marks: ["deprecated", "readOnly", "writeOnly"].filter((mark) => node[mark] === true),
  };
  const variants = node.oneOf ?? node.anyOf;
  if (variants) addVariants(own, variants, node.oneOf ? "one of" : "any of", depth);
  for (const part of node.allOf ?? []) join(own, shape(part, depth + 1), node.allOf.length === 1);
  return own;
}

/** `oneOf: [null, X]` is how an optional X is written: it is X, and may be null. */
function addVariants(own, variants, word, depth) {
  const others = variants.filter((variant) => variant?.type !== "null");
  own.nullable ||= others.length < variants.length;
  if (others.length === 1) join(own, shape(others[0], depth + 1), true);
  else own.groups.push({ word, variants: others });
}

/** Adds what a part says. The only part lends its name, so that `allOf: [X]` reads as X. */
function join(own, part, only) {
  if (only) own.name ??= part.name;
  own.description ??= part.description;
  own.title ??= part.title;
  own.format ??= part.format;
  own.enum ??= part.enum;
  own.items ??= part.items;
  own.additional ??= part.additional;
  own.nullable ||= part.nullable;
  own.types = own.types.length > 0 ? own.types : part.types;
  const keys = new Set(own.properties.map(([key]) => key));
  own.properties.push(...part.properties.filter(([key]) => !keys.has(key)));
  own.groups.push(...part.groups);
  own.facts.push(...part.facts);
}

function facts(node) {
  const words = {
    minimum: "at least", exclusiveMinimum: "more than", maximum: "at most", exclusiveMaximum: "less than", multipleOf: "a multiple of",
    minLength: "characters, at least", maxLength: "characters, at most", minItems: "items, at least", maxItems: "items, at most",
    minProperties: "entries, at least", maxProperties: "entries, at most", pattern: "pattern", contentMediaType: "media type",
  };
  const found = Object.entries(words).filter(([key]) => node[key] !== undefined).map(([key, word]) => [word, String(node[key])]);
  if (node.default !== undefined) found.push(["default", JSON.stringify(node.default)]);
  const example = node.example ?? (Array.isArray(node.examples) ? node.examples[0] : undefined);
  if (example !== undefined && (typeof example !== "object" || example === null)) found.push(["example", JSON.stringify(example)]);
  if (node.uniqueItems) found.push(["", "no item twice"]);
  return found;
}

/** What is inside the arrays. */
export function core(of, depth = 0) {
  return of.items && depth < DEEPEST ? core(shape(of.items), depth + 1) : of;
}

export function hasMembers(of) {
  return of.properties.length > 0 || of.groups.length > 0 || (of.additional !== undefined && hasMembers(core(shape(of.additional))));
}

function typeWords(of, depth = 0) {
  if (of.items && depth < DEEPEST) return `array of ${typeWords(shape(of.items), depth + 1)}`;
  if (of.additional && of.properties.length === 0 && depth < DEEPEST) return `map of ${typeWords(shape(of.additional), depth + 1)}`;
  const plain = of.types.join(" or ") || (of.properties.length > 0 ? "object" : of.groups[0]?.word) || (of.enum ? "value" : "any");
  return of.format ? `${plain} (${of.format})` : plain;
}

export function typeLabel(of) {
  const inner = core(of);
  const named = inner.name && Object.hasOwn(api.schemas, inner.name);
  const link = named && el("a", { class: "ref", href: schemaAddress(inner.name) }, inner.name);
  return el("span", { class: "type" }, typeWords(of), link && [" ", link], of.nullable && " or null");
}

export function schemaAddress(name) {
  return `#/schema/${encodeURIComponent(name)}`;
}

/** The rows of a schema; `trail` holds the names of the schemas around it, so that a cycle ends in a link. */
function members(of, trail) {
  const inner = core(of);
  const around = inner.name ? [...trail, inner.name] : trail;
  const rows = inner.properties.map(([key, schema, required]) => row(code(key), schema, required, around));
  if (inner.additional) rows.push(row(el("em", {}, "any name"), inner.additional, false, around));
  const lists = rows.length > 0 ? [el("ul", { class: "tree" }, rows)] : [];
  return [...lists, ...inner.groups.map((group) => variantList(group, lists.length > 0, around))];
}

function row(label, schema, required, trail) {
  const of = shape(schema);
  const inner = core(of);
  const cycle = inner.name !== undefined && trail.includes(inner.name);
  const nested = hasMembers(inner) && !cycle;
  return el("li", {},
    el("div", { class: "row" }, label, typeLabel(of), required && el("span", { class: "required" }, "required"), marks(of), cycle && el("span", { class: "note" }, "as above")),
    notes(of),
    nested && lazy("inner", insideWords(inner), false, () => el("div", {}, members(of, trail))));
}

function insideWords(of) {
  const count = of.properties.length;
  const words = [count > 0 && `${count} ${count === 1 ? "field" : "fields"}`, ...of.groups.map((group) => `${group.word} ${group.variants.length}`)];
  return words.filter(Boolean).join(" and ") || "each entry";
}

function variantList({ word, variants }, more, trail) {
  const shapes = variants.map((variant) => shape(variant));
  const simple = shapes.every((of) => !hasMembers(of) && of.enum);
  const items = shapes.map((of) => {
    const known = of.name && trail.includes(of.name);
    const open = hasMembers(core(of)) && !known;
    if (!open) return el("div", { class: "variant" }, el("div", { class: "row" }, simple ? of.enum.map((value) => code(JSON.stringify(value))) : [variantTitle(of), typeLabel(of)]), notes(simple ? { ...of, enum: undefined } : of));
    return lazy("variant", variantTitle(of), false, () => el("div", {}, notes(of), members(of, trail)));
  });
  return el("div", { class: "variants" }, el("p", { class: "note" }, `${more ? "and " : ""}${word}`), items);
}

/** What tells a variant from the others: its tag, its only field, its name. */
function variantTitle(of) {
  for (const [key, schema] of of.properties) {
    const values = shape(schema).enum;
    if (values?.length === 1) return el("span", {}, code(key), " is ", code(JSON.stringify(values[0])));
  }
  if (of.title ?? of.name) return el("strong", {}, of.title ?? of.name);
  return of.properties.length === 1 ? code(of.properties[0][0]) : el("span", {}, typeWords(of));
}

export function marks(of) {
  const words = { deprecated: "deprecated", readOnly: "read only", writeOnly: "write only" };
  return (of.marks ?? []).map((mark) => el("span", { class: "mark" }, words[mark]));
}

export function notes(of) {
  const values = of.enum && el("p", { class: "facts" }, el("span", {}, of.enum.length === 1 ? "always " : "one of "), of.enum.map((value) => [code(JSON.stringify(value)), " "]));
  const bounds = of.facts.length > 0 && el("p", { class: "facts" }, of.facts.map(([word, value]) => el("span", {}, word, word && " ", code(value))));
  return [...prose(of.description), values, bounds];
}

/** A tree for a whole schema: its type, what it says, its fields. */
export function schemaTree(schema, trail = []) {
  const of = shape(schema);
  return el("div", { class: "schema" }, el("div", { class: "row" }, typeLabel(of), marks(of)), notes(of), members(of, trail));
}

/** A value that fits the schema, for where the document gives no example. */
function sample(schema, trail = []) {
  const { node, name } = follow(schema);
  const given = [node.example, node.examples?.[0], node.default, node.const, node.enum?.[0]].find((value) => value !== undefined);
  if (given !== undefined) return given;
  const of = shape(schema);
  if ((name && trail.includes(name)) || trail.length > 8) return null;
  const around = [...trail, name ?? ""];
  if (of.properties.length > 0 || of.groups.length > 0) {
    const first = of.groups.map((group) => sample(group.variants[0] ?? {}, around));
    if (of.properties.length === 0) return first[0];
    const own = of.properties.map(([key, value]) => [key, sample(value, around)]);
    return Object.assign({}, ...first.filter((value) => typeof value === "object"), Object.fromEntries(own));
  }
  if (of.items) return [sample(of.items, around)];
  if (of.nullable) return null;
  const plain = { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} };
  return plain[of.types[0]] ?? null;
}

export function examplesOf(media) {
  const named = Object.entries(media.examples ?? {}).map(([name, each]) => ({ ...follow(each).node, name }));
  if (named.length > 0) return named.map((each) => ({ title: each.summary || each.name, note: each.description, value: each.value }));
  if (media.example !== undefined) return [{ title: "Example", value: media.example }];
  const schema = media.schema ? follow(media.schema).node : undefined;
  if (!schema) return [];
  const given = schema.example ?? schema.examples?.[0];
  if (given !== undefined) return [{ title: "Example", value: given }];
  return hasMembers(core(shape(schema))) ? [{ title: "Example made from the schema", value: sample(schema) }] : [];
}

export function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}

export function parameterSchema(parameter) {
  return parameter.schema ?? Object.values(parameter.content ?? {})[0]?.schema ?? {};
}
