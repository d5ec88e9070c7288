// The dialogs: a place, a contact, an item of a list, a reaction.

import { el } from "/phone/dom.js";
import { t } from "/phone/texts.js";

const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const dialog = document.getElementById("sheet");

function show(node) {
  dialog.replaceChildren(node);
  dialog.showModal();
}

function buttons(...more) {
  return el("div", { class: "sheet-buttons" },
    el("button", { type: "button", class: "ghost", onclick: () => dialog.close() }, t("cancel")), ...more);
}

/** Ask for the values of the fields, each [name, value, attributes], and pass them on by name. */
export function ask(title, fields, done) {
  const inputs = fields.map(([name, value, attributes]) => el("input", { name, value, required: true, autocomplete: "off", ...attributes }));
  show(el("form", { class: "sheet", onsubmit: (event) => {
    event.preventDefault();
    dialog.close();
    done(Object.fromEntries(inputs.map((input) => [input.name, input.value])));
  } }, el("h2", {}, title), ...inputs.map((input) => el("label", {}, el("span", {}, t(input.name)), input)),
  buttons(el("button", { type: "submit" }, t("send")))));
}

/** Ask for one item of a list message. */
export function chooseItem(content, done) {
  const choose = (item) => { dialog.close(); done(item); };
  show(el("div", { class: "sheet" }, el("h2", {}, content.button || t("openList")),
    ...content.items.map((item) => el("button", { type: "button", class: "option", onclick: () => choose(item) },
      el("strong", {}, item.item), item.description ? el("span", { class: "small" }, item.description) : null)),
    buttons()));
}

/** Ask for a reaction. The current one, chosen again, becomes an empty text, which removes it. */
export function chooseEmoji(current, done) {
  const choose = (emoji) => { dialog.close(); done(emoji === current ? "" : emoji); };
  show(el("div", { class: "sheet" }, el("h2", {}, t("react")),
    el("div", { class: "emoji-choice" }, ...EMOJI.map((emoji) => el("button", { type: "button", class: "option",
      "aria-pressed": String(emoji === current), onclick: () => choose(emoji) }, emoji))),
    buttons()));
}
