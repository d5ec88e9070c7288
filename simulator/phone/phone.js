// The page: a list of phones, the phones that are open, and their chats, live over SSE.

import { bubble, day, el, summary } from "/phone/bubbles.js";
import { currentLanguage, switchLanguage, t } from "/phone/texts.js";

const $ = (id) => document.getElementById(id);
const state = { phones: new Map(), senders: [], scripts: [], open: [], panels: new Map(), unread: new Map() };
const KEEP = 300;

async function call(method, path, body) {
  const response = await fetch(path, {
    method, headers: { "Content-Type": "application/json" }, body: body ? JSON.stringify(body) : undefined,
  });
  const data = response.status === 204 ? {} : await response.json();
  if (!response.ok) throw new Error(data.error || `HTTP ${response.status}`);
  return data;
}

const path = (phone, rest = "") => `/control/phones/${encodeURIComponent(phone.key)}${rest}`;
const script = (item) => (currentLanguage() === "es" ? item.script_es || item.text_es : item.script || item.text);
const bare = (address) => address.replace("whatsapp:", "");

function remember() {
  localStorage.setItem("open", JSON.stringify(state.open));
}

function sheet(...children) {
  const dialog = $("sheet");
  dialog.replaceChildren(...children);
  dialog.showModal();
  return dialog;
}

function ask(title, fields, done) {
  const inputs = fields.map(([name, value]) => el("input", { name, value, required: true, autocomplete: "off" }));
  const form = el("form", { class: "sheet", onsubmit: (event) => {
    event.preventDefault();
    $("sheet").close();
    done(Object.fromEntries(inputs.map((input) => [input.name, input.value])));
  } }, el("h2", {}, title),
  ...inputs.map((input) => el("label", {}, el("span", {}, t(input.name)), input)),
  el("div", { class: "sheet-buttons" },
    el("button", { type: "button", class: "ghost", onclick: () => $("sheet").close() }, t("cancel")),
    el("button", { type: "submit" }, t("send"))));
  sheet(form);
}

class Panel {
  constructor(phone) {
    this.phone = phone;
    this.sender = state.senders[0]?.number;
    this.messages = new Map();
    this.replyTo = null;
    this.build();
    this.load();
  }

