// Elements of the page.
//
// Invariant: a text of the document only ever becomes a text node, never HTML.

/** Makes an element. Strings among the children become text nodes; `onclick` and the like become listeners. */
export function el(tag, attributes = {}, ...children) {
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
export function lazy(className, summary, open, make) {
  const node = el("details", { class: className }, el("summary", {}, summary));
  const fill = () => node.open && node.childElementCount === 1 && node.append(make());
  node.addEventListener("toggle", fill);
  node.open = open;
  fill();
  return node;
}

export function code(text) {
  return el("code", {}, text);
}

/** A block of code that can be reached and scrolled by keyboard. */
export function block(text, label) {
  return el("pre", { tabindex: 0, role: "group", "aria-label": label }, el("code", {}, text));
}

export function copyButton(text, label) {
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

export function announce(text) {
  document.getElementById("announce").textContent = text;
}
