// Keeps the inbox current, and swaps parts of the page in place of loading it anew, so that the list
// stays where it was scrolled to. All markup comes from the server, which has escaped it.

const EVERY = 1000;
const byId = (id) => document.getElementById(id);
let etag = null;
let moves = 0; // how often the reader has gone elsewhere: what was asked for before comes too late

async function load(url, { whole }) {
  const move = moves;
  const headers = !whole && etag ? { "If-None-Match": etag } : {};
  const response = await fetch(url, { headers, cache: "no-store" });
  if (response.status === 304) return;
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (move !== moves) return;
  const first = etag === null;
  etag = response.headers.get("ETag");
  show(page, { whole, first });
}

function show(page, { whole, first }) {
  const known = new Set([...byId("list").children].map((row) => row.dataset.number));
  for (const id of ["channels", "list"]) byId(id).replaceChildren(...page.getElementById(id).childNodes);
  document.title = page.title;
  const field = document.querySelector(".search input[type=search]");
  if (field !== document.activeElement) field.value = new URL(location.href).searchParams.get("search") ?? "";
  document.body.className = page.body.className;
  if (!first && !whole) {
    for (const row of byId("list").children) row.classList.toggle("new", !known.has(row.dataset.number));
  }
  const detail = page.getElementById("detail");
  if (identity(detail) !== identity(byId("detail"))) byId("detail").replaceChildren(...detail.childNodes);
  dress();
}

// What a detail shows. Swapping a frame for the same frame would only make it flicker.
function identity(detail) {
  const article = detail.querySelector("article");
  return article ? `${article.dataset.number} ${article.dataset.tab}` : detail.innerHTML;
}

function dress() {
  const now = Date.now();
  for (const tag of document.querySelectorAll("time")) {
    const at = new Date(tag.dateTime);
    const far = now - at > 12 * 3600 * 1000;
    tag.title = at.toLocaleString();
    const brief = tag.closest(".screen-clock") && { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const text = far && !brief ? at.toLocaleDateString() : at.toLocaleTimeString([], brief || undefined);
    if (tag.textContent !== text) tag.textContent = text;
  }
}

function go(url, { push = true } = {}) {
  if (push) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  moves += 1;
  return load(url, { whole: true }).catch(lost);
}

function lost() {
  byId("live").classList.add("lost");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("main a, a.brand");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(link.href);
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") || event.metaKey || event.ctrlKey || event.altKey) return;
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (event.key === "/") {
    event.preventDefault();
    document.querySelector(".search input[type=search]").focus();
  } else if (step) {
    const rows = [...document.querySelectorAll(".row")];
    const next = rows[rows.findIndex((row) => row.ariaCurrent) + step];
    if (!next) return;
    event.preventDefault();
    next.scrollIntoView({ block: "nearest" });
    go(next.href, { push: false });
  }
});

document.querySelector(".search").addEventListener("submit", (event) => event.preventDefault());
document.querySelector(".search").addEventListener("input", (event) => {
  const url = new URL(location.href);
  url.searchParams.set("search", event.target.value);
  if (!event.target.value) url.searchParams.delete("search");
  url.searchParams.delete("message");
  go(url.href, { push: false });
});

byId("clear").hidden = false;
byId("clear").addEventListener("click", async () => {
  await fetch("/messages", { method: "DELETE" });
  go("/");
});

addEventListener("popstate", () => go(location.href, { push: false }));

async function watch() {
  try {
    await load(location.href, { whole: false });
    byId("live").classList.remove("lost");
  } catch {
    lost();
  }
  setTimeout(watch, document.hidden ? 5 * EVERY : EVERY);
}

dress();
watch();