  build() {
    this.list = el("ol", { class: "chat", "aria-live": "polite", tabindex: "0" });
    this.settings = el("div", { class: "settings" });
    this.tabs = el("div", { class: "tabs", role: "tablist" });
    this.notice = el("p", { class: "notice problem", role: "alert", hidden: true });
    this.typing = el("p", { class: "typing", role: "status", hidden: true });
    this.quote = el("div", { class: "replying", hidden: true });
    this.input = el("textarea", { rows: "1", "aria-label": t("write"), placeholder: t("write"), maxlength: "4096",
      onkeydown: (event) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); this.sendText(); } } });
    this.file = el("input", { type: "file", hidden: true, onchange: () => this.sendFile() });
    const composer = el("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); this.sendText(); } },
      this.menu(), this.input, this.file,
      el("button", { type: "submit", class: "round send", "aria-label": t("send"), title: t("send") }, "➤"));
    this.head = el("header", { class: "phone-head" });
    this.node = el("section", { class: "phone", "aria-label": this.phone.name || this.phone.key },
      this.head, this.settings, this.tabs, this.list, this.typing, this.notice, this.quote, composer);
    this.drawHead();
  }

  menu() {
    const item = (label, act) => el("button", { type: "button", role: "menuitem", onclick: () => { menu.open = false; act(); } }, label);
    const menu = el("details", { class: "attach", onkeydown: (event) => { if (event.key === "Escape") menu.open = false; } },
      el("summary", { "aria-label": t("attach"), title: t("attach"), class: "round" }, "+"),
      el("div", { class: "attach-menu", role: "menu" },
        item(t("photo"), () => this.pickFile("image", "image/*")),
        item(t("samplePhoto"), () => this.write({ kind: "image" })),
        item(t("voice"), () => this.write({ kind: "audio" })),
        item(t("document"), () => this.pickFile("document", "")),
        item(t("sticker"), () => this.write({ kind: "sticker" })),
        item(t("location"), () => ask(t("location"), [["latitude", "19.4326"], ["longitude", "-99.1332"], ["label", "Zócalo"]],
          (values) => this.write({ kind: "location", ...values }))),
        item(t("contact"), () => ask(t("contact"), [["name", "Contact"], ["phone", "+14155550123"]],
          (values) => this.write({ kind: "contacts", ...values })))));
    return menu;
  }

  drawHead() {
    const phone = this.phone;
    this.head.replaceChildren(
      el("span", { class: `avatar${phone.online ? "" : " off"}`, "aria-hidden": "true" }, (phone.name || "☎").slice(0, 1)),
      el("div", { class: "who" }, el("strong", {}, phone.name || phone.key),
        el("span", { class: "small" }, phone.number || `${phone.key} · ${t("noNumber")}`)),
      el("button", { type: "button", class: "ghost close", "aria-label": t("close"), title: t("close"), onclick: () => closePhone(phone.key) }, "×"));
    const box = (label, name) => el("label", { class: "check" },
      el("input", { type: "checkbox", checked: phone[name], onchange: (event) => this.change({ [name]: event.target.checked }) }), label);
    const open = phone.windows?.[this.sender]?.open;
    this.settings.replaceChildren(box(t("online"), "online"), box(t("readsItself"), "auto_read"),
      el("button", { type: "button", class: "link", title: t("window"),
        onclick: () => this.window(open ? "expire" : "open") },
      `24 h ${open ? t("open") : t("closed")} · ${open ? t("closeWindow") : t("openWindow")}`),
      ...(phone.script ? [el("span", { class: "badge" }, script(phone))] : []));
    this.tabs.hidden = state.senders.length < 2;
    this.tabs.replaceChildren(...state.senders.map((sender) => el("button", { type: "button", role: "tab",
      "aria-selected": String(sender.number === this.sender), onclick: () => this.choose(sender.number) },
    `${sender.name || ""} ${bare(sender.number)}`.trim(), this.unreadMark(sender.number))));
  }

  unreadMark(sender) {
    const waiting = [...this.messages.values()].filter((m) => m.sender === sender && m.direction !== "inbound" && m.status === "delivered").length;
    return waiting && sender !== this.sender ? el("span", { class: "count" }, String(waiting)) : null;
  }

  choose(sender) {
    this.sender = sender;
    this.drawHead();
    this.drawChat();
  }

  async load() {
    const { messages } = await call("GET", path(this.phone, "/messages"));
    this.messages = new Map(messages.map((message) => [message.sid, message]));
    const last = messages.at(-1);
    if (last) this.sender = last.sender;
    this.drawHead();
    this.drawChat();
  }

  shown() {
    return [...this.messages.values()].filter((m) => m.sender === this.sender && !m.deleted).slice(-KEEP);
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
    this.read();
  }

  bubble(message) {
    return bubble(message, this.messages.get(message.reply_to), {
      tap: (original, action) => this.write({ kind: "button", text: action.title, payload: action.id || action.title, reply_to: original.sid }),
      openList: (original) => this.openList(original),
      reply: (original) => this.setReply(original),
      react: (original) => this.write({ kind: "reaction", emoji: "👍", reply_to: original.sid }),
    });
  }

  update(message) {
    const known = this.messages.has(message.sid);
    this.messages.set(message.sid, message);
    if (message.sender !== this.sender) { this.drawHead(); return; }
    if (message.direction !== "inbound") this.typing.hidden = true;
    const old = known ? this.list.querySelector(`[data-sid="${message.sid}"]`) : null;
    if (old && !message.deleted) old.replaceWith(this.bubble(message));
    else this.drawChat();
    if (message.direction === "inbound") refreshPhone(this.phone.key);
    this.read();
  }

  read() {
    const waiting = this.shown().some((m) => m.direction !== "inbound" && m.status === "delivered");
    if (waiting && !document.hidden && !this.phone.script && this.phone.online) {
      call("POST", path(this.phone, "/read"), { sender: this.sender }).catch((error) => this.say(error));
    }
  }

  showTyping(sender, seconds) {
    if (sender !== this.sender) return;
    this.typing.textContent = t("typing");
    this.typing.hidden = false;
    setTimeout(() => { this.typing.hidden = true; }, seconds * 1000);
  }

  setReply(message) {
    this.replyTo = message;
    this.quote.hidden = !message;
    if (!message) return;
    this.quote.replaceChildren(el("span", {}, `${t("replyingTo")}: ${summary(message)}`),
      el("button", { type: "button", class: "ghost", "aria-label": t("cancel"), onclick: () => this.setReply(null) }, "×"));
    this.input.focus();
  }

  openList(message) {
    const tap = (item) => {
      $("sheet").close();
      this.write({ kind: "list", id: item.id, title: item.item, description: item.description, reply_to: message.sid });
    };
    sheet(el("div", { class: "sheet" }, el("h2", {}, message.content.button || t("openList")),
      ...message.content.items.map((item) => el("button", { type: "button", class: "option", onclick: () => tap(item) },
        el("strong", {}, item.item), item.description ? el("span", { class: "small" }, item.description) : null)),
      el("div", { class: "sheet-buttons" }, el("button", { type: "button", class: "ghost", onclick: () => $("sheet").close() }, t("cancel")))));
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
    reader.onload = () => this.write({ kind: this.fileKind, body: this.input.value.trim(), content_type: file.type || "application/octet-stream",
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
    try { setPhone(await call("PATCH", path(this.phone), values)); } catch (error) { this.say(error); }
  }

  async window(action) {
    try { setPhone(await call("POST", path(this.phone, "/window"), { action, sender: this.sender })); } catch (error) { this.say(error); }
  }

  say(error) {
    this.notice.hidden = !error;
    this.notice.textContent = error ? `${t("failedRequest")} ${error.message}` : "";
  }
}

function setPhone(phone) {
  state.phones.set(phone.key, { ...state.phones.get(phone.key), ...phone });
  const panel = state.panels.get(phone.key);
  if (panel) { panel.phone = state.phones.get(phone.key); panel.drawHead(); }
  drawPhones();
}

let refreshing = null;
function refreshPhone() {
  refreshing ??= setTimeout(async () => {
    refreshing = null;
    const { phones } = await call("GET", "/control/phones");
    phones.forEach(setPhone);
  }, 300);
}

function openPhone(key) {
  const room = Math.max(1, Math.floor($("stage").clientWidth / 380));
  state.unread.delete(key);
  if (!state.open.includes(key)) {
    state.open.push(key);
    while (state.open.length > room) state.panels.delete(state.open.shift());
    state.panels.set(key, new Panel(state.phones.get(key)));
  }
  document.body.classList.add("chatting");
  remember();
  drawPhones();
  drawStage();
  state.panels.get(key).input.focus();
}

function closePhone(key) {
  state.open = state.open.filter((other) => other !== key);
  state.panels.delete(key);
  if (!state.open.length) document.body.classList.remove("chatting");
  remember();
  drawPhones();
  drawStage();
}

function drawPhones() {
  $("phones").replaceChildren(...[...state.phones.values()].map((phone) => el("li", {},
    el("button", { type: "button", class: "phone-item", "aria-current": state.open.includes(phone.key) ? "true" : null, onclick: () => openPhone(phone.key) },
      el("span", { class: `avatar${phone.online ? "" : " off"}`, "aria-hidden": "true" }, (phone.name || "☎").slice(0, 1)),
      el("span", { class: "who" }, el("strong", {}, phone.name || phone.key),
        el("span", { class: "small" }, script(phone) || phone.number || phone.key)),
      state.unread.get(phone.key) ? el("span", { class: "count" }, String(state.unread.get(phone.key))) : null))));
}

function drawStage() {
  const nodes = state.open.map((key) => state.panels.get(key).node);
  $("stage").replaceChildren(...(nodes.length ? nodes : [el("p", { class: "pick" }, t("pick"))]));
  for (const key of state.open) {
    const list = state.panels.get(key).list;
    list.scrollTop = list.scrollHeight;
  }
}

function drawTexts() {
  document.documentElement.lang = currentLanguage();
  for (const [id, key] of [["title", "title"], ["back", "back"], ["language", "language"], ["number-label", "addLabel"],
    ["add-button", "add"], ["scripts-title", "scripts"], ["scripts-hint", "scriptsHint"]]) $(id).textContent = t(key);
  $("back").prepend("‹ ");
  $("scripts").replaceChildren(...state.scripts.map((row) => el("tr", {}, el("td", {}, el("code", {}, row.number)), el("td", {}, script(row)))));
}

function rebuild() {
  for (const key of state.open) state.panels.set(key, new Panel(state.phones.get(key)));
  drawTexts();
  drawPhones();
  drawStage();
}

async function load() {
  const [{ phones }, { senders }, { numbers }] = await Promise.all(
    ["/control/phones", "/control/senders", "/control/outcomes"].map((url) => call("GET", url)));
  state.phones = new Map(phones.map((phone) => [phone.key, phone]));
  state.senders = senders;
  state.scripts = numbers;
  const stored = JSON.parse(localStorage.getItem("open") || "null") || phones.slice(0, 1).map((phone) => phone.key);
  const room = Math.max(1, Math.floor($("stage").clientWidth / 380));
  state.open = (state.open.length ? state.open : stored).filter((key) => state.phones.has(key)).slice(-room);
  if (state.open.length) document.body.classList.add("chatting");
  rebuild();
}

function receive(event) {
  const data = JSON.parse(event.data);
  if (data.type === "reset") return load();
  if (data.type === "phone") return setPhone(data.phone);
  const panel = state.panels.get(data.phone);
  if (data.type === "typing") return panel?.showTyping(data.sender, data.seconds);
  if (panel) return panel.update(data.message);
  if (data.message.direction !== "inbound" && data.message.status === "delivered") {
    state.unread.set(data.phone, (state.unread.get(data.phone) || 0) + 1);
    drawPhones();
  }
  return undefined;
}

function listen() {
  const source = new EventSource("/phone/events");
  let lost = false;
  source.onopen = () => { $("live").textContent = t("live"); $("live").classList.add("on"); if (lost) load(); lost = false; };
  source.onerror = () => { $("live").textContent = t("offline"); $("live").classList.remove("on"); lost = true; };
  source.onmessage = receive;
}

$("language").addEventListener("click", () => { switchLanguage(); $("live").textContent = t("live"); rebuild(); });
$("back").addEventListener("click", () => document.body.classList.remove("chatting"));
$("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = $("number").value.replace(/[\s()-]/g, "");
  const known = state.phones.get(value);
  try {
    if (!known) setPhone(await call("POST", "/control/phones", /^[A-Z]{2}\./.test(value) ? { user_id: value } : { number: value }));
    $("number").value = "";
    $("add-error").hidden = true;
    openPhone(value);
  } catch (error) {
    $("add-error").textContent = error.message;
    $("add-error").hidden = false;
  }
});
document.addEventListener("visibilitychange", () => state.panels.forEach((panel) => panel.read()));
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.attach[open]")) if (!menu.contains(event.target)) menu.open = false;
});

load().then(listen);
