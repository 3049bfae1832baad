// What every page of a model does: loads it, shows what it sees, what the layers cost and how much memory they take.
import { layers, memory } from "./charts.mjs";

const $ = (id) => document.getElementById(id);
const { kind } = document.body.dataset;
const { Model, hasSimd } = await import(new URL(document.body.dataset.model, import.meta.url));
const { start } = await import(kind === "digits" ? "./draw.mjs" : "./look.mjs");
document.body.classList.add(kind);

let model = null, busy = false, waiting = null, spoken = "", lastCharts = 0, wipes = 0;

/** Loads the model, again after a failure or when the worker or threads are switched on or off. */
async function load() {
  $("retry").hidden = true;
  $("state").textContent = "";
  $("progress").hidden = false;
  $("progress").removeAttribute("value");
  const old = model;
  model = null;
  try {
    const options = { worker: $("worker").checked, threads: $("threads").checked ? "auto" : 1, onProgress: (done, total) => total && ($("progress").value = done / total) };
    const loaded = await Model.create(options);
    while (busy) await new Promise((resolve) => setTimeout(resolve, 5));
    old?.dispose();
    model = loaded;
    $("instructions").textContent = (hasSimd() ? "SIMD, 128 bits" : "scalar") + (model.threads > 1 ? `, ${model.threads} threads` : "");
    document.body.dataset.ready = String(options.worker);
    next();
  } catch (error) {
    old?.dispose();
    $("state").textContent = `${error.message} (${error.code ?? error.name})`;
    $("retry").hidden = false;
  } finally {
    $("progress").hidden = true;
  }
}

/** Classifies a picture as soon as the one before is done; of those that come meanwhile the last is taken. */
function see(picture) {
  waiting = picture;
  if (model && !busy) next();
}

async function next() {
  while (model && waiting) {
    const picture = waiting, wipe = wipes;
    waiting = null;
    busy = true;
    try {
      const begun = performance.now();
      const best = await model.classify(picture, { topK: kind === "digits" ? 10 : 5, transfer: false });
      if (wipe === wipes) show(best, performance.now() - begun); // else the pad was wiped before the answer came
      if (!waiting || begun - lastCharts > 1000) await charts((lastCharts = begun));
      $("state").textContent = "";
    } catch (error) {
      if (error.code !== "DISPOSED") $("state").textContent = error.message;
    }
    busy = false;
  }
}

const percent = (score) => (score >= 0 && score <= 1 ? `${(100 * score).toFixed(1)}%` : score.toFixed(2));

function show(best, ms) {
  const rows = kind === "digits" ? [...best].sort((a, b) => a.classIndex - b.classIndex) : best;
  const largest = Math.max(1, ...best.map((b) => b.score));
  const bars = $("bars");
  while (bars.children.length < rows.length) bars.append(bar());
  while (bars.children.length > rows.length) bars.lastChild.remove();
  rows.forEach(({ label, score }, i) => {
    const [name, track, number] = ["label", "track", "number"].map((part) => bars.children[i].querySelector(`.${part}`));
    name.textContent = label;
    track.firstChild.style.width = `${(100 * Math.max(0, score)) / largest}%`;
    number.textContent = percent(score);
  });
  $("speed").textContent = `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms for the last picture`;
  const text = best[0].label;
  if (text !== spoken) $("answer").textContent = spoken = text; // read out only when it changes
}

function bar() {
  const row = document.createElement("li");
  for (const part of kind === "digits" ? ["label", "track", "number"] : ["label", "number", "track"]) {
    const span = document.createElement("span");
    span.className = part;
    row.append(span);
    if (part === "track") {
      span.append(document.createElement("span"));
      span.firstChild.className = "fill";
      span.ariaHidden = "true";
    }
  }
  return row;
}

function clear() {
  waiting = null;
  wipes++;
  $("bars").replaceChildren();
  $("answer").textContent = "\u00a0";
  $("speed").textContent = spoken = "";
}

async function charts() {
  const profile = await model.profile();
  layers($("layers").tBodies[0], profile);
  memory($("memory"), $("memory-note"), profile);
  $("module-memory").textContent = `${((await model.memory()) / 2 ** 20).toFixed(1)} MiB`;
}

$("retry").addEventListener("click", load);
for (const id of ["worker", "threads"]) $(id).addEventListener("change", load);
$("threads").parentElement.hidden = !globalThis.crossOriginIsolated; // else memory cannot be shared
start({ see, clear, say: (text) => ($("state").textContent = text) });
await load();
if ("serviceWorker" in navigator) navigator.serviceWorker.register("offline.js").catch(() => {}); // not on every host
