// Loads the module named on the command line through its loader, and prints as JSON what it does with the cases of a file.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [loader, wasm, cases] = process.argv.slice(2);
const { Model, hasSimd } = await import(pathToFileURL(loader));
const given = JSON.parse(await readFile(cases, "utf8"));
const options = wasm === "default" ? {} : { wasmUrl: pathToFileURL(wasm) };
if (given.weights) options.weightsUrl = pathToFileURL(given.weights);
const progress = [];
const model = await Model.create({ ...options, onProgress: (loaded, total) => progress.push([loaded, total]) });

async function refusal(action) {
  try {
    await action();
    return null;
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
}

const results = { simd: hasSimd(), inputs: model.inputs, outputs: model.outputs, name: model.meta("name"), none: model.meta("none"), progress: progress.length };
results.labels = model.labels;
results.runs = [];
for (const { data, shape } of given.runs) {
  const out = await model.run({ data: shape ? { data: Float32Array.from(data), shape } : Float32Array.from(data) });
  results.runs.push({ prob: Array.from(out.prob), shape: model.shape("prob") });
}
results.best = await model.classify({ data: Uint8ClampedArray.from(given.rgba), width: given.width, height: given.height }, { topK: 3 });
const right = Float32Array.from(given.runs[0].data);
results.refused = {
  name: await refusal(() => model.run({ x: right })),
  missing: await refusal(() => model.run({})),
  type: await refusal(() => model.run({ data: Array.from(right) })),
  length: await refusal(() => model.run({ data: right.subarray(1) })),
  shape: await refusal(() => model.run({ data: { data: right, shape: [1, 1, 56, 14, 1] } })),
  channels: await refusal(() => model.run({ data: { data: right, shape: [1, 2, 28, 28] } })),
  pixels: await refusal(() => model.classify({ data: new Uint8Array(3), width: 28, height: 28 })),
  weights: await refusal(() => Model.create({ ...options, weightsUrl: undefined, weights: new Uint8Array(64) })),
  nan: await refusal(() => model.run({ data: right.map((v, i) => (i === 5 ? NaN : v)) })),
  file: await refusal(() => Model.create({ wasmUrl: "./none.wasm" })),
};
results.again = Array.from((await model.run({ data: right })).prob);
model.dispose();
model.dispose();
console.log(JSON.stringify(results));
