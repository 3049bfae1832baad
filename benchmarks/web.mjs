// Times the networks of a folder that web.py prepares, each on one thread and on two, in a process of its own:
//
//   node web.mjs FOLDER [NAME ...] [--rounds 3] [--seconds 1] [--layers] [--browser CHROMIUM]
//
// Shown are the fastest runs, which other work on the machine disturbs least, the time from create to the first result, and
// memory. "plain" is ours without relaxed SIMD. The last line is the geometric mean of the ratios of the times.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs, promisify } from "node:util";

const options = { rounds: { type: "string", default: "3" }, seconds: { type: "string", default: "1" }, layers: { type: "boolean" }, browser: { type: "string" } };
const { values, positionals: [folder, ...names] } = parseArgs({ options, allowPositionals: true });
const facts = JSON.parse(readFileSync(resolve(folder, "networks.json")));

const number = (value, width, digits) => (value === undefined ? "-" : value.toFixed(digits)).padStart(width);
const COLUMNS = [
  ["ours", 9, (r) => number(r.one.ours, 9, 2)],
  ["plain", 9, (r) => number(r.one.plain, 9, 2)],
  ["theirs", 9, (r) => number(r.one.theirs, 9, 2)],
  ["ratio", 6, (r) => number(r.one.theirs / r.one.ours, 6, 2)],
  ["differ", 8, (r) => Math.max(r.one.error, r.two.error).toExponential(0).padStart(8)],
  ["1st ours", 9, (r) => number(r.one.first_ours, 9, 0)],
  ["1st their", 9, (r) => number(r.one.first_theirs, 9, 0)],
  ["ratio", 6, (r) => number(r.one.first_theirs / r.one.first_ours, 6, 1)],
  ["MiB over", 9, (r) => number((r.one.memory - r.needs) / 2 ** 20, 9, 2)],
  ["ours, 2", 9, (r) => number(r.two.ours, 9, 2)],
  ["plain, 2", 9, (r) => number(r.two.plain, 9, 2)],
  ["theirs, 2", 9, (r) => number(r.two.theirs, 9, 2)],
  ["ratio", 6, (r) => number(r.two.theirs / r.two.ours, 6, 2)],
];

/** What web_network.mjs prints of a network on a number of threads. */
async function measure(name, threads) {
  const words = [`${import.meta.dirname}/web_network.mjs`, resolve(folder), name, values.rounds, values.seconds, threads, values.browser ?? []].flat();
  const { stdout } = await promisify(execFile)(process.execPath, words.map(String), { maxBuffer: 1 << 26 });
  return JSON.parse(stdout);
}

/** The geometric mean of how many times as long `theirs` takes. */
const geomean = (results, ours, theirs) => Math.exp(results.reduce((sum, r) => sum + Math.log(r[theirs] / r[ours]), 0) / results.length).toFixed(2);

console.log(`in ${values.browser ? "Chromium" : `Node ${process.versions.node}`}, on one thread and on two`);
console.log("milliseconds  " + COLUMNS.map(([title, width]) => ` ${title.padStart(width)}`).join(""));
const all = [];
for (const name of names.length ? names : Object.keys(facts)) {
  const [one, two] = [await measure(name, 1), await measure(name, 2)];
  all.push({ one, two, ...facts[name] });
  console.log(name.padEnd(14) + COLUMNS.map(([, , text]) => ` ${text(all.at(-1))}`).join(""));
  for (const { ms, macs, op, name } of values.layers ? one.layers : []) {
    console.log(`    ${number(ms, 8, 3)} ms ${number((macs * 2) / Math.max(ms, 1e-6) / 1e6, 6, 1)} GFLOP/s  ${op} ${name}`);
  }
}
console.log("plain: ours without relaxed SIMD; MiB over: memory of the module beyond weights and arena; 1st: from create to the first result");
const [one, two] = ["one", "two"].map((threads) => all.map((result) => result[threads]));
if (one[0].plain) console.log(`relaxed SIMD: ${geomean(one, "ours", "plain")} and ${geomean(two, "ours", "plain")} times as fast as plain (1 and 2 threads)`);
console.log(`web geomean: ${geomean(two, "ours", "theirs")} (onnxruntime-web / ours, 2 threads)`);
console.log(`web geomean: ${geomean(one, "ours", "theirs")} (onnxruntime-web / ours, 1 thread)`);
