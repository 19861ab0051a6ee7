// What may stand inside a line: Slack's tokens, links, mentions.

import { h } from "./dom.js";

const SAFE = /^(?:https?:\/\/|mailto:)/i;
const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };

export function unescaped(text) {
  return text.replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]);
}

export function isSafe(url) {
  return SAFE.test(url) && URL.canParse(url);
}

export function link(url, ...label) {
  if (!isSafe(url)) return h("span", {}, ...label);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url }, ...label);
}

// A token as Slack writes it between < and >; null when it is none.
export function token(inner, names) {
  const [target, ...rest] = inner.split("|");
  const label = rest.length ? unescaped(rest.join("|")) : null;
  if (/^@[UW]\w+$/.test(target)) {
    return mention(`@${names.person(target.slice(1)) ?? label ?? target.slice(1)}`, {
      me: names.isMe?.(target.slice(1)),
    });
  }
  if (/^#[CGD]\w+$/.test(target)) {
    return mention(`#${names.channel(target.slice(1)) ?? label ?? target.slice(1)}`);
  }
  if (/^!(?:channel|here|everyone)$/.test(target)) {
    return mention(`@${target.slice(1)}`, { me: true });
  }
  if (/^!subteam\^/.test(target)) return mention(label ?? "@group", { me: true });
  if (/^!date\^/.test(target)) return h("span", {}, label ?? target);
  const url = unescaped(target);
  if (!isSafe(url)) return null;
  return link(url, label ?? url.replace(/^mailto:/, ""));
}

function mention(text, { me = false } = {}) {
  return h("span", { class: me ? "mention to-me" : "mention" }, text);
}

// A plain address in running text, without the punctuation that follows it.
export function bareLink(text, at) {
  const match = /^https?:\/\/[^\s<>|"'`\u0000-\u001f]+/i.exec(text.slice(at, at + 2048));
  if (!match) return null;
  let url = match[0].replace(/[.,;:!?*_~]+$/, "");
  while (/[)\]]$/.test(url) && !isBalanced(url)) url = url.slice(0, -1);
  return isSafe(url) ? url : null;
}

function isBalanced(url) {
  const count = (character) => url.split(character).length;
  return count("(") >= count(")") && count("[") >= count("]");
}
