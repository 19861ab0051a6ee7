// Standard Markdown, as Slack's `markdown` block shows it → nodes.
// Slack's own tokens between < and > stay alive in there, so they do here.

import { fragment, h } from "./dom.js";
import { bareLink, isSafe, link, token } from "./inline.js";

const DEEPEST = 12;
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(\s+|$)/;
const ROW = /\|/;
const DELIMITERS = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

export function markdown(text, names) {
  return fragment(blocks(text.replace(/\r\n?/g, "\n").split("\n"), names, 0));
}

function blocks(lines, names, depth) {
  const parts = [];
  let at = 0;
  while (at < lines.length) {
    const [node, next] = block(lines, at, names, depth);
    if (node) parts.push(node);
    at = next;
  }
  return parts;
}

function block(lines, at, names, depth) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  if (FENCE.test(line)) return fenced(lines, at);
  const heading = HEADING.exec(line);
  if (heading) {
    const level = Math.min(6, heading[1].length + 2);
    return [h(`h${level}`, { class: "md-heading" }, inline(heading[2], names, 0)), at + 1];
  }
  if (RULE.test(line)) return [h("hr"), at + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quoted(lines, at, names, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, names, depth);
  if (ROW.test(line) && at + 1 < lines.length && isDelimiters(line, lines[at + 1])) {
    return table(lines, at, names);
  }
  return paragraph(lines, at, names);
}

function fenced(lines, at) {
  const [, mark, language] = FENCE.exec(lines[at]);
  let end = at + 1;
  const isClose = (line) => line.trim().startsWith(mark) && !line.trim().replaceAll(mark[0], "");
  while (end < lines.length && !isClose(lines[end])) end += 1;
  const code = h("code", {}, lines.slice(at + 1, end).join("\n"));
  return [h("pre", { "data-language": language.trim() || null }, code), end + 1];
}

function quoted(lines, at, names, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return [h("blockquote", {}, blocks(inner, names, depth + 1)), end];
}

function list(lines, at, names, depth) {
  const [, indent, mark] = ITEM.exec(lines[at]);
  const isOrdered = /\d/.test(mark);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const match = ITEM.exec(lines[end]);
    const belongs = match && match[1].length <= indent.length + 1;
    if (!belongs || /\d/.test(match[2]) !== isOrdered || RULE.test(lines[end])) break;
    const [node, next] = item(lines, end, match, names, depth);
    items.push(node);
    end = next;
  }
  const start = isOrdered ? parseInt(mark, 10) : null;
  return [h(isOrdered ? "ol" : "ul", { start: start === 1 ? null : start }, items), end];
}

function item(lines, at, match, names, depth) {
  const [whole, indent, mark] = match;
  const width = Math.min(whole.length, indent.length + mark.length + 4);
  const inner = [lines[at].slice(whole.length)];
  let end = at + 1;
  while (end < lines.length) {
    const line = lines[end];
    const isBlank = !line.trim();
    const isInside = /^\s*/.exec(line)[0].length >= Math.min(width, indent.length + 2);
    const next = lines[end + 1] ?? "";
    if (isBlank && !/^\s{2,}\S/.test(next)) break;
    if (!isBlank && !isInside) break;
    inner.push(line.slice(Math.min(width, /^\s*/.exec(line)[0].length)));
    end += 1;
  }
  while (end < lines.length && !lines[end].trim() && ITEM.test(lines[end + 1] ?? "")) end += 1;
  const task = /^\[([ xX])\]\s+/.exec(inner[0]);
  if (task) inner[0] = inner[0].slice(task[0].length);
  const body = tight(blocks(inner, names, depth + 1));
  if (!task) return [h("li", {}, body), end];
  const isDone = task[1] !== " ";
  const box = h(
    "span",
    { class: "task", "aria-label": isDone ? "done" : "to do" },
    isDone ? "☑" : "☐",
  );
  return [h("li", { class: "task-item" }, box, " ", body), end];
}

// A paragraph that is all of an item needs no box of its own.
function tight(parts) {
  return parts.map((part) => (part.nodeName === "P" ? [...part.childNodes] : part));
}

function isDelimiters(head, line) {
  return DELIMITERS.test(line) && line.includes("-") && cells(head).length === cells(line).length;
}

function cells(line) {
  const row = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(lines, at, names) {
  const aligned = cells(lines[at + 1]).map((cell) => {
    if (/^:-+:$/.test(cell)) return "center";
    return cell.endsWith(":") ? "right" : null;
  });
  const row = (line, tag) =>
    h(
      "tr",
      {},
      cells(line)
        .slice(0, aligned.length)
        .map((cell, index) => h(tag, { class: aligned[index] }, inline(cell, names, 0))),
    );
  let end = at + 2;
  while (end < lines.length && ROW.test(lines[end]) && lines[end].trim()) end += 1;
  const rows = lines.slice(at + 2, end).map((line) => row(line, "td"));
  const head = h("thead", {}, row(lines[at], "th"));
  const content = h("table", {}, head, h("tbody", {}, rows));
  return [
    h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, content),
    end,
  ];
}

