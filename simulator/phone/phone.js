// The page: a list of phones, the phones that are open, and their chats, live over SSE.

import { call } from "/phone/api.js";
import { el } from "/phone/dom.js";
import { phoneRows, script } from "/phone/list.js";
import { Panel } from "/phone/panel.js";
import { state } from "/phone/state.js";
import { currentLanguage, switchLanguage, t } from "/phone/texts.js";

const $ = (id) => document.getElementById(id);
const NUMBER = /^\+[1-9]\d{6,14}$/;
const USER_ID = /^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/;

function remember() {
  localStorage.setItem("open", JSON.stringify(state.open));
}

function setPhone(phone) {
  state.phones.set(phone.key, { ...state.phones.get(phone.key), ...phone });
  const panel = state.panels.get(phone.key);
  if (panel) { panel.phone = state.phones.get(phone.key); panel.drawHead(); panel.readByItself(); }
  drawPhones();
}

const newPanel = (key) => new Panel(state.phones.get(key), { close: closePhone, changed: setPhone });

function openPhone(key) {
  const room = Math.max(1, Math.floor($("stage").clientWidth / 380));
  if (!state.open.includes(key)) {
    state.open.push(key);
    while (state.open.length > room) state.panels.delete(state.open.shift());
    state.panels.set(key, newPanel(key));
  }
  document.body.classList.add("chatting");
  remember();
  drawPhones();
  drawStage();
  state.panels.get(key).open();
}

/** Return the key of the phone with this number or user id, which is added if it is not there. */
async function addPhone(value) {
  const known = [...state.phones.values()].find((phone) => phone.key === value || phone.user_id === value);
  if (known) return known.key;
  const isUserId = USER_ID.test(value);
  if (!isUserId && !NUMBER.test(value)) throw new Error(t("badNumber"));
  const phone = await call("POST", "/control/phones", isUserId ? { user_id: value } : { number: value });
  setPhone(phone);
  return phone.key;
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
  const focused = document.activeElement?.closest(".phone-item")?.dataset.phone;
  const rows = phoneRows(state.phones.values(), state.open, openPhone);
  $("phones").replaceChildren(...rows);
  if (focused) $("phones").querySelector(`[data-phone="${CSS.escape(focused)}"]`)?.focus();
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
  document.title = `${t("title")} · ${t("simulator")}`;
  drawLive();
  for (const [id, key] of [["title", "title"], ["back", "back"], ["language", "language"], ["number-label", "addLabel"],
    ["add-button", "add"], ["scripts-title", "scripts"], ["scripts-hint", "scriptsHint"]]) $(id).textContent = t(key);
  $("back").prepend("‹ ");
  $("scripts").replaceChildren(...state.scripts.map((row) => el("tr", {}, el("td", {}, el("code", {}, row.number)), el("td", {}, script(row)))));
}

function rebuild() {
  for (const key of state.open) state.panels.set(key, newPanel(key));
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
  const phone = state.phones.get(data.phone);
  if (phone) Object.assign(phone, { last_message: data.last_message, unread: data.unread });
  drawPhones();
  return panel?.update(data.message);
}

function drawLive() {
  $("live").textContent = state.live === null ? "" : t(state.live ? "live" : "offline");
  $("live").classList.toggle("on", state.live === true);
}

function setLive(live) {
  state.live = live;
  drawLive();
}

function listen() {
  const source = new EventSource("/phone/events");
  let lost = false;
  source.onopen = () => { setLive(true); if (lost) load(); lost = false; };
  source.onerror = () => { setLive(false); lost = true; };
  source.onmessage = receive;
}

$("language").addEventListener("click", () => { switchLanguage(); $("add-error").hidden = true; rebuild(); });
$("back").addEventListener("click", () => document.body.classList.remove("chatting"));
$("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    openPhone(await addPhone($("number").value.replace(/[\s()-]/g, "")));
    $("number").value = "";
    $("add-error").hidden = true;
  } catch (error) {
    $("add-error").textContent = error.message;
    $("add-error").hidden = false;
  }
});
document.addEventListener("visibilitychange", () => state.panels.forEach((panel) => panel.readByItself()));
// The window closes by itself, too.
setInterval(() => state.panels.forEach((panel) => panel.drawSettings()), 20000);
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.attach[open]")) if (!menu.contains(event.target)) menu.open = false;
});

load().then(listen);
