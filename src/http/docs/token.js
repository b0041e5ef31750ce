// The token: kept for this tab, so that a reload does not lose it, until the tab is closed or it is forgotten.
//
// Invariant: it is in `sessionStorage` alone, which no other tab and no other origin reads.

import { announce, el } from "./elements.js";

const KEY = "s3-connector-token";
/** For browsers that refuse storage: the token then lasts as long as the page. */
let memory = "";

export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? memory;
  } catch {
    return memory;
  }
}

function keep(text) {
  memory = text;
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // storage is refused: the page's memory has it
  }
}

export function tokenField() {
  const input = el("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", value: token(), oninput: () => keep(input.value.trim()) });
  const button = el("button", { type: "button", class: "quiet", onclick: forget }, "Forget");
  function forget() {
    keep("");
    input.value = "";
    announce("The token is forgotten");
  }
  return el("div", { class: "field" },
    el("label", { for: "token" }, "Token"), input,
    el("p", { class: "note" }, "Kept for this tab until it is closed. ", button));
}