function paragraph(lines, at, names) {
  let end = at + 1;
  const begins = (line) =>
    !line.trim() ||
    FENCE.test(line) ||
    HEADING.test(line) ||
    QUOTE.test(line) ||
    ITEM.test(line) ||
    RULE.test(line);
  while (end < lines.length && !begins(lines[end])) {
    if (ROW.test(lines[end]) && isDelimiters(lines[end], lines[end + 1] ?? "")) break;
    end += 1;
  }
  const text = lines
    .slice(at, end)
    .map((line) => line.trim())
    .join("\n");
  return [h("p", {}, inline(text, names, 0)), end];
}

const STYLES = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
];

// `failed` remembers marks that have no partner further on, so that a text full of
// open marks is read in one go.
function inline(text, names, depth) {
  const parts = [];
  const failed = new Set();
  let plain = "";
  let at = 0;
  const put = (node) => {
    if (plain) parts.push(plain);
    plain = "";
    parts.push(node);
  };
  while (at < text.length) {
    const [node, next] = piece(text, at, names, depth, failed);
    if (typeof node === "string") plain += node;
    else put(node);
    at = next;
  }
  if (plain) parts.push(plain);
  return parts;
}

function piece(text, at, names, depth, failed) {
  const found =
    escape(text, at) ??
    code(text, at, failed) ??
    slackToken(text, at, names) ??
    labelled(text, at, names, depth, failed) ??
    styled(text, at, names, depth, failed) ??
    address(text, at);
  if (found) return found;
  if (text[at] === "\n") return [h("br"), at + 1];
  return [text[at], at + 1];
}

function escape(text, at) {
  const isEscape = text[at] === "\\" && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "");
  return isEscape ? [text[at + 1], at + 2] : null;
}

function code(text, at, failed) {
  if (text[at] !== "`") return null;
  const mark = /^`+/.exec(text.slice(at, at + 16))[0];
  if (failed.has(mark)) return [mark, at + mark.length];
  const end = text.indexOf(mark, at + mark.length);
  if (end < 0) {
    failed.add(mark);
    return [mark, at + mark.length];
  }
  const inner = text.slice(at + mark.length, end).replaceAll("\n", " ");
  return [h("code", {}, inner.replace(/^ (.*) $/, "$1")), end + mark.length];
}

function slackToken(text, at, names) {
  if (text[at] !== "<") return null;
  const end = text.slice(at, at + 3000).indexOf(">");
  const node = end > 1 ? token(text.slice(at + 1, at + end), names) : null;
  return node ? [node, at + end + 1] : null;
}

function labelled(text, at, names, depth, failed) {
  const isImage = text[at] === "!" && text[at + 1] === "[";
  if ((!isImage && text[at] !== "[") || depth >= DEEPEST || failed.has("](")) return null;
  const start = at + (isImage ? 2 : 1);
  const middle = text.indexOf("](", start);
  if (middle < 0) {
    failed.add("](");
    return null;
  }
  const target = /^\]\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+"[^"]*")?\s*\)/.exec(
    text.slice(middle, middle + 3000),
  );
  const label = text.slice(start, middle);
  if (!target || label.includes("[") || !isSafe(target[1])) return null;
  const shown = isImage ? [label || target[1]] : inline(label, names, depth + 1);
  return [link(target[1], shown), middle + target[0].length];
}

function styled(text, at, names, depth, failed) {
  if (!"*_~".includes(text[at]) || depth >= DEEPEST) return null;
  for (const [mark, tag] of STYLES) {
    if (!text.startsWith(mark, at) || failed.has(mark)) continue;
    const end = partner(text, at, mark);
    if (end < 0) {
      if (end === -1) failed.add(mark);
      continue;
    }
    const inner = inline(text.slice(at + mark.length, end), names, depth + 1);
    return [h(tag, {}, inner), end + mark.length];
  }
  const run = /^[*_~]+/.exec(text.slice(at, at + 16))[0];
  return [run, at + run.length];
}

// Where the mark that opens at `at` closes; -1: nowhere further on, -2: not this one.
function partner(text, at, mark) {
  const inside = at + mark.length;
  if (/\s/.test(text[inside] ?? " ")) return -2;
  if (mark[0] === "_" && /\w/.test(text[at - 1] ?? "")) return -2;
  for (let end = text.indexOf(mark, inside); end > 0; end = text.indexOf(mark, end + 1)) {
    const isDouble = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
    const isInWord = mark[0] === "_" && /\w/.test(text[end + mark.length] ?? "");
    if (end > inside && /\S/.test(text[end - 1]) && !isDouble && !isInWord) {
      return end + (mark.length === 2 && text[end + 2] === mark[0] ? 1 : 0);
    }
  }
  return -1;
}

function address(text, at) {
  if (text[at] !== "h" || /\w/.test(text[at - 1] ?? "")) return null;
  const url = bareLink(text, at);
  return url ? [link(url, url), at + url.length] : null;
}
