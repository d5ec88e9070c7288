// One message as a bubble. Text from outside only ever goes in as textContent.

import { currentLanguage, t } from "/phone/texts.js";

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

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

function ticks(message) {
  const states = message.direction === "inbound" ? ownState(message) : businessState(message);
  const [marks, kind, name] = states;
  return el("span", { class: `ticks ${kind}`, role: "img", "aria-label": name, title: name }, marks);
}

function businessState(message) {
  const name = t("status")[message.status] || message.status;
  if (FAILED.has(message.status)) return ["!", "bad", name];
  if (message.status === "read") return ["✓✓", "blue", name];
  if (message.status === "delivered") return ["✓✓", "grey", name];
  if (message.status === "sent") return ["✓", "grey", name];
  return ["◷", "grey", name];
}

function ownState(message) {
  if (message.webhook_error) return ["!", "bad", problem(message)];
  if (message.details.read_by_business) return ["✓✓", "blue", t("status").read];
  if (message.webhook_status) return ["✓✓", "grey", t("status").taken];
  return ["✓", "grey", t("status").written];
}

function problem(message) {
  if (message.direction !== "inbound") return t("failed", message.error_code, message.error_message || "");
  return message.webhook_status ? t("webhookAnswered", message.webhook_status) : t("webhookSilent");
}

function mediaNode(item) {
  if (!item.url) return el("p", { class: "small" }, item.source_url || "");
  const kind = item.content_type.split("/")[0];
  if (kind === "image") return el("img", { class: "picture", src: item.url, alt: "", loading: "lazy" });
  if (kind === "audio") return el("audio", { controls: true, src: item.url, preload: "none", "aria-label": t("audio") });
  if (kind === "video") return el("video", { class: "picture", controls: true, src: item.url, preload: "metadata" });
  const vcard = item.content_type.includes("vcard");
  return el("a", { class: "file", href: item.url, download: vcard ? "contact.vcf" : "document" },
    el("span", { class: "file-icon", "aria-hidden": "true" }, vcard ? "☎" : "▤"),
    vcard ? t("contact") : item.content_type);
}

function place(details) {
  return el("div", { class: "place" }, el("span", { class: "pin", "aria-hidden": "true" }, "◉"),
    el("div", {}, el("strong", {}, details.label || t("location")),
      el("div", { class: "small" }, `${details.latitude}, ${details.longitude}`),
      details.address ? el("div", { class: "small" }, details.address) : null));
}

function text(value, className = "text") {
  return value ? el("p", { class: className }, value) : null;
}

function ownContent(message) {
  const details = message.details;
  switch (message.kind) {
    case "location": return [place(details)];
    case "contacts": return [text(details.name, "name"), text(details.phone, "small")];
    case "reaction": return [text(details.emoji || "👍", "emoji")];
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

export function summary(message) {
  return message.body || (message.kind === "location" ? t("location") : t("unsupported"));
}

export function bubble(message, original, acts) {
  const own = message.direction === "inbound";
  const failed = own ? Boolean(message.webhook_error) : FAILED.has(message.status);
  const waits = !own && !ON_PHONE.has(message.status);
  const rich = message.content !== null && message.content !== undefined;
  const quote = original ? el("blockquote", { class: "quote" }, summary(original)) : null;
  const content = rich ? richContent(message)
    : own ? ownContent(message) : message.kind === "location" ? [place(message.details), text(message.body)] : [text(message.body)];
  const tools = own ? null : el("span", { class: "tools" },
    el("button", { class: "tool", type: "button", title: t("reply"), "aria-label": t("reply"), onclick: () => acts.reply(message) }, "↩"),
    el("button", { class: "tool", type: "button", title: t("react"), "aria-label": t("react"), onclick: () => acts.react(message) }, "☺"));
  return el("li", { class: `row ${own ? "own" : "theirs"}`, "data-sid": message.sid },
    el("article", { class: `bubble${waits ? " waits" : ""}${failed ? " failed" : ""}` },
      message.details.template ? el("span", { class: "badge" }, t("template")) : null, quote,
      ...message.media.map(mediaNode), ...content,
      el("footer", { class: "meta" }, el("time", {}, clock(message.created)), ticks(message)),
      actionButtons(message, acts), failed ? el("p", { class: "problem" }, problem(message)) : null),
    tools);
}
