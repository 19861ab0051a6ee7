// Block Kit, attachments and rich text → nodes.

import { fragment, h } from "./dom.js";
import { icon } from "./icons.js";
import { link, isSafe, unescaped } from "./inline.js";
import { markdown } from "./markdown.js";
import { mrkdwn } from "./mrkdwn.js";

const NAMED_COLOURS = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };

export function content(message, names) {
  const parts = all(message.blocks ?? [], names);
  if (!parts.length && message.text) {
    parts.push(h("div", { class: "block text", "data-key": "text" }, mrkdwn(message.text, names)));
  }
  const attachments = (message.attachments ?? []).map((attachment, index) =>
    coloured(attachment, index, names),
  );
  const files = (message.files ?? []).map((file) =>
    h("div", { class: "block file" }, icon("file"), " ", String(file.name ?? file.title ?? "file")),
  );
  return fragment(parts, attachments, files);
}

// A block is known by its kind and its place among its kind: text that appears above
// a row of buttons leaves them the buttons that they were.
function all(blocks, names) {
  const counts = {};
  return blocks.map((block) => {
    const kind = BLOCKS[block?.type] ? block.type : "unknown";
    counts[kind] = (counts[kind] ?? 0) + 1;
    const draw = BLOCKS[kind] ?? unknown;
    return h(
      "div",
      { class: `block ${kind}`, "data-key": `${kind}-${counts[kind]}` },
      draw(block, names),
    );
  });
}

function unknown(block) {
  return `[a block of the type ${String(block?.type)}]`;
}

const BLOCKS = {
  markdown: (block, names) => markdown(String(block.text ?? ""), names),
  section: (block, names) => [
    block.text ? h("div", { class: "section-text" }, textObject(block.text, names)) : null,
    block.fields
      ? h(
          "div",
          { class: "fields" },
          block.fields.map((field) => h("div", {}, textObject(field, names))),
        )
      : null,
    block.accessory ? element(block.accessory, block, names) : null,
  ],
  header: (block, names) => h("h3", {}, textObject(block.text, names)),
  divider: () => h("hr"),
  context: (block, names) => (block.elements ?? []).map((part) => element(part, block, names)),
  actions: (block, names) => (block.elements ?? []).map((part) => element(part, block, names)),
  context_actions: (block, names) =>
    (block.elements ?? []).map((part) => element(part, block, names)),
  image: (block) => picture(block),
  rich_text: (block, names) => (block.elements ?? []).map((part) => rich(part, names)),
  table: (block, names) => grid(block, names),
};

function textObject(text, names) {
  if (!text) return null;
  const words = String(text.text ?? "");
  return text.type === "mrkdwn" ? mrkdwn(words, names) : lines(words);
}

function lines(text) {
  return text.split("\n").map((line, index) => [index ? h("br") : null, line]);
}

function element(part, block, names) {
  switch (part.type) {
    case "mrkdwn":
    case "plain_text":
      return h("span", { class: "context-text" }, textObject(part, names));
    case "button":
      return button(part, block, names);
    case "image":
      return picture(part);
    default:
      return h("span", { class: "unsupported" }, `[${String(part.type)}]`);
  }
}

function button(part, block, names) {
  const look = { primary: "primary", danger: "danger" }[part.style] ?? "plain";
  const label = textObject(part.text, names);
  const props = {
    class: `slack-button ${look}`,
    type: "button",
    "data-action": part.action_id ?? "",
    "data-block": block.block_id ?? "",
    "data-url": isSafe(part.url ?? "") ? part.url : null,
    "data-confirm": part.confirm ? JSON.stringify(part.confirm) : null,
    "aria-label": part.accessibility_label ?? null,
    "data-key": `button-${part.action_id ?? ""}`,
  };
  return h("button", props, label);
}

