// One message as a bubble.

import { el } from "/phone/dom.js";
import { formatted, plain } from "/phone/format.js";
import { mediaKind, mediaNode } from "/phone/media.js";
import { currentLanguage, t } from "/phone/texts.js";

const FAILED = new Set(["failed", "undelivered", "canceled"]);
const ON_PHONE = new Set(["delivered", "read"]);

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(currentLanguage(), { hour: "2-digit", minute: "2-digit" });
}

export function day(seconds) {
  const date = new Date(seconds * 1000);
  const ago = Math.round((new Date().setHours(0, 0, 0, 0) - date.setHours(0, 0, 0, 0)) / 86400000);
  if (ago === 0) return t("today");
  if (ago === 1) return t("yesterday");
  return date.toLocaleDateString(currentLanguage(), { day: "numeric", month: "long", year: "numeric" });
}

/** Return the ticks of a message that the person wrote. What the person received has none. */
export function ticks(message) {
  const [marks, kind, name] = ownState(message);
  return el("span", { class: `ticks ${kind}`, role: "img", "aria-label": name, title: name }, marks);
}

function ownState(message) {
  if (message.webhook_error) return ["!", "bad", problem(message)];
  if (message.details.read_by_business) return ["✓✓", "blue", t("status").read];
  if (message.webhook_status) return ["✓✓", "grey", t("status").taken];
  return ["✓", "grey", t("status").written];
}

const statusName = (message) => t("status")[message.status] || message.status;

function problem(message) {
  if (message.direction === "inbound") {
    return message.webhook_status ? t("webhookAnswered", message.webhook_status) : t("webhookSilent");
  }
  if (!message.error_code) return statusName(message);
  return t("failed", message.error_code, t("errors")[message.error_code] || message.error_message || "");
}

function place(details) {
  return el("div", { class: "place" }, el("span", { class: "pin", "aria-hidden": "true" }, "◉"),
    el("div", {}, el("strong", {}, details.label || t("location")),
      el("div", { class: "small" }, `${details.latitude}, ${details.longitude}`),
      details.address ? el("div", { class: "small" }, details.address) : null));
}

function text(value, className = "text") {
  return value ? el("p", { class: className }, ...(className === "text" ? formatted(value) : [value])) : null;
}

function ownContent(message) {
  const details = message.details;
  switch (message.kind) {
    case "location": return [place(details)];
    case "contacts": return [text(details.name, "name"), text(details.phone, "small")];
    case "reaction": return details.emoji === "" ? [text(summary(message))] : [text(emojiOf(message), "emoji")];
    case "referral": return [text((details.referral || {}).headline, "name"), text(message.body)];
    default: return [text(message.body)];
  }
}

function richContent(message) {
  const content = message.content;
  const nodes = [text(content.header_text, "name"), text(content.title, "name"), text(content.body),
    text(content.subtitle, "small"), text(content.footer, "small")];
  if (content.type === "twilio/location") nodes.push(place(content));
  for (const card of content.cards || []) {
    nodes.push(el("div", { class: "card" }, text(card.title, "name"), text(card.body)));
  }
  return nodes;
}

function actionButtons(message, acts) {
  const content = message.content || {};
  const actions = [...(content.actions || []), ...(content.cards || []).flatMap((card) => card.actions || [])];
  const nodes = actions.map((action) => {
    if (action.type === "URL") {
      const safe = /^https?:/i.test(action.url || "");
      return el("a", { class: "action", href: safe ? action.url : "#", target: "_blank", rel: "noopener noreferrer" }, `↗ ${action.title}`);
    }
    if (action.type === "PHONE_NUMBER") return el("span", { class: "action" }, `☎ ${action.title}`);
    if (action.type === "COPY_CODE") return el("button", { class: "action", type: "button", onclick: () => navigator.clipboard?.writeText(action.code || "") }, `⧉ ${action.title || action.copy_code_text || action.code}`);
    return el("button", { class: "action", type: "button", onclick: () => acts.tap(message, action) }, `↩ ${action.title}`);
  });
  if (content.type === "twilio/list-picker") {
    nodes.push(el("button", { class: "action", type: "button", onclick: () => acts.openList(message) }, `☰ ${content.button || t("openList")}`));
  }
  return nodes.length ? el("div", { class: "actions" }, ...nodes) : null;
}

const ICONS = { image: "📷", audio: "🎤", video: "🎬", document: "📄", sticker: "💟", location: "📍", contacts: "👤" };

function kindOf(message) {
  return message.media.length ? mediaKind(message.media[0].content_type) : message.kind;
}

/** Return the message in one line, for a quotation and for the list of phones. */
export function summary(message) {
  const kind = kindOf(message);
  if (kind === "reaction") return message.details.emoji === "" ? t("unreacted") : t("reacted", emojiOf(message));
  const body = message.body ? plain(message.body) : t("kinds")[kind] || t("kinds").text;
  return ICONS[kind] ? `${ICONS[kind]} ${body}` : body;
}

export const emojiOf = (message) => message.details.emoji || "👍";

function reactionPill(reactions) {
  if (!reactions.length) return null;
  return el("div", { class: "reactions" }, ...reactions.map((reaction) => {
    const failed = Boolean(reaction.webhook_error);
    const label = failed ? problem(reaction) : summary(reaction);
    return el("span", { class: `reaction${failed ? " bad" : ""}`, title: label, role: "img", "aria-label": `${emojiOf(reaction)} ${label}` }, emojiOf(reaction));
  }));
}

function content(message) {
  if (message.content !== null && message.content !== undefined) return richContent(message);
  if (message.direction === "inbound") return ownContent(message);
  return message.kind === "location" ? [place(message.details), text(message.body)] : [text(message.body)];
}

function tools(message, acts) {
  const tool = (label, mark, act) => el("button", { class: "tool", type: "button", title: label, "aria-label": label, onclick: () => act(message) }, mark);
  return el("span", { class: "tools" }, tool(t("reply"), "↩", acts.reply), tool(t("react"), "☺", acts.react));
}

/** Return the row of a message. `original` is the one it replies to, `reactions` those to it. */
export function bubble(message, original, reactions, acts) {
  const own = message.direction === "inbound";
  const failed = own ? Boolean(message.webhook_error) : FAILED.has(message.status);
  const waits = !own && !failed && !ON_PHONE.has(message.status);
  const sticker = kindOf(message) === "sticker";
  const classes = ["bubble", ...(waits ? ["waits"] : []), ...(failed ? ["failed"] : []), ...(sticker ? ["bare"] : [])];
  return el("li", { class: `row ${own ? "own" : "theirs"}${reactions.length ? " reacted" : ""}`, "data-sid": message.sid },
    el("article", { class: classes.join(" ") },
      message.details.template ? el("span", { class: "badge" }, t("template")) : null,
      original ? el("blockquote", { class: "quote" }, summary(original)) : null,
      ...message.media.map(mediaNode), ...content(message),
      el("footer", { class: "meta" }, waits ? el("span", { class: "waiting" }, `${t("waiting")} (${statusName(message)})`) : null,
        el("time", {}, clock(message.created)), own ? ticks(message) : null),
      actionButtons(message, acts), failed ? el("p", { class: "problem" }, problem(message)) : null,
      reactionPill(reactions)),
    own ? null : tools(message, acts));
}
