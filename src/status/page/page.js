// @ts-check
/**
 * The page, alive: renews the figures, follows the tail and asks for dumps. What comes from the machine is only ever set as text, or
 * is HTML that the server has escaped.
 */

const renewMs = 2_000;
const keptRecords = 500;
const severities = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/* ---- figures ---- */

let sinceMs = 0;

async function renew() {
  if (document.visibilityState === "hidden") return;
  try {
    const answer = await fetch("/", { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10_000) });
    if (answer.status === 401 || answer.redirected) return location.reload();
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    sinceMs = 0;
    delete document.body.dataset.stale;
    byId("liveness").textContent = "live";
  } catch (error) {
    sinceMs ||= Date.now();
    document.body.dataset.stale = "";
    const why = error instanceof TypeError || /** @type {Error} */ (error).name === "TimeoutError"
      ? "the agent does not answer"
      : /** @type {Error} */ (error).message;
    byId("liveness").textContent = `Old figures: ${why} since ${new Date(sinceMs).toLocaleTimeString()}`;
  }
}

/** @param {Document} fresh */
function show(fresh) {
  if (document.title !== fresh.title) document.title = fresh.title;
  document.body.dataset.level = fresh.body.dataset.level;
  for (const region of document.querySelectorAll("[data-live]")) {
    const news = fresh.getElementById(region.id);
    if (news === null || news.innerHTML === region.innerHTML || isSelected(region)) continue;
    region.replaceChildren(...news.childNodes);
  }
}

/** Text that somebody is about to copy stays. @param {Element} region */
function isSelected(region) {
  const selection = getSelection();
  return selection?.type === "Range" && region.contains(selection.anchorNode);
}

async function renewForEver() {
  for (;;) {
    await renew();
    await new Promise((resolve) => setTimeout(resolve, renewMs));
  }
}

/* ---- live tail ---- */

/** @type {EventSource | undefined} */
let tail;
/** @type {HTMLLIElement[]} */
let waiting = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let flushTimer;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let filterTimer;

/** Renews the address when a filter is changed while it follows. */
function prepareTail() {
  const form = byId("tail-form");
  if (form === null) return;
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    if (tail === undefined) follow(form);
    else unfollow();
  });
  form.addEventListener("input", () => {
    clearTimeout(filterTimer);
    if (tail !== undefined) filterTimer = setTimeout(() => tail !== undefined && follow(form), 300);
  });
}

/** @param {HTMLFormElement} form */
function follow(form) {
  tail?.close();
  const words = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") words.set(name, String(value));
  tail = new EventSource(`/api/tail?${words}`);
  tail.onopen = () => tailState("Following. The newest record is the last one.");
  tail.onerror = () => tailState("The connection is lost; trying again.");
  tail.onmessage = (event) => take(JSON.parse(event.data));
  tail.addEventListener("record", (event) => take(JSON.parse(event.data)));
  byId("tail").hidden = false;
  byId("tail-button").textContent = "Stop";
}

function unfollow() {
  tail?.close();
  tail = undefined;
  byId("tail-button").textContent = "Follow";
  tailState("Stopped.");
}

/** @param {string} text */
function tailState(text) {
  byId("tail-state").textContent = text;
}

/** @param {{source: string, timeMs: number, host: string, program: string, severity: number, message: string, skipped: number}} record */
function take(record) {
  if (record.skipped > 0) {
    waiting.push(line("skipped", [["", `${record.skipped} records passed too quickly to be shown`]]));
  }
  const time = new Date(record.timeMs);
  waiting.push(line(`severity${record.severity}`, [
    ["time", Number.isNaN(time.getTime()) ? "" : time.toLocaleTimeString()],
    ["word", severities[record.severity] ?? ""],
    ["from", `${record.host} ${record.program || record.source}`],
    ["message", record.message],
  ]));
  flushTimer ??= setTimeout(flush, 100); // one change of the page for many records
  if (waiting.length > keptRecords) waiting = waiting.slice(-keptRecords);
}

/** @param {string} kind @param {[string, string][]} cells */
function line(kind, cells) {
  const item = document.createElement("li");
  item.className = kind;
  for (const [name, text] of cells) {
    const cell = document.createElement("span");
    cell.className = name;
    cell.textContent = text;
    item.append(cell, " ");
  }
  return item;
}

