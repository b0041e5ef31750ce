// The page at /docs: shows /openapi.json and sends requests to the server it came from.
//
// Invariants: a text of the document only ever becomes a text node, never HTML; an address of the document becomes a
// link only when it is http or https; the token stays in `memory` and is in no storage, no URL and no curl line.

const METHODS = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];
const SHOWN_BYTES = 64 * 1024;
const TOKEN_VARIABLE = "$S3_CONNECTOR_TOKEN";
const STATUS_WORDS = { 200: "OK", 201: "Created", 202: "Accepted", 204: "No content", 206: "Partial content", 304: "Not modified", default: "Any other" };
/** Deeper than any real nesting; a document that refers to itself ends here. */
const DEEPEST = 24;

const memory = { token: "" };
let api;

// Elements ---------------------------------------------------------------------------------------------------------

/** Makes an element. Strings among the children become text nodes; `onclick` and the like become listeners. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** A `details` whose content is made when it is first opened. */
function lazy(className, summary, open, make) {
  const node = el("details", { class: className }, el("summary", {}, summary));
  const fill = () => node.open && node.childElementCount === 1 && node.append(make());
  node.addEventListener("toggle", fill);
  node.open = open;
  fill();
  return node;
}

function code(text) {
  return el("code", {}, text);
}

/** A block of code that can be reached and scrolled by keyboard. */
function block(text, label) {
  return el("pre", { tabindex: 0, role: "group", "aria-label": label }, el("code", {}, text));
}

function copyButton(text, label) {
  const button = el("button", { type: "button", class: "quiet", "aria-label": label, onclick: copy }, "Copy");
  async function copy() {
    const done = await copyText(text());
    button.textContent = done ? "Copied" : "Select and copy by hand";
    announce(button.textContent);
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
  return button;
}

/** The clipboard interface is there only over HTTPS and on localhost; the old way works everywhere else. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const before = document.activeElement;
    const area = el("textarea", { class: "unseen", "aria-hidden": "true", value: text });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

function announce(text) {
  document.getElementById("announce").textContent = text;
}

// Prose: the little of Markdown that doc comments use ---------------------------------------------------------------

function prose(text) {
  const blocks = String(text ?? "").trim().split(/\n\s*\n/).filter(Boolean);
  return blocks.map((part) => {
    const lines = part.split("\n");
    if (part.startsWith("```")) return block(part.replace(/^```.*\n?/, "").replace(/\n?```\s*$/, ""), "Code");
    if (lines.every((line) => /^\s*([-*]|\s{2,})\s*\S/.test(line)) && /^\s*[-*]\s/.test(part)) {
      const items = part.split(/^\s*[-*]\s+/m).filter((item) => item.trim());
      return el("ul", {}, items.map((item) => el("li", {}, inline(item.trim()))));
    }
    if (/^#+\s/.test(part)) return el("p", {}, el("strong", {}, part.replace(/^#+\s*/, "")));
    return el("p", {}, inline(part));
  });
}

