// The beginning of a place: what it is, and sentences to try.

import { h } from "./dom.js";

const SENTENCES = [
  "set the kitchen to 23 and the bedroom to 19",
  "how warm are all rooms?",
  "tell me a long story",
  "show me everything",
  "what can you do?",
];

export function hint(place, state, say) {
  if (!state.bot) return [];
  const { name, handle } = state.bot;
  if (!place.hasBot) {
    return [
      h("h3", {}, `${name} is not in this channel`),
      h("p", {}, `It answers nothing here and keeps nothing. Invite it with the button above.`),
    ];
  }
  const mention = place.kind === "im" ? "" : `@${handle} `;
  const about =
    place.kind === "im"
      ? `This is your own talk with ${name}. Every message starts a thread.`
      : `Mention @${handle} and it answers in a thread. In the thread you go on without a mention, until somebody else joins.`;
  const buttons = SENTENCES.map((sentence) =>
    h(
      "button",
      { type: "button", class: "try", on: { click: () => say(mention + sentence) } },
      mention,
      sentence,
    ),
  );
  return [
    h(
      "h3",
      {},
      place.kind === "im"
        ? `Talk with ${name}`
        : `Welcome to ${place.kind === "mpim" ? "this group" : `#${place.name}`}`,
    ),
    h("p", {}, about),
    h("div", { class: "tries", role: "group", "aria-label": "Sentences to try" }, buttons),
  ];
}
