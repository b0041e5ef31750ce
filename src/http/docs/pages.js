// The pages: the overview, an operation, a schema.

import { METHODS, api, follow } from "./api.js";
import { block, code, copyButton, el, lazy } from "./elements.js";
import { Panel } from "./panel.js";
import { inline, outside, prose } from "./prose.js";
import { asText, examplesOf, notes, parameterSchema, schemaAddress, schemaTree, shape, typeLabel } from "./schemas.js";

const STATUS_WORDS = { 200: "OK", 201: "Created", 202: "Accepted", 204: "No content", 206: "Partial content", 304: "Not modified", default: "Any other" };

export function badge(method) {
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

export function operationAddress(operation) {
  return `#/operation/${encodeURIComponent(operation.id)}`;
}

export function overview() {
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

export function schemaPage(name) {
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

export function operationPage(operation) {
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
