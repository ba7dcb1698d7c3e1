"use strict";
// Swaps fragments by id, posts forms without leaving the page, and listens to a few keys. The page works without it.
const $ = (id) => document.getElementById(id);
const body = document.body;
document.documentElement.classList.add("js");

// A panel that holds what somebody is typing waits until they are done.
const later = new Map();
let paused = false;

function element(html) {
  const t = document.createElement("template");
  t.innerHTML = html;
  return t.content;
}

function focusables(el) {
  return [...el.querySelectorAll("button, a, input, select, summary, [tabindex]")];
}

function swap(f) {
  const old = $(f.id);
  const at = document.activeElement;
  const inside = old && at && old.contains(at) && at !== old;
  if (inside && at.matches("input:not([type=hidden]), select")) {
    later.set(f.id, f);
    return;
  }
  const place = inside ? focusables(old).indexOf(at) : -1;
  const open = old ? [...old.querySelectorAll("details")].map((d) => d.open) : [];
  const list = $(f.mode === "upsert" ? f.parent : f.id);
  const end = list && list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  if (f.mode === "inner") old.replaceChildren(element(f.html));
  else if (old) old.replaceWith(element(f.html));
  else if (list) {
    list.append(element(f.html));
    while (list.childElementCount > 300) list.firstElementChild.remove();
  }
  const now = $(f.id);
  if (!now) return;
  now.querySelectorAll("details").forEach((d, i) => { if (open[i]) d.open = true; });
  if (place >= 0) focusables(now)[place]?.focus({ preventScroll: true });
  if (end && f.mode !== "replace") list.scrollTop = list.scrollHeight;
  if (f.mode !== "replace") show();
}

document.addEventListener("focusout", () => setTimeout(() => {
  for (const [id, f] of [...later]) {
    later.delete(id);
    swap(f);
  }
}));

function show() {
  const want = $("filter").value;
  for (const row of $("rows").children) {
    row.hidden = (want === "problems" && !("problem" in row.dataset)) || (want === "events" && !("event" in row.dataset));
  }
}

const held = [];
const stream = new EventSource("/-/events?as=html&after=" + body.dataset.rev + "&person=" + encodeURIComponent(body.dataset.person));
stream.addEventListener("fragment", (e) => {
  const f = JSON.parse(e.data);
  if (!paused) return swap(f);
  held.push(f);
  if (held.length > 2000) location.reload();
});

function say(text) {
  $("said").textContent = text;
}

document.addEventListener("submit", async (e) => {
  const form = e.target;
  if (form.method !== "post") return;
  e.preventDefault();
  const values = new URLSearchParams(new FormData(form));
  if (form.matches(".compose")) form.elements.text.value = "";
  try {
    const r = await fetch(form.getAttribute("action"), { method: "POST", body: values, headers: { Accept: "application/json" } });
    const out = await r.json();
    if (!r.ok) return say("✗ " + out.error.message);
    say("");
    if (form.getAttribute("action") === "/-/api/person") location.assign("/?person=" + encodeURIComponent(out.psid));
  } catch {
    say("✗ The emulator does not answer.");
  }
});

$("filter").addEventListener("change", show);

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) held.splice(0).forEach(swap);
});

const root = document.documentElement;
root.dataset.theme = localStorage.getItem("theme") || "";
$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

$("keys").addEventListener("click", () => $("help").showModal());
for (const id of ["pause", "theme", "keys"]) $(id).hidden = false;

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input, select, textarea") || $("help").open) return;
  const act = {
    "?": () => $("help").showModal(),
    m: () => setTimeout(() => $("text").focus()), // after the key, which is not part of the message
    t: () => $("rows").focus(),
    p: () => $("pause").click(),
    a: () => $("again")?.requestSubmit(),
  }[e.key];
  if (!act) return;
  e.preventDefault();
  act();
});

$("log").scrollTop = $("log").scrollHeight;
$("rows").scrollTop = $("rows").scrollHeight;
