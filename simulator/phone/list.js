// The list of phones: who, and the last message.

import { clock, day, summary, ticks } from "/phone/bubbles.js";
import { el } from "/phone/dom.js";
import { currentLanguage, t } from "/phone/texts.js";

export const nameOf = (phone) => t("names")[phone.name] || phone.name || phone.key;
export const script = (item) => (currentLanguage() === "es" ? item.script_es || item.text_es : item.script || item.text);

export function avatar(phone) {
  const letter = phone.name ? nameOf(phone).slice(0, 1) : "☎";
  return el("span", { class: `avatar${phone.online ? "" : " off"}`, "aria-hidden": "true" }, letter);
}

function lastMessage(phone) {
  const message = phone.last_message;
  const unread = phone.unread ? el("span", { class: "count", role: "img", "aria-label": t("unread", phone.unread) }, String(phone.unread)) : null;
  if (!message && !unread) return null;
  const own = message?.direction === "inbound" && message.kind !== "reaction";
  return el("span", { class: "last" }, own ? ticks(message) : null,
    el("span", { class: "last-text small" }, message ? summary(message) : ""), unread);
}

function time(message) {
  const label = day(message.created);
  return el("time", { class: "small" }, label === t("today") ? clock(message.created) : label);
}

/** Return the rows of the phones, always in the order in which they were added. */
export function phoneRows(phones, open, choose) {
  const sorted = [...phones].sort((one, other) => one.seq - other.seq);
  return sorted.map((phone) => el("li", {},
    el("button", { type: "button", class: "phone-item", "data-phone": phone.key,
      "aria-current": open.includes(phone.key) ? "true" : null, onclick: () => choose(phone.key) },
    avatar(phone),
    el("span", { class: "who" },
      el("span", { class: "who-top" }, el("strong", {}, nameOf(phone)), phone.last_message ? time(phone.last_message) : null),
      el("span", { class: "small" }, script(phone) || phone.number || phone.key),
      lastMessage(phone)))));
}
