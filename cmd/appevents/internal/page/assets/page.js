"use strict";
// Swaps fragments by id, posts forms without leaving the page, and listens to a few keys. The page works without it.
const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const most = { log: 80, rows: 60 }; // what the lists hold, so that a long session stays quick
const mostCalls = 180;
const state = { paused: false, held: [], stale: false, tab: "counted", filter: "", rev: document.body.dataset.rev };
const later = new Map(); // panels that hold what somebody is typing wait until they are done
root.classList.add("js");

function element(html) {
  const t = document.createElement("template");
  t.innerHTML = html; // rendered by html/template, and the page's policy runs no script in it
  return t.content;
}

function focusables(el) {
  return [...el.querySelectorAll("button, a, input, select, summary, [tabindex]")];
}

// What somebody opened stays open, with what was loaded into it.
function keepOpen(old, now) {
  if (!old || !now) return;
  const before = [...old.querySelectorAll("details")];
  [...now.querySelectorAll("details")].forEach((d, i) => {
    const was = d.id ? before.find((b) => b.id === d.id) : before[i];
    if (!was?.open) return;
    const loaded = was.querySelector(":scope > .inside");
    if (loaded) d.querySelector(":scope > .inside, :scope > .nojs")?.replaceWith(loaded);
    if (d.dataset.rev === was.dataset.rev) d.dataset.loaded = d.dataset.rev;
    d.open = true;
  });
}

function insert(list, now) {
  const n = Number(now.dataset.n);
  let before = list.lastElementChild;
  while (before && Number(before.dataset.n ?? -1) > n) before = before.previousElementSibling;
  if (before) before.after(now);
  else list.prepend(now);
  list.querySelector(":scope > .empty")?.remove();
  let calls = list.querySelectorAll(".call").length;
  while (list.childElementCount > most[list.id] || calls > mostCalls) {
    calls -= list.firstElementChild.querySelectorAll(".call").length;
    list.firstElementChild.remove();
  }
}

function swap(f) {
  const old = $(f.id);
  const at = document.activeElement;
  const inside = old && at && old.contains(at) && at !== old;
  if (inside && f.mode === "replace" && at.matches("input:not([type=hidden]), select")) {
    later.set(f.id, f);
    return;
  }
  const place = inside ? focusables(old).indexOf(at) : -1;
  const list = $(f.mode === "upsert" ? f.parent : f.id);
  const end = f.mode !== "replace" && list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const content = element(f.html);
  keepOpen(old, content);
  if (f.mode === "inner") old.replaceChildren(content);
  else if (old) old.replaceWith(content);
  else if (list && content.firstElementChild) insert(list, content.firstElementChild);
  const now = $(f.id);
  if (!now) return;
  if (place >= 0) focusables(now)[place]?.focus({ preventScroll: true });
  if (end) list.scrollTop = list.scrollHeight;
  if (f.id === "tabs") openTab(state.tab);
}

document.addEventListener("focusout", () => setTimeout(() => {
  for (const [id, f] of [...later]) {
    later.delete(id);
    swap(f);
  }
}));

let stream;
function connect(after) {
  stream?.close();
  const query = new URLSearchParams({
    as: "html", person: document.body.dataset.person, filter: state.filter, boot: document.body.dataset.boot,
  });
  if (after) query.set("after", after);
  stream = new EventSource("/-/events?" + query);
  stream.addEventListener("fragment", (e) => {
    const f = JSON.parse(e.data);
    if (!state.paused) return swap(f);
    if (state.held.push(f) <= 1000) return;
    state.held = []; // too long a pause: the rest comes whole
    state.stale = true;
    stream.close();
  });
  stream.addEventListener("open", () => say(""));
  stream.addEventListener("error", () => say("✗ The emulator does not answer; what is shown is old."));
}

function say(text) {
  if ($("said").textContent !== text) $("said").textContent = text;
}

document.addEventListener("submit", async (e) => {
  const form = e.target;
  if (form.method !== "post") return;
  e.preventDefault();
  const values = new URLSearchParams(new FormData(form, e.submitter));
  const action = form.getAttribute("action");
  if (form.matches(".compose")) form.elements.text.value = "";
  closeMenus(form.closest(".menu"));
  try {
    const r = await fetch(action, { method: "POST", body: values, headers: { Accept: "application/json" } });
    const out = await r.json();
    if (!r.ok) {
      if (form.matches(".compose") && !form.elements.text.value) form.elements.text.value = values.get("text");
      return say("✗ " + out.error.message);
    }
    say("");
    if (action === "/-/api/person") location.assign("/?person=" + encodeURIComponent(out.psid));
    if (action === "/-/api/pages") location.reload(); // people can write to it
    if (action === "/-/api/reset") location.assign("/");
  } catch {
    say("✗ The emulator does not answer.");
  }
});

