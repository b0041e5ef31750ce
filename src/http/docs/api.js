// The OpenAPI document as the page uses it: operations by tag, references followed.

export const METHODS = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];
/** Deeper than any real nesting; a document that refers to itself ends here. */
export const DEEPEST = 24;

/** What is shown; read once, when the page starts. */
export let api;

export function load(source) {
  api = readApi(source);
}

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
export function follow(node, source = api.source) {
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
