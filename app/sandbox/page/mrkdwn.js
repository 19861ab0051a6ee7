// Slack's own markup of texts, sections and attachments → nodes.

import { fragment, h } from "./dom.js";
import { bareLink, link, token, unescaped } from "./inline.js";

const STYLES = { "*": "strong", _: "em", "~": "s" };
const DEEPEST = 6;

export function mrkdwn(text, names) {
  const parts = [];
  const fence = /```\n?([\s\S]*?)\n?```/g;
  let end = 0;
  for (let match = fence.exec(text); match; match = fence.exec(text)) {
    parts.push(...lines(text.slice(end, match.index), names));
    parts.push(h("pre", {}, h("code", {}, unescaped(match[1]))));
    end = match.index + match[0].length;
  }
  parts.push(...lines(text.slice(end), names));
  return fragment(parts);
}

function lines(text, names) {
  const parts = [];
  let quote = [];
  let plain = [];
  const flush = () => {
    if (quote.length) parts.push(h("blockquote", {}, broken(quote, names)));
    if (plain.length) parts.push(h("span", { class: "run" }, broken(plain, names)));
    quote = [];
    plain = [];
  };
  for (const line of text.split("\n")) {
    const isQuote = /^(?:&gt;|>) ?/.test(line);
    if (isQuote ? plain.length : quote.length) flush();
    if (isQuote) quote.push(line.replace(/^(?:&gt;|>) ?/, ""));
    else plain.push(line);
  }
  if (plain.length === 1 && !plain[0] && parts.length) plain = [];
  flush();
  return parts;
}

function broken(rows, names) {
  return rows.map((row, index) => [index ? h("br") : null, spans(row, names, 0)]);
}

function spans(text, names, depth) {
  const parts = [];
  let plain = "";
  const put = (node) => {
    if (plain) parts.push(unescaped(plain));
    plain = "";
    parts.push(node);
  };
  let at = 0;
  while (at < text.length) {
    const [node, next] = span(text, at, names, depth);
    if (node) put(node);
    else plain += text.slice(at, next);
    at = next;
  }
  if (plain) parts.push(unescaped(plain));
  return parts;
}

function span(text, at, names, depth) {
  const character = text[at];
  if (character === "<") {
    const end = text.indexOf(">", at);
    const node = end > 0 ? token(text.slice(at + 1, end), names) : null;
    return node ? [node, end + 1] : [null, at + 1];
  }
  if (character === "`") {
    const end = text.indexOf("`", at + 1);
    if (end > at + 1) return [h("code", {}, unescaped(text.slice(at + 1, end))), end + 1];
  }
  if (STYLES[character] && depth < DEEPEST && opens(text, at)) {
    const end = closing(text, at, character);
    if (end > 0) {
      const inner = spans(text.slice(at + 1, end), names, depth + 1);
      return [h(STYLES[character], {}, inner), end + 1];
    }
  }
  if (character === "h") {
    const url = bareLink(text, at);
    if (url) return [link(unescaped(url), unescaped(url)), at + url.length];
  }
  return [null, at + 1];
}

function opens(text, at) {
  return !/\w/.test(text[at - 1] ?? "") && /\S/.test(text[at + 1] ?? "");
}

function closing(text, at, character) {
  for (let end = text.indexOf(character, at + 1); end > 0; end = text.indexOf(character, end + 1)) {
    if (end === at + 1) return -1;
    if (/\S/.test(text[end - 1]) && !/\w/.test(text[end + 1] ?? "")) return end;
  }
  return -1;
}