function flush() {
  flushTimer = undefined;
  const list = byId("tail");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40; // who reads above is left there
  list.append(...waiting);
  waiting = [];
  while (list.children.length > keptRecords) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/* ---- dump ---- */

let dumpId = "";

function prepareDump() {
  const form = byId("dump-form");
  if (form === null) return;
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    void makeDump(form);
  });
  byId("dump-cancel").addEventListener("click", () => void cancelDump());
  const { id, state } = byId("dump").dataset;
  if (state === "running") void watchDump(id);
}

/** @param {HTMLFormElement} form */
async function makeDump(form) {
  byId("dump-button").disabled = true;
  dumpSays("Asking for a dump.");
  try {
    const answer = await fetch("/api/dump", {
      method: "POST",
      headers: { "content-type": "application/json", ...proof() },
      body: JSON.stringify({ profile: new FormData(form).get("profile") }),
    });
    const told = await answer.json().catch(() => ({}));
    if (typeof told.id !== "string") throw new Error(told.error ?? `the agent answers ${answer.status}`);
    await watchDump(told.id); // also of one that ran already: the answer then is 409 with its id
  } catch (error) {
    dumpEnds(`No dump: ${/** @type {Error} */ (error).message}`, "bad");
  }
}

/** @param {string} id */
async function watchDump(id) {
  dumpId = id;
  const path = `/api/dump/${encodeURIComponent(id)}`;
  byId("dump-button").disabled = true;
  byId("dump-progress").hidden = byId("dump-cancel").hidden = false;
  byId("dump-progress").removeAttribute("value");
  for (let failures = 0; dumpId === id;) {
    try {
      const answer = await fetch(path, { headers: { accept: "application/json" } });
      if (answer.headers.get("content-type")?.startsWith("application/json") !== true) {
        await answer.body?.cancel();
        return dumpEnds("", "", path);
      }
      const told = await answer.json();
      if (told.state === "done") return dumpEnds("", "", told.download ?? path);
      if (told.state !== "running") return dumpEnds(`No dump: ${told.error ?? told.state ?? answer.status}`, "bad");
      showProgress(told);
      failures = 0;
    } catch (error) {
      if (++failures > 5) return dumpEnds(`No dump: ${/** @type {Error} */ (error).message}`, "bad");
    }
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}

/** @param {{progress?: unknown, done?: number, total?: number, doing?: string}} told */
function showProgress(told) {
  const text = typeof told.progress === "string"
    ? told.progress
    : `${told.done ?? 0}/${told.total ?? 0}:${told.doing ?? ""}`;
  const parts = /^(\d+)\/(\d+):?(.*)$/s.exec(text);
  const bar = byId("dump-progress");
  if (parts !== null && Number(parts[2]) > 0) {
    bar.max = Number(parts[2]);
    bar.value = Number(parts[1]);
  }
  // The text for screen readers changes by the quarter only.
  const share = parts === null || Number(parts[2]) === 0 ? 0 : Math.floor(Number(parts[1]) / Number(parts[2]) * 4) * 25;
  dumpSays(`Gathering: ${share} % done.`);
}

async function cancelDump() {
  const id = dumpId;
  dumpId = "";
  await fetch(`/api/dump/${encodeURIComponent(id)}`, { method: "DELETE", headers: proof() }).catch(() => {});
  dumpEnds("Cancelled.", "");
}

/** @param {string} text @param {string} [level] @param {string} [path] */
function dumpEnds(text, level, path) {
  dumpId = "";
  byId("dump-button").disabled = false;
  byId("dump-progress").hidden = byId("dump-cancel").hidden = true;
  dumpSays(text, level);
  if (path === undefined) return;
  const link = document.createElement("a");
  link.href = path;
  link.download = "";
  link.id = "dump-link";
  link.textContent = "Download the dump";
  byId("dump").replaceChildren("The dump is ready. ", link);
}

/** @param {string} text @param {string} [level] */
function dumpSays(text, level = "") {
  const place = byId("dump");
  if (place.textContent === text && place.className === level) return;
  place.className = level;
  place.textContent = text;
}

function proof() {
  return { "x-csrf-token": document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "" };
}

prepareTail();
prepareDump();
void renewForEver();