// The inside of a call is asked for when it is opened.
document.addEventListener("toggle", async (e) => {
  const d = e.target;
  if (d.matches(".menu") && d.open) return closeMenus(null, d);
  if (!d.open || !d.id?.startsWith("x-") || d.dataset.loaded === d.dataset.rev) return;
  d.dataset.loaded = d.dataset.rev;
  const query = new URLSearchParams({ person: document.body.dataset.person, filter: state.filter, tab: state.tab });
  try {
    const r = await fetch("/-/call/" + d.id.slice(2) + "?" + query);
    if (!r.ok) return say("✗ " + (await r.text()).trim());
    const content = element(await r.text());
    keepOpen(d, content);
    d.querySelector(":scope > .inside, :scope > .nojs")?.replaceWith(content);
  } catch {
    d.dataset.loaded = "";
    say("✗ The emulator does not answer.");
  }
}, true);

function closeMenus(only, but) {
  for (const m of only ? [only] : document.querySelectorAll(".menu[open]")) {
    if (m === but) continue;
    if (m.contains(document.activeElement)) m.querySelector("summary").focus();
    m.open = false;
  }
}

async function copy(button) {
  const text = $(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    say("✓ Copied.");
  } catch { // not on a page without TLS from another machine
    const shown = $(button.dataset.copy);
    shown.closest("details").open = true;
    getSelection().selectAllChildren(shown);
    say("Press Ctrl+C: the text is selected.");
  }
}

function openTab(name) {
  state.tab = name;
  for (const a of $("tabs").querySelectorAll("a")) {
    const open = a.dataset.tab === name;
    if (open) a.setAttribute("aria-current", "true");
    else a.removeAttribute("aria-current");
    $("tab-" + a.dataset.tab).hidden = !open;
  }
}

document.addEventListener("click", (e) => {
  const tab = e.target.closest("[data-tab]");
  const button = e.target.closest("[data-copy]");
  if (!e.target.closest(".menu")) closeMenus();
  if (button) copy(button);
  if (!tab || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  openTab(tab.dataset.tab);
  remember();
});

// The address keeps what is shown, for a reload.
function remember() {
  const url = new URL(location.href);
  for (const name of ["filter", "tab"]) {
    if (state[name]) url.searchParams.set(name, state[name]);
    else url.searchParams.delete(name);
  }
  url.searchParams.delete("call");
  history.replaceState(null, "", url.pathname + url.search);
}

$("filter").addEventListener("change", () => {
  state.filter = $("filter").value;
  remember();
  connect();
});

$("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  $("pause").setAttribute("aria-pressed", String(state.paused));
  $("pause").textContent = state.paused ? "Go on" : "Pause";
  if (state.paused) return;
  state.held.splice(0).forEach(swap);
  if (state.stale) connect();
  state.stale = false;
});

root.dataset.theme = localStorage.getItem("theme") || "";
$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

$("keys").addEventListener("click", () => $("help").showModal());

const keys = {
  "?": () => $("help").showModal(),
  // When the key goes up: it is not part of the message.
  m: () => document.addEventListener("keyup", () => $("text").focus(), { once: true }),
  a: () => $("again")?.requestSubmit(),
  c: () => $("log").focus(),
  t: () => $("rows").focus(),
  f: () => $("filter").focus(),
  p: () => $("pause").click(),
};

document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && document.querySelector(".menu[open]")) return closeMenus();
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input, select, textarea") || $("help").open) return;
  const tab = /^[1-7]$/.test(e.key) && $("tabs").children[e.key - 1];
  if (!tab && !Object.hasOwn(keys, e.key)) return;
  e.preventDefault();
  if (tab) tab.click();
  else keys[e.key]();
});

state.filter = $("filter").value;
state.tab = $("tabs").querySelector("[aria-current]")?.dataset.tab ?? state.tab;
for (const id of ["log", "rows"]) $(id).scrollTop = $(id).scrollHeight;
connect(state.rev);