// Pictures stay where they are: the page asks no other server for anything.
function picture(part) {
  const url = String(part.image_url ?? part.slack_file?.url ?? "");
  return h(
    "span",
    { class: "picture" },
    icon("picture"),
    " ",
    link(url, String(part.alt_text ?? part.title?.text ?? url)),
  );
}

function grid(block, names) {
  const cell = (part) =>
    part?.type === "rich_text" ? BLOCKS.rich_text(part, names) : String(part?.text ?? "");
  const [head, ...rest] = block.rows ?? [];
  const row = (cells, tag) =>
    h(
      "tr",
      {},
      (cells ?? []).map((part) => h(tag, {}, cell(part))),
    );
  const content = h(
    "table",
    {},
    h("thead", {}, row(head, "th")),
    h(
      "tbody",
      {},
      rest.map((cells) => row(cells, "td")),
    ),
  );
  return h(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": "Table" },
    content,
  );
}

function rich(part, names) {
  const inside = () => (part.elements ?? []).map((leaf) => richLeaf(leaf, names));
  switch (part.type) {
    case "rich_text_list": {
      const items = (part.elements ?? []).map((row) => h("li", {}, rich(row, names)));
      return h(part.style === "ordered" ? "ol" : "ul", {}, items);
    }
    case "rich_text_quote":
      return h("blockquote", {}, inside());
    case "rich_text_preformatted":
      return h("pre", {}, h("code", {}, inside()));
    default:
      return h("span", { class: "run" }, inside());
  }
}

function richLeaf(leaf, names) {
  switch (leaf.type) {
    case "text":
      return styledText(leaf);
    case "link":
      return link(String(leaf.url ?? ""), String(leaf.text ?? leaf.url ?? ""));
    case "user":
      return mrkdwn(`<@${leaf.user_id}>`, names);
    case "channel":
      return mrkdwn(`<#${leaf.channel_id}>`, names);
    case "broadcast":
      return mrkdwn(`<!${leaf.range}>`, names);
    case "emoji":
      return `:${leaf.name}:`;
    default:
      return String(leaf.text ?? "");
  }
}

function styledText(leaf) {
  let node = fragment(lines(String(leaf.text ?? "")));
  const tags = { bold: "strong", italic: "em", strike: "s", code: "code" };
  for (const [style, tag] of Object.entries(tags)) {
    if (leaf.style?.[style]) node = h(tag, {}, node);
  }
  return node;
}

function coloured(attachment, index, names) {
  const parts = attachment.blocks?.length
    ? all(attachment.blocks, names)
    : legacy(attachment, names);
  const colour = barColour(attachment.color);
  const props = { class: "attachment", "data-key": `attachment-${index}`, "data-color": colour };
  return h("div", { ...props, style: colour ? { "--bar": colour } : {} }, parts);
}

function barColour(colour) {
  const named = NAMED_COLOURS[colour] ?? colour;
  if (typeof named !== "string") return null;
  const hex = named.startsWith("#") ? named : `#${named}`;
  return /^#[0-9a-f]{3}(?:[0-9a-f]{3})?$/i.test(hex) ? hex : null;
}

function legacy(attachment, names) {
  const words = (text) => (text ? mrkdwn(String(text), names) : null);
  const title = attachment.title
    ? h(
        "div",
        { class: "title" },
        link(
          attachment.title_link ?? attachment.from_url ?? "",
          unescaped(String(attachment.title)),
        ),
      )
    : null;
  const fields = (attachment.fields ?? []).map((field) =>
    h("div", {}, h("strong", {}, String(field.title ?? "")), h("br"), words(field.value)),
  );
  const parts = [
    attachment.pretext ? h("div", {}, words(attachment.pretext)) : null,
    title,
    attachment.text ? h("div", {}, words(attachment.text)) : null,
    fields.length ? h("div", { class: "fields" }, fields) : null,
    attachment.footer ? h("div", { class: "footer" }, words(attachment.footer)) : null,
  ];
  return parts.some(Boolean) ? parts : words(attachment.fallback ?? "");
}
