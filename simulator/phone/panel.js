// One open phone: its switches, its chat, and what the person does there.

import { call, path } from "/phone/api.js";
import { bubble, day, emojiOf, summary } from "/phone/bubbles.js";
import { ask, chooseEmoji, chooseItem } from "/phone/dialogs.js";
import { el } from "/phone/dom.js";
import { avatar, nameOf, script } from "/phone/list.js";
import { state } from "/phone/state.js";
import { t } from "/phone/texts.js";

const KEEP = 300;
const DEGREES = { type: "number", step: "any", min: "-180", max: "180" };
const bare = (address) => address.replace("whatsapp:", "");

/** `page` closes the phone with `close(key)`, and shows a changed one with `changed(phone)`. */
export class Panel {
  constructor(phone, page) {
    this.phone = phone;
    this.page = page;
    this.sender = state.senders[0]?.number;
    this.messages = new Map();
    this.replyTo = null;
    this.build();
    this.opened = this.load().catch((error) => this.say(error));
  }

  build() {
    this.buildList();
    this.unread = el("button", { type: "button", class: "unread", hidden: true, onclick: () => this.readNow() });
    this.buildSettings();
    this.tabs = el("div", { class: "tabs", role: "tablist" });
    this.notice = el("p", { class: "notice problem", role: "alert", hidden: true });
    this.typing = el("p", { class: "typing", role: "status", hidden: true });
    this.quote = el("div", { class: "replying", hidden: true });
    this.input = el("textarea", { rows: "1", "aria-label": t("write"), placeholder: t("write"), maxlength: "4096",
      onfocus: () => this.readNow(),
      onkeydown: (event) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); this.sendText(); } } });
    this.file = el("input", { type: "file", hidden: true, onchange: () => this.sendFile() });
    const composer = el("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); this.sendText(); } },
      this.menu(), this.input, this.file,
      el("button", { type: "submit", class: "round send", "aria-label": t("send"), title: t("send") }, "➤"));
    this.head = el("header", { class: "phone-head" });
    this.node = el("section", { class: "phone", "aria-label": nameOf(this.phone), "data-phone": this.phone.key },
      this.head, this.settings, this.tabs, this.list, this.unread, this.typing, this.notice, this.quote, composer);
    this.drawHead();
  }

  buildList() {
    this.list = el("ol", { class: "chat", "aria-live": "polite", tabindex: "0", onpointerdown: () => this.readNow() });
    let atEnd = true;
    this.list.addEventListener("scroll", () => { atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 60; });
    // A picture has no height until it is loaded; load events are seen in the capturing phase only.
    const grow = () => { if (atEnd) this.list.scrollTop = this.list.scrollHeight; };
    for (const name of ["load", "loadedmetadata"]) this.list.addEventListener(name, grow, true);
  }

  buildSettings() {
    const box = (name) => el("input", { type: "checkbox", onchange: (event) => this.change({ [name]: event.target.checked }) });
    this.boxes = { online: box("online"), auto_read: box("auto_read") };
    this.windowState = el("span", { role: "status" });
    this.windowButton = el("button", { type: "button", class: "link", onclick: () => this.window(this.windowIsOpen() ? "expire" : "open") });
    this.script = el("span", { class: "badge" });
    this.settings = el("div", { class: "settings" },
      el("label", { class: "check" }, this.boxes.online, t("online")),
      el("label", { class: "check" }, this.boxes.auto_read, t("readsItself")),
      el("span", { class: "window" }, this.windowState, this.windowButton), this.script);
  }

  windowIsOpen() {
    const window = this.phone.windows?.[this.sender];
    return Boolean(window?.open) && (window.closes_at === null || window.closes_at > Date.now() / 1000);
  }

  drawSettings() {
    for (const [name, box] of Object.entries(this.boxes)) box.checked = this.phone[name];
    const open = this.windowIsOpen();
    this.windowState.textContent = `${t("window")}: ${open ? t("open") : t("closed")}`;
    this.windowState.className = open ? "state-open" : "state-closed";
    this.windowButton.textContent = open ? t("closeWindow") : t("openWindow");
    this.script.hidden = !this.phone.script;
    this.script.textContent = script(this.phone) || "";
  }

  menu() {
    const item = (label, act) => el("button", { type: "button", role: "menuitem", onclick: () => { menu.open = false; act(); } }, label);
    const menu = el("details", { class: "attach", onkeydown: (event) => { if (event.key === "Escape") menu.open = false; } },
      el("summary", { "aria-label": t("attach"), title: t("attach"), class: "round" }, "+"),
      el("div", { class: "attach-menu", role: "menu" },
        item(t("photo"), () => this.pickFile("image", "image/*,video/*")),
        item(t("document"), () => this.pickFile("document", "")),
        ...["image", "audio", "video", "document", "sticker"].map((kind) => item(t("samples")[kind], () => this.write({ kind }))),
        item(t("location"), () => ask(t("location"), [["latitude", "19.4326", DEGREES], ["longitude", "-99.1332", DEGREES], ["label", "Zócalo"]],
          (values) => this.write({ kind: "location", ...values }))),
        item(t("contact"), () => ask(t("contact"), [["name", "Ana"], ["phone", "+14155550123"]],
          (values) => this.write({ kind: "contacts", ...values })))));
    return menu;
  }

  drawHead() {
    const phone = this.phone;
    this.head.replaceChildren(avatar(phone),
      el("div", { class: "who" }, el("strong", {}, nameOf(phone)),
        el("span", { class: "small" }, phone.number || `${phone.key} · ${t("noNumber")}`)),
      el("button", { type: "button", class: "ghost close", "aria-label": t("close"), title: t("close"), onclick: () => this.page.close(phone.key) }, "×"));
    this.drawSettings();
    this.drawUnread();
    this.input.disabled = !this.sender;
    this.tabs.hidden = state.senders.length < 2;
    this.tabs.replaceChildren(...state.senders.map((sender) => el("button", { type: "button", role: "tab",
      "aria-selected": String(sender.number === this.sender), onclick: () => this.choose(sender.number) },
    `${sender.name || ""} ${bare(sender.number)}`.trim(), this.unreadMark(sender.number))));
  }

  waiting(sender) {
    return [...this.messages.values()].filter((m) => m.sender === sender && !m.deleted && m.status === "delivered").length;
  }

  unreadMark(sender) {
    const waiting = this.waiting(sender);
    return waiting && sender !== this.sender ? el("span", { class: "count", role: "img", "aria-label": t("unread", waiting) }, String(waiting)) : null;
  }

  drawUnread() {
    const waiting = this.waiting(this.sender);
    this.unread.hidden = !waiting || this.phone.auto_read || !this.mayRead();
    this.unread.textContent = `${t("unread", waiting)} · ${t("markRead")}`;
  }

  choose(sender) {
    this.sender = sender;
    this.hideTyping();
    this.drawHead();
    this.drawChat();
    this.readNow();
  }

  async load() {
    const { messages } = await call("GET", path(this.phone, "/messages"));
    this.messages = new Map(messages.map((message) => [message.sid, message]));
    const last = messages.at(-1);
    if (last) this.sender = last.sender;
    this.drawHead();
    this.drawChat();
  }

  ownReaction(message) {
    const own = this.reactions(message.sid).find((reaction) => reaction.direction === "inbound");
    return own && emojiOf(own);
  }

  shown() {
    return [...this.messages.values()].filter((m) => m.sender === this.sender && !m.deleted && !this.reactsTo(m)).slice(-KEEP);
  }

  reactsTo(message) {
    return message.kind === "reaction" ? this.messages.get(message.reply_to) : undefined;
  }

  /** Return the reactions to a message: each side's last one counts, and an empty one removes it. */
  reactions(sid) {
    const last = new Map();
    for (const message of this.messages.values()) {
      if (message.kind === "reaction" && message.reply_to === sid && !message.deleted) last.set(message.direction, message);
    }
    return [...last.values()].filter((message) => message.details.emoji !== "");
  }

  drawChat() {
    const nodes = [];
    let previous = "";
    for (const message of this.shown()) {
      const label = day(message.created);
      if (label !== previous) nodes.push(el("li", { class: "day" }, el("span", {}, label)));
      previous = label;
      nodes.push(this.bubble(message));
    }
    if (!nodes.length) nodes.push(el("li", { class: "empty" }, this.sender ? t("empty") : t("noBusiness")));
    this.list.replaceChildren(...nodes);
    this.list.scrollTop = this.list.scrollHeight;
    this.drawUnread();
    this.readByItself();
  }

  bubble(message) {
    return bubble(message, this.messages.get(message.reply_to), this.reactions(message.sid), {
      tap: (original, action) => this.write({ kind: "button", text: action.title, payload: action.id || action.title, reply_to: original.sid }),
      openList: (original) => chooseItem(original.content, (item) => this.write({ kind: "list", id: item.id, title: item.item,
        description: item.description, reply_to: original.sid })),
      reply: (original) => this.setReply(original),
      react: (original) => chooseEmoji(this.ownReaction(original), (emoji) => this.write({ kind: "reaction", emoji, reply_to: original.sid })),
    });
  }

  update(message) {
    const known = this.messages.has(message.sid);
    this.messages.set(message.sid, message);
    if (message.sender !== this.sender) { this.drawHead(); return; }
    if (!known && message.direction !== "inbound") this.hideTyping();
    const changed = this.reactsTo(message) || (known ? message : null);
    const old = changed && this.list.querySelector(`[data-sid="${changed.sid}"]`);
    if (old && !message.deleted) old.replaceWith(this.bubble(changed));
    else this.drawChat();
    this.drawUnread();
    this.readByItself();
  }

  /** A phone that is off sends no receipts, and a scripted number reads as its script says. */
  mayRead() {
    return this.phone.online && !this.phone.script;
  }

  readByItself() {
    if (this.phone.auto_read && !document.hidden) this.readNow();
  }

  /** Read what waits in the chat, because the person opened it or did something there. */
  readNow() {
    if (!this.waiting(this.sender) || !this.mayRead()) return;
    call("POST", path(this.phone, "/read"), { sender: this.sender }).catch((error) => this.say(error));
  }

  showTyping(sender, seconds) {
    if (sender !== this.sender) return;
    this.typing.textContent = t("typing");
    this.typing.hidden = false;
    clearTimeout(this.typingEnds);
    this.typingEnds = setTimeout(() => this.hideTyping(), seconds * 1000);
  }

  hideTyping() {
    clearTimeout(this.typingEnds);
    this.typing.hidden = true;
  }

  setReply(message) {
    this.replyTo = message;
    this.quote.hidden = !message;
    if (!message) return;
    this.quote.replaceChildren(el("span", {}, `${t("replyingTo")}: ${summary(message)}`),
      el("button", { type: "button", class: "ghost", "aria-label": t("cancel"), onclick: () => this.setReply(null) }, "×"));
    this.input.focus();
  }

  pickFile(kind, accept) {
    this.fileKind = kind;
    this.file.accept = accept;
    this.file.click();
  }

  sendFile() {
    const file = this.file.files[0];
    if (!file) return;
    const reader = new FileReader();
    const kind = file.type.startsWith("video/") && this.fileKind === "image" ? "video" : this.fileKind;
    reader.onload = () => this.write({ kind, body: this.input.value.trim(), content_type: file.type || "application/octet-stream",
      media_base64: reader.result.split(",")[1] }).then(() => { this.input.value = ""; });
    reader.readAsDataURL(file);
    this.file.value = "";
  }

  sendText() {
    const body = this.input.value.trim();
    if (!body) return;
    this.input.value = "";
    this.write({ kind: "text", body });
  }

  async write(message) {
    this.readNow();
    try {
      const reply = this.replyTo ? { reply_to: this.replyTo.sid } : {};
      this.setReply(null);
      await call("POST", path(this.phone, "/messages"), { to: this.sender, ...reply, ...message });
      this.say(null);
    } catch (error) {
      this.say(error);
    }
  }

  async change(values) {
    try { this.page.changed(await call("PATCH", path(this.phone), values)); } catch (error) { this.say(error); this.drawSettings(); }
  }

  async window(action) {
    try { this.page.changed(await call("POST", path(this.phone, "/window"), { action, sender: this.sender })); } catch (error) { this.say(error); }
  }

  /** The person opens the chat, and so reads it. */
  open() {
    this.input.focus();
    this.opened.then(() => this.readNow());
  }

  say(error) {
    this.notice.hidden = !error;
    this.notice.textContent = error ? `${t("failedRequest")} ${error.message}` : "";
  }
}
