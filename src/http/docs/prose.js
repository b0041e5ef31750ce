// Prose: the little of Markdown that doc comments use.
//
// Invariant: an address of the document becomes a link only when it is http or https.

import { block, code, el } from "./elements.js";

export function prose(text) {
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

export function inline(text) {
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
export function outside(address, text) {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const web = url && (url.protocol === "https:" || url.protocol === "http:");
  return web ? el("a", { href: url.href, rel: "noopener noreferrer" }, text) : text;
}
