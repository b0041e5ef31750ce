// Try it: the curl line and the form of one operation. Both say the same request.
//
// Invariant: the token is in no URL and no curl line.

import { follow } from "./api.js";
import { announce, block, code, copyButton, el, lazy } from "./elements.js";
import { asText, examplesOf, parameterSchema, shape } from "./schemas.js";
import { token, tokenField } from "./token.js";

const SHOWN_BYTES = 64 * 1024;
const TOKEN_VARIABLE = "$S3_CONNECTOR_TOKEN";

/** The curl line and the form of one operation. Both say the same request. */
export class Panel {
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
      !this.operation.open && tokenField(), this.fields.map((field) => field.node), this.types.length > 0 && this.bodyFields(), this.send);
    const changes = !["get", "head", "options"].includes(this.operation.method);
    const card = el("details", { class: "card" }, el("summary", {}, el("h2", {}, "Try it")),
      el("p", { class: "note" }, `The request goes to this server${changes ? " and may change things" : ""}.`), form, this.result);
    card.open = wide;
    return card;
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
    this.file = el("input", { id: "body-file", type: "file", onchange: () => this.refresh() });
    this.text = el("div", { class: "field" }, el("label", { for: "body" }, "Body"), this.body);
    this.picker = el("div", { class: "field" }, el("label", { for: "body-file" }, "File"), this.file,
      el("p", { class: "note" }, "Sent as it is. Without a file, the text below is the body."));
    this.fillBody();
    return [
      el("div", { class: "field" }, el("label", { for: "body-type" }, "Content-Type"), this.type),
      this.picker,
      this.text,
    ];
  }

  fillBody() {
    const media = this.types.find(([type]) => type === this.type.value)?.[1] ?? {};
    const first = examplesOf(media)[0];
    this.body.value = first ? asText(first.value) : "";
    this.picker.hidden = !isBinary(media);
    if (this.picker.hidden) this.file.value = "";
    this.refresh();
  }

  /** The file that was picked, else the text. */
  content() {
    return this.file?.files?.[0] ?? (this.body?.value || undefined);
  }

  /** A file has a type of its own, unless the form's field names another. */
  contentType(body) {
    return (body instanceof File && body.type) || this.type.value;
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
    const body = this.content();
    const typed = headers.some(([name]) => name.toLowerCase() === "content-type");
    if (body !== undefined && !typed) headers.push(["Content-Type", this.contentType(body)]);
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
    if (body instanceof File) words.push(`--data-binary ${quoted(`@${body.name}`)}`);
    else if (body !== undefined) words.push(`--data-binary ${quoted(body)}`);
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
    if (!this.operation.open && token()) headers.push(["Authorization", `Bearer ${token()}`]);
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

/** A body of bytes, which a text field cannot hold. */
function isBinary(media) {
  const { format } = shape(media.schema);
  return format === "binary";
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
