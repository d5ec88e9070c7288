// WhatsApp's text formatting, and links, as nodes.

import { el } from "/phone/dom.js";

const TAGS = { "*": "strong", _: "em", "~": "s" };

// A mark counts at the edge of a word only: snake_case and 2*3*4 stay as they are.
const MARKUP = new RegExp([
  "```(?<block>[^]+?)```",
  "`(?<code>[^`\\n]+)`",
  "(?<![\\p{L}\\p{N}])(?<link>https?://[^\\s<>\"]*[^\\s<>\"'.,;:!?*_~)\\]}])",
  "(?<![\\p{L}\\p{N}])(?<mark>[*_~])(?<inner>(?!\\k<mark>)\\S(?:[^\\n]*?\\S)?)\\k<mark>(?![\\p{L}\\p{N}])",
].join("|"), "giu");

/** Return the nodes of a text with *bold*, _italic_, ~struck~, `code`, ```code``` and links. */
export function formatted(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(MARKUP)) {
    nodes.push(text.slice(end, match.index), markedUp(match.groups));
    end = match.index + match[0].length;
  }
  return [...nodes, text.slice(end)];
}

function markedUp({ block, code, link, mark, inner }) {
  if (link) return el("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link);
  if (mark) return el(TAGS[mark], {}, ...formatted(inner));
  return el("code", {}, block ?? code);
}

/** Return the text without its marks. */
export function plain(text) {
  return el("span", {}, ...formatted(text)).textContent;
}
