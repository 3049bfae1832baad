// Times one network in this Node process: node web.mjs PACKAGE.mjs NETWORK.onnx ROUNDS SECONDS; prints JSON.
// "ours" and "theirs" (onnxruntime-web, WebAssembly, one thread) take turns; of each the fastest run of all.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [ours, network, rounds, seconds] = process.argv.slice(2);
const now = () => performance.now();

async function amalgamate() {
  const { Model } = await import(pathToFileURL(ours));
  const begun = now();
  const model = await Model.create();
  const [{ name, shape }] = model.inputs;
  const run = async (x) => Object.values(await model.run({ [name]: x }))[0];
  return { begun, run, shape, memory: () => model.memory(), model };
}

async function onnxruntime() {
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const begun = now();
  const session = await ort.InferenceSession.create(await readFile(network), { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  const [name] = session.inputNames;
  const { shape } = session.inputMetadata[0];
  const run = async (x) => (await session.run({ [name]: new ort.Tensor("float32", x, shape) }))[session.outputNames[0]].data;
  return { begun, run, shape };
}

function input(shape) {
  const x = new Float32Array(shape.reduce((a, b) => a * b, 1));
  let seed = 1;
  for (let i = 0; i < x.length; i++) x[i] = ((seed = (seed * 16807) % 2147483647) / 1073741823) - 1;
  return x;
}

async function fastest(engine, x) {
  let best = Infinity, runs = 0;
  for (const until = now() + 1e3 * seconds; now() < until || runs < 3; runs++) {
    const start = now();
    await engine.run(x);
    best = Math.min(best, now() - start);
  }
  return best;
}

const result = {}, engines = {}, outputs = {};
for (const [name, start] of [["ours", amalgamate], ["theirs", onnxruntime]]) {
  const engine = (engines[name] = await start());
  const x = input(engine.shape);
  outputs[name] = await engine.run(x);
  result[`first_${name}`] = now() - engine.begun;
  result[name] = Infinity;
}
const x = input(engines.ours.shape);
for (let round = 0; round < Number(rounds); round++) {
  for (const name of ["ours", "theirs"]) result[name] = Math.min(result[name], await fastest(engines[name], x));
}
const largest = outputs.theirs.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
result.error = outputs.ours.reduce((m, v, i) => Math.max(m, Math.abs(v - outputs.theirs[i])), 0) / largest;
result.memory = await engines.ours.memory();
result.layers = (await engines.ours.model.profile()).sort((a, b) => b.ms - a.ms).slice(0, 12);
console.log(JSON.stringify(result));
