// The pictures, stickers, voice notes and files of a message.

import { el } from "/phone/dom.js";
import { t } from "/phone/texts.js";

/** Return image, sticker, audio, video, contacts or document. A WebP picture is a sticker. */
export function mediaKind(contentType) {
  if (contentType === "image/webp") return "sticker";
  if (contentType.includes("vcard")) return "contacts";
  const family = contentType.split("/")[0];
  return ["image", "audio", "video"].includes(family) ? family : "document";
}

export function mediaNode(item) {
  if (!item.url) return el("p", { class: "small" }, item.source_url || "");
  const kind = mediaKind(item.content_type);
  if (kind === "image") return el("img", { class: "picture", src: item.url, alt: t("kinds").image, loading: "lazy" });
  if (kind === "sticker") return el("img", { class: "sticker", src: item.url, alt: t("kinds").sticker });
  if (kind === "video") return el("video", { class: "picture", controls: true, src: item.url, preload: "metadata" });
  return kind === "audio" ? voice(item) : file(item, kind);
}

function voice(item) {
  const length = el("span", { class: "length", title: t("length") });
  const audio = el("audio", {
    controls: true, src: item.url, preload: "metadata", "aria-label": t("kinds").audio,
    onloadedmetadata: () => { length.textContent = minutes(audio.duration); },
  });
  return el("div", { class: "voice" }, el("span", { "aria-hidden": "true" }, "🎤"), audio, length);
}

/** Return 0:07 for seven seconds; nothing for a recording that does not tell its length. */
function minutes(duration) {
  if (!Number.isFinite(duration)) return "";
  const seconds = Math.max(1, Math.round(duration));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function file(item, kind) {
  const contact = kind === "contacts";
  return el("a", { class: "file", href: item.url, download: contact ? "contact.vcf" : "document" },
    el("span", { class: "file-icon", "aria-hidden": "true" }, contact ? "☎" : "▤"),
    contact ? t("contact") : item.content_type);
}
