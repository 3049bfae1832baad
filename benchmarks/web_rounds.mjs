// Times one network in this process or page. "ours", where that is with relaxed SIMD also "plain", the same without, and
// "theirs" (onnxruntime-web, WebAssembly) take turns, on as many threads each; of each the fastest run of all.

const now = () => performance.now();
const pause = () => new Promise((resolve) => setTimeout(resolve, 50)); // in which threads that look for work fall asleep

async function amalgamate({ ours, threads }, wasmUrl) {
  const { Model } = await import(ours);
  const begun = now();
  const model = await Model.create({ threads, wasmUrl });
  if (model.threads !== threads) throw new Error(`ours has ${model.threads} threads, not ${threads}`);
  const [{ name, shape }] = model.inputs;
  const run = async (x) => Object.values(await model.run({ [name]: x }))[0];
  return { begun, run, shape, model };
}

/** Ours without relaxed SIMD; null where Model.create chooses it by itself. */
async function plain(options) {
  const { hasRelaxedSimd } = await import(options.ours);
  return hasRelaxedSimd() ? amalgamate(options, options.ours.replace(/mjs$/, options.threads === 1 ? "wasm" : "threads.wasm")) : null;
}

async function onnxruntime({ theirs, wasmPaths, network, threads }) {
  const ort = await import(theirs);
  Object.assign(ort.env.wasm, { numThreads: threads }, wasmPaths && { wasmPaths });
  ort.env.logLevel = "error";
  const begun = now();
  const bytes = typeof network === "string" ? new Uint8Array(await (await fetch(network)).arrayBuffer()) : await network();
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
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

async function fastest(engine, x, seconds) {
  let best = Infinity, runs = 0;
  for (const until = now() + 1e3 * seconds; now() < until || runs < 3; runs++) {
    const start = now();
    await engine.run(x);
    best = Math.min(best, now() - start);
  }
  return best;
}

/**
 * Milliseconds of the fastest runs and from create to the first result, what the results differ by, and what ours says of
 * memory and layers. `ours` and `theirs` are the engines' modules, `network` is an address, or a function that reads it.
 */
export async function measure(options) {
  const { rounds, seconds } = options;
  const result = {}, engines = {}, outputs = {};
  for (const [name, start] of Object.entries({ ours: amalgamate, plain, theirs: onnxruntime })) {
    const engine = await start(options);
    if (!engine) continue;
    engines[name] = engine;
    outputs[name] = await engine.run(input(engine.shape));
    result[`first_${name}`] = now() - engine.begun;
    result[name] = Infinity;
  }
  const { model, shape } = engines.ours;
  const x = input(shape);
  for (let round = 0; round < rounds; round++) {
    for (const name in engines) {
      await pause();
      result[name] = Math.min(result[name], await fastest(engines[name], x, seconds));
    }
  }
  const largest = outputs.theirs.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  result.error = outputs.ours.reduce((m, v, i) => Math.max(m, Math.abs(v - outputs.theirs[i])), 0) / largest;
  result.memory = await model.memory();
  result.layers = (await model.profile()).sort((a, b) => b.ms - a.ms).slice(0, 12);
  return result;
}
