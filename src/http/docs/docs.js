// The page at /docs: shows /openapi.json and sends requests to the server it came from. This is the frame: sidebar,
// search and addresses.

import { api, load } from "./api.js";
import { el } from "./elements.js";
import { badge, operationAddress, operationPage, overview, schemaPage } from "./pages.js";
import { schemaAddress } from "./schemas.js";

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
  load(await answer.json());
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