function inline(text) {
  const pieces = text.split(/(\[?`[^`]+`\]?|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/);
  return pieces.map((piece) => {
    const quoted = /^\[?`([^`]+)`\]?$/.exec(piece);
    if (quoted) return code(quoted[1]);
    if (/^\*\*[^*]+\*\*$/.test(piece)) return el("strong", {}, piece.slice(2, -2));
    const link = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(piece);
    return link ? outside(link[2], link[1]) : piece;
  });
}

/** A link out of the page, or only its text when the address is not one of the web. */
function outside(address, text) {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const web = url && (url.protocol === "https:" || url.protocol === "http:");
  return web ? el("a", { href: url.href, rel: "noopener noreferrer" }, text) : text;
}

// The document -----------------------------------------------------------------------------------------------------

function readApi(source) {
  const operations = [];
  for (const [path, item] of Object.entries(source.paths ?? {})) {
    for (const method of METHODS.filter((name) => Object.hasOwn(item, name))) {
      operations.push(readOperation(source, path, item, method));
    }
  }
  const known = new Map((source.tags ?? []).map((tag) => [tag.name, { ...tag, operations: [] }]));
  for (const operation of operations) {
    if (!known.has(operation.tag)) known.set(operation.tag, { name: operation.tag, operations: [] });
    known.get(operation.tag).operations.push(operation);
  }
  const tags = [...known.values()].filter((tag) => tag.operations.length > 0);
  return { source, operations, tags, schemas: source.components?.schemas ?? {} };
}

function readOperation(source, path, item, method) {
  const raw = item[method];
  const parameters = new Map();
  for (const each of [...(item.parameters ?? []), ...(raw.parameters ?? [])]) {
    const parameter = follow(each, source).node;
    parameters.set(`${parameter.in} ${parameter.name}`, parameter);
  }
  const security = raw.security ?? source.security ?? [];
  const [title, rest] = firstSentence(raw.summary ?? "");
  const operation = {
    id: raw.operationId ?? `${method} ${path}`,
    method,
    path,
    tag: raw.tags?.[0] ?? "Other",
    summary: title || raw.operationId || `${method.toUpperCase()} ${path}`,
    description: [rest, raw.description].filter(Boolean).join("\n\n"),
    deprecated: raw.deprecated === true,
    parameters: [...parameters.values()],
    body: raw.requestBody ? follow(raw.requestBody, source).node : undefined,
    responses: Object.entries(raw.responses ?? {}).map(([status, each]) => [status, follow(each, source).node]),
    security: security.filter((each) => Object.keys(each).length > 0),
    open: security.length === 0 || security.some((each) => Object.keys(each).length === 0),
  };
  operation.text = [method, path, operation.id, operation.summary, operation.tag, operation.description].join(" ").toLowerCase();
  return operation;
}

/** The first sentence is the title, without the marks of code and the full stop; the rest belongs to the description. */
function firstSentence(text) {
  const [, first, rest] = /^(.*?[.!?])\s+(?=[\p{Lu}`])(.*)$/su.exec(text.trim()) ?? [undefined, text.trim(), ""];
  return [first.replaceAll("`", "").replace(/\.$/, ""), rest];
}

/** Follows `$ref` inside the document. What stands beside a `$ref` wins over what it refers to, as in OpenAPI 3.1. */
function follow(node, source = api.source) {
  let name;
  for (let hops = 0; typeof node?.$ref === "string" && hops < DEEPEST; hops += 1) {
    const { $ref, ...beside } = node;
    const steps = $ref.startsWith("#/") ? $ref.slice(2).split("/").map(pointerStep) : [];
    const inside = (at, step) => (at !== null && typeof at === "object" && Object.hasOwn(at, step) ? at[step] : undefined);
    const target = steps.length > 0 ? steps.reduce(inside, source) : undefined;
    name = steps.at(-1) ?? $ref;
    node = typeof target === "object" ? { ...target, ...beside } : { description: `${$ref} is not in the document`, ...beside };
  }
  return { node: node ?? {}, name };
}

function pointerStep(step) {
  let plain = step;
  try {
    plain = decodeURIComponent(step);
  } catch {
    // not percent-encoded: taken as it is
  }
  return plain.replaceAll("~1", "/").replaceAll("~0", "~");
}

// Schemas ----------------------------------------------------------------------------------------------------------

/** One shape for the many ways to write a schema: references followed, null split off, allOf joined. */
function shape(schema, depth = 0) {
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
function core(of, depth = 0) {
  return of.items && depth < DEEPEST ? core(shape(of.items), depth + 1) : of;
}

function hasMembers(of) {
  return of.properties.length > 0 || of.groups.length > 0 || (of.additional !== undefined && hasMembers(core(shape(of.additional))));
}

function typeWords(of, depth = 0) {
  if (of.items && depth < DEEPEST) return `array of ${typeWords(shape(of.items), depth + 1)}`;
  if (of.additional && of.properties.length === 0 && depth < DEEPEST) return `map of ${typeWords(shape(of.additional), depth + 1)}`;
  const plain = of.types.join(" or ") || (of.properties.length > 0 ? "object" : of.groups[0]?.word) || (of.enum ? "value" : "any");
  return of.format ? `${plain} (${of.format})` : plain;
}

function typeLabel(of) {
  const inner = core(of);
  const named = inner.name && Object.hasOwn(api.schemas, inner.name);
  const link = named && el("a", { class: "ref", href: schemaAddress(inner.name) }, inner.name);
  return el("span", { class: "type" }, typeWords(of), link && [" ", link], of.nullable && " or null");
}

function schemaAddress(name) {
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

function marks(of) {
  const words = { deprecated: "deprecated", readOnly: "read only", writeOnly: "write only" };
  return (of.marks ?? []).map((mark) => el("span", { class: "mark" }, words[mark]));
}

function notes(of) {
  const values = of.enum && el("p", { class: "facts" }, el("span", {}, of.enum.length === 1 ? "always " : "one of "), of.enum.map((value) => [code(JSON.stringify(value)), " "]));
  const bounds = of.facts.length > 0 && el("p", { class: "facts" }, of.facts.map(([word, value]) => el("span", {}, word, word && " ", code(value))));
  return [...prose(of.description), values, bounds];
}

/** A tree for a whole schema: its type, what it says, its fields. */
function schemaTree(schema, trail = []) {
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

function examplesOf(media) {
  const named = Object.entries(media.examples ?? {}).map(([name, each]) => ({ ...follow(each).node, name }));
  if (named.length > 0) return named.map((each) => ({ title: each.summary || each.name, note: each.description, value: each.value }));
  if (media.example !== undefined) return [{ title: "Example", value: media.example }];
  const schema = media.schema ? follow(media.schema).node : undefined;
  if (!schema) return [];
  const given = schema.example ?? schema.examples?.[0];
  if (given !== undefined) return [{ title: "Example", value: given }];
  return hasMembers(core(shape(schema))) ? [{ title: "Example made from the schema", value: sample(schema) }] : [];
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}

// Pages ------------------------------------------------------------------------------------------------------------

function badge(method) {
  return el("span", { class: `method ${METHODS.includes(method) ? method : ""}` }, method.toUpperCase());
}

/** A path that may break behind its slashes, its parameters marked. */
function pathLabel(path) {
  const pieces = path.split(/(\{[^}]*\}|\/)/).filter(Boolean);
  return el("code", { class: "path" }, pieces.map((piece) => {
    if (piece === "/") return ["/", el("wbr")];
    return piece.startsWith("{") ? el("span", { class: "slot" }, piece) : piece;
  }));
}

function operationAddress(operation) {
  return `#/operation/${encodeURIComponent(operation.id)}`;
}

function overview() {
  const { info = {}, components = {} } = api.source;
  const facts = [
    info.version && ["Version", info.version],
    ["Base address", code(location.origin)],
    info.license && ["License", info.license.url ? outside(info.license.url, info.license.name) : info.license.name],
    info.contact?.url && ["Contact", outside(info.contact.url, info.contact.name ?? info.contact.url)],
    api.source.externalDocs?.url && ["More", outside(api.source.externalDocs.url, api.source.externalDocs.description ?? api.source.externalDocs.url)],
  ].filter(Boolean);
  const schemes = Object.entries(components.securitySchemes ?? {}).map(([name, each]) => [name, follow(each).node]);
  return [
    el("h1", { tabindex: -1 }, info.title ?? "API"),
    prose(info.description),
    el("dl", { class: "facts-list" }, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    schemes.length > 0 && el("section", {}, el("h2", {}, "Authentication"), schemes.map(([name, each]) =>
      el("div", { class: "card" }, el("p", { class: "row" }, el("strong", {}, name), el("span", { class: "type" }, schemeWords(each))), prose(each.description)))),
    api.tags.map((tag) => el("section", {}, el("h2", {}, tag.name), prose(tag.description),
      el("ul", { class: "operations" }, tag.operations.map((operation) => el("li", {},
        el("a", { href: operationAddress(operation), class: operation.deprecated && "deprecated" },
          badge(operation.method), pathLabel(operation.path), el("span", { class: "summary" }, operation.summary))))))),
    Object.keys(api.schemas).length > 0 && el("section", {}, el("h2", {}, "Schemas"),
      el("ul", { class: "names" }, Object.keys(api.schemas).sort().map((name) => el("li", {}, el("a", { href: schemaAddress(name) }, name))))),
  ];
}

/** The scopes of a token are roles here. */
function schemeNeed([name, scopes]) {
  return scopes.length > 0 ? `${name} with role ${scopes.join(" or ")}` : name;
}

function schemeWords(scheme) {
  if (scheme.type === "http") return `Authorization: ${scheme.scheme === "bearer" ? "Bearer" : scheme.scheme}${scheme.bearerFormat ? ` ${scheme.bearerFormat}` : ""}`;
  if (scheme.type === "apiKey") return `${scheme.in} ${scheme.name}`;
  return scheme.type ?? "";
}

function schemaPage(name) {
  const users = api.operations.filter((operation) => JSON.stringify([operation.parameters, operation.body, operation.responses]).includes(`"#/components/schemas/${name}"`));
  return [
    el("p", { class: "crumb" }, "Schema"),
    el("h1", { tabindex: -1 }, name),
    schemaTree(api.schemas[name], [name]),
    examplesOf({ schema: api.schemas[name] }).map(exampleCard),
    users.length > 0 && el("section", {}, el("h2", {}, "Used by"),
      el("ul", { class: "operations" }, users.map((operation) => el("li", {}, el("a", { href: operationAddress(operation) }, badge(operation.method), pathLabel(operation.path), el("span", { class: "summary" }, operation.summary)))))),
  ];
}

function operationPage(operation) {
  const needs = operation.security.map((each) => Object.entries(each).map(schemeNeed).join(" and ")).join(" or ");
  const access = operation.open ? "needs no token" : `needs ${needs}`;
  const groups = [["path", "Path parameters"], ["query", "Query parameters"], ["header", "Headers"], ["cookie", "Cookies"]];
  return [
    el("p", { class: "crumb" }, operation.tag),
    el("h1", { tabindex: -1 }, operation.summary),
    el("p", { class: "address" }, badge(operation.method), pathLabel(operation.path)),
    el("p", { class: "note" }, code(operation.id), ` ${access}`, operation.deprecated && [" ", el("span", { class: "mark" }, "deprecated")]),
    el("div", { class: "operation" },
      el("div", { class: "reference" },
        prose(operation.description),
        groups.map(([where, title]) => parameterTable(title, operation.parameters.filter((parameter) => parameter.in === where))),
        operation.body && el("section", {}, el("h2", {}, "Request body", operation.body.required && el("span", { class: "required" }, "required")),
          prose(operation.body.description), mediaViews(operation.body.content)),
        el("section", {}, el("h2", {}, "Responses"), responseList(operation.responses))),
      new Panel(operation).node),
  ];
}

function parameterTable(title, parameters) {
  if (parameters.length === 0) return undefined;
  const rows = parameters.map((parameter) => {
    const of = shape(parameterSchema(parameter));
    const facts = parameter.example === undefined ? of.facts : [...of.facts.filter(([word]) => word !== "example"), ["example", asText(parameter.example)]];
    return el("tr", {},
      el("th", { scope: "row" }, code(parameter.name), parameter.required && el("span", { class: "required" }, "required"), parameter.deprecated && el("span", { class: "mark" }, "deprecated")),
      el("td", {}, typeLabel(of)),
      el("td", {}, notes({ ...of, description: parameter.description ?? of.description, facts })));
  });
  const head = el("thead", {}, el("tr", {}, ["Name", "Type", "Meaning"].map((text) => el("th", { scope: "col" }, text))));
  return el("section", {}, el("h2", {}, title), el("table", { class: "parameters" }, head, el("tbody", {}, rows)));
}

function parameterSchema(parameter) {
  return parameter.schema ?? Object.values(parameter.content ?? {})[0]?.schema ?? {};
}

function mediaViews(content = {}) {
  return Object.entries(content).map(([type, media]) => el("div", { class: "media" },
    el("p", { class: "media-type" }, code(type)),
    media.schema && schemaTree(media.schema),
    examplesOf(media).map(exampleCard)));
}

function exampleCard({ title, note, value }) {
  const text = asText(value);
  return lazy("example", title, false, () => el("div", {}, prose(note), el("div", { class: "copyable" }, copyButton(() => text, `Copy: ${title}`), block(text, title))));
}

function responseList(responses) {
  return responses.map(([status, response]) => {
    const good = /^[123]/.test(status);
    const empty = !response.content && !response.headers;
    const title = [el("span", { class: `status ${good ? "good" : "bad"}` }, status), el("span", { class: "said" }, inline(String(response.description || STATUS_WORDS[status] || "")))];
    if (empty) return el("div", { class: "response plain" }, title);
    return lazy("response", title, /^2/.test(status), () => el("div", {}, headerList(response.headers), mediaViews(response.content)));
  });
}

function headerList(headers) {
  if (!headers) return undefined;
  const rows = Object.entries(headers).map(([name, each]) => {
    const header = follow(each).node;
    const of = shape(header.schema);
    return el("li", {}, el("div", { class: "row" }, code(name), typeLabel(of)), notes({ ...of, description: header.description ?? of.description }));
  });
  return el("div", {}, el("p", { class: "note" }, "Headers"), el("ul", { class: "tree" }, rows));
}

// Try it -----------------------------------------------------------------------------------------------------------

/** The curl line and the form of one operation. Both say the same request. */
class Panel {
  constructor(operation) {
    this.operation = operation;
    this.fields = operation.parameters.filter((parameter) => parameter.in !== "cookie").map((parameter) => this.field(parameter));
    this.types = Object.entries(operation.body?.content ?? {});
    this.curl = el("code", {});
    this.node = el("aside", { class: "panel", "aria-label": "Request" }, this.curlCard(), this.tryCard());
    this.refresh();
  }

  curlCard() {
    return el("section", { class: "card" }, el("div", { class: "card-head" }, el("h2", {}, "curl"), copyButton(() => this.curl.textContent, "Copy the curl line")),
      el("pre", { tabindex: 0, role: "group", "aria-label": "curl line" }, this.curl));
  }

  tryCard() {
    const wide = matchMedia("(min-width: 80rem)").matches;
    this.result = el("div", { class: "result" });
    this.send = el("button", { type: "submit", class: "primary" }, "Send");
    const form = el("form", { autocomplete: "off", oninput: () => this.refresh(), onsubmit: (event) => this.submit(event) },
      !this.operation.open && this.tokenField(), this.fields.map((field) => field.node), this.types.length > 0 && this.bodyFields(), this.send);
    const changes = !["get", "head", "options"].includes(this.operation.method);
    const card = el("details", { class: "card" }, el("summary", {}, el("h2", {}, "Try it")),
      el("p", { class: "note" }, `The request goes to this server${changes ? " and may change things" : ""}.`), form, this.result);
    card.open = wide;
    return card;
  }

  tokenField() {
    const input = el("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", value: memory.token, oninput: () => (memory.token = input.value.trim()) });
    return el("div", { class: "field" }, el("label", { for: "token" }, "Token"), input, el("p", { class: "note" }, "Stays in this page's memory until it is reloaded."));
  }

  field(parameter) {
    const of = shape(parameterSchema(parameter));
    const id = `field-${parameter.in}-${parameter.name}`;
    const values = of.enum ?? (of.types[0] === "boolean" ? [true, false] : undefined);
    const example = parameter.example ?? sampleOf(parameter);
    const filled = parameter.required && this.operation.method !== "delete" && example !== undefined ? asText(example) : "";
    const options = () => [!parameter.required && el("option", { value: "" }, ""), values.map((value) => el("option", { value: String(value) }, String(value)))];
    const input = values
      ? el("select", { id }, options())
      : el("input", { id, type: "text", autocomplete: "off", spellcheck: "false", value: filled, placeholder: example === undefined ? undefined : asText(example) });
    // a key may be empty to the browser, but not in a path
    input.required = parameter.in === "path";
    const list = of.items !== undefined;
    const node = el("div", { class: "field" }, el("label", { for: id }, code(parameter.name), parameter.required && el("span", { class: "required" }, "required"), list && el("span", { class: "note" }, "separate by commas")), input);
    const read = () => (list ? input.value.split(",").map((value) => value.trim()).filter(Boolean) : [input.value].filter(Boolean));
    return { parameter, node, read, stand: filled || parameter.name.toUpperCase() };
  }

  bodyFields() {
    this.type = el("select", { id: "body-type", onchange: () => this.fillBody() }, this.types.map(([type]) => el("option", { value: type }, type)));
    this.body = el("textarea", { id: "body", rows: 10, spellcheck: "false", autocomplete: "off" });
    this.fillBody();
    return [
      el("div", { class: "field" }, el("label", { for: "body-type" }, "Content-Type"), this.type),
      el("div", { class: "field" }, el("label", { for: "body" }, "Body"), this.body),
    ];
  }

  fillBody() {
    const media = this.types.find(([type]) => type === this.type.value)?.[1] ?? {};
    const first = examplesOf(media)[0];
    this.body.value = first ? asText(first.value) : "";
    this.refresh();
  }

  /** The request as the fields stand. `stand` fills empty path parameters, for a curl line that reads well. */
  request(stand) {
    const url = new URL(location.origin);
    const headers = [];
    const of = (where) => this.fields.filter((field) => field.parameter.in === where);
    const path = this.operation.path.replace(/\{(\*?)([^}]+)\}/g, (slot, star, name) => {
      const field = of("path").find((each) => each.parameter.name === name);
      const value = field?.read().join(",") || (stand ? field?.stand ?? name.toUpperCase() : "");
      // slashes of a key stay readable where no browser would fold `//` or `..`
      const plain = star && !value.split("/").some((step) => step === "" || step === "." || step === "..");
      return plain ? value.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(value);
    });
    for (const field of of("query")) field.read().forEach((value) => url.searchParams.append(field.parameter.name, value));
    for (const field of of("header")) field.read().forEach((value) => headers.push([field.parameter.name, value]));
    const body = this.body?.value || undefined;
    if (body !== undefined) headers.push(["Content-Type", this.type.value]);
    return { address: `${url.origin}${path}${url.search}`, headers, body };
  }

  refresh() {
    if (!this.curl) return;
    const { address, headers, body } = this.request(true);
    const { method } = this.operation;
    const verb = { get: "curl", head: "curl --head" }[method] ?? `curl -X ${method.toUpperCase()}`;
    const words = [`${verb} ${quoted(address)}`];
    if (!this.operation.open) words.push(`-H "Authorization: Bearer ${TOKEN_VARIABLE}"`);
    for (const [name, value] of headers) words.push(`-H ${quoted(`${name}: ${value}`)}`);
    if (body !== undefined) words.push(`--data-binary ${quoted(body)}`);
    else if (this.types.length > 0 && this.operation.body.required) words.push(`-H ${quoted(`Content-Type: ${this.type?.value ?? this.types[0][0]}`)}`, "--data-binary @FILE");
    this.curl.textContent = words.join(words.join(" ").length > 72 ? " \\\n  " : " ");
  }

  async submit(event) {
    event.preventDefault();
    if (this.running) {
      this.running.abort();
      return;
    }
    this.running = new AbortController();
    this.send.textContent = "Stop";
    this.result.replaceChildren();
    try {
      this.result.replaceChildren(...(await this.exchange(this.running.signal)));
    } catch (error) {
      const text = this.running.signal.aborted ? "Stopped." : `No answer: ${error.message}`;
      this.result.replaceChildren(el("p", { class: "failed" }, text));
      announce(text);
    }
    this.running = undefined;
    this.send.textContent = "Send";
  }

  async exchange(signal) {
    const { address, headers, body } = this.request(false);
    if (!this.operation.open && memory.token) headers.push(["Authorization", `Bearer ${memory.token}`]);
    const began = performance.now();
    const answer = await fetch(address, {
      method: this.operation.method.toUpperCase(), headers, body, signal,
      credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
    });
    const took = Math.round(performance.now() - began);
    const { text, cut, bytes } = await readText(answer);
    const line = `${answer.status} ${answer.statusText}`.trim();
    announce(`Answer: ${line}`);
    return [
      el("p", { class: "row" }, el("span", { class: `status ${answer.ok ? "good" : "bad"}` }, line), el("span", { class: "note" }, `${took} ms, ${cut ? "more than " : ""}${bytes} bytes`)),
      lazy("example", "Headers", false, () => block([...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n"), "Headers of the answer")),
      cut && el("p", { class: "note" }, "Only the first 64 KiB are shown."),
      text === "" ? el("p", { class: "note" }, "The body is empty.") : block(cut ? text : pretty(text, answer.headers.get("content-type")), "Body of the answer"),
    ].filter(Boolean);
  }
}

function sampleOf(parameter) {
  const named = Object.values(parameter.examples ?? {})[0];
  if (named) return follow(named).node.value;
  const schema = follow(parameterSchema(parameter)).node;
  return schema.example ?? schema.examples?.[0];
}

/** At most 64 KiB of a body; the rest is not fetched. */
async function readText(answer) {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    const room = SHOWN_BYTES - bytes;
    text += decoder.decode(value.subarray(0, room), { stream: true });
    bytes += Math.min(value.length, room);
    if (value.length > room) {
      await reader.cancel();
      return { text, bytes, cut: true };
    }
  }
  return { text: text + decoder.decode(), bytes, cut: false };
}

function pretty(text, type) {
  if (!/[/+]json\b/.test(type ?? "")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Quoted for a POSIX shell. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// The frame: sidebar, search, addresses ----------------------------------------------------------------------------

function fillSidebar() {
  const entries = api.tags.map((tag) => el("section", {}, el("h2", {}, tag.name), el("ul", {}, tag.operations.map((operation) => {
    const link = el("a", { href: operationAddress(operation), class: operation.deprecated && "deprecated", title: `${operation.method.toUpperCase()} ${operation.path}` },
      badge(operation.method), el("span", {}, operation.summary));
    return el("li", { "data-text": operation.text }, link);
  }))));
  const names = Object.keys(api.schemas).sort();
  const schemas = el("section", {}, el("h2", {}, "Schemas"), el("ul", {}, names.map((name) =>
    el("li", { "data-text": `schema ${name}`.toLowerCase() }, el("a", { href: schemaAddress(name) }, el("span", {}, name))))));
  document.getElementById("entries").replaceChildren(...entries, ...(names.length > 0 ? [schemas] : []));
}

function search() {
  const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const section of document.querySelectorAll("#entries section")) {
    const items = [...section.querySelectorAll("li")];
    for (const item of items) item.hidden = !words.every((word) => item.dataset.text.includes(word));
    const left = items.filter((item) => !item.hidden).length;
    section.hidden = left === 0;
    count += left;
  }
  document.getElementById("found").textContent = words.length === 0 ? "" : count === 0 ? "Nothing found" : `${count} found`;
}

function openMenu(open) {
  document.body.classList.toggle("menu-open", open);
  document.getElementById("menu").setAttribute("aria-expanded", String(open));
}

function pageOf(hash) {
  const [, kind, name] = /^#\/(operation|schema)\/(.*)$/.exec(hash) ?? [];
  const wanted = pointerStepOrText(name);
  if (kind === "operation") {
    const operation = api.operations.find((each) => each.id === wanted);
    if (operation) return [operationPage(operation), operation.summary];
  }
  if (kind === "schema" && Object.hasOwn(api.schemas, wanted)) return [schemaPage(wanted), wanted];
  return [overview(), undefined];
}

function pointerStepOrText(text = "") {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show(moved) {
  const [content, name] = pageOf(location.hash);
  const title = api.source.info?.title ?? "API";
  const main = document.getElementById("main");
  main.replaceChildren(...[content].flat(Infinity).filter(Boolean));
  document.title = name ? `${name} - ${title}` : title;
  for (const link of document.querySelectorAll("#entries a")) {
    if (link.getAttribute("href") === location.hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  openMenu(false);
  document.querySelector("#entries [aria-current]")?.scrollIntoView({ block: "nearest" });
  if (!moved) return;
  window.scrollTo(0, 0);
  main.querySelector("h1")?.focus({ preventScroll: true });
}

/** The address names the page, so the skip link moves the focus and leaves the address alone. */
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

async function start() {
  document.querySelector(".skip").addEventListener("click", skip);
  const answer = await fetch("/openapi.json", { credentials: "omit" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  api = readApi(await answer.json());
  document.getElementById("title").textContent = api.source.info?.title ?? "API";
  document.getElementById("version").textContent = api.source.info?.version ?? "";
  fillSidebar();
  document.getElementById("search").addEventListener("input", search);
  document.getElementById("menu").addEventListener("click", () => openMenu(!document.body.classList.contains("menu-open")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("menu-open")) return;
    openMenu(false);
    document.getElementById("menu").focus();
  });
  window.addEventListener("hashchange", () => show(true));
  show(false);
}

start().catch((error) => {
  document.getElementById("main").replaceChildren(el("h1", {}, "The description could not be loaded"), el("p", {}, error.message), el("p", {}, el("a", { href: "/openapi.json" }, "openapi.json")));
});
