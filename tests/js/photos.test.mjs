// SqueezeNet on photos, and on a ramp. Environment: PACKAGE, the folder that holds it as node_modules/squeezenet; PHOTOS, one
// with NAME.ppm of every NAME in the file SCORES, whose head says what its numbers are.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { load, picture, scoresOf } from "./golden.mjs";

const { Model } = await load("squeezenet");
const lines = (await readFile(process.env.SCORES, "utf8")).split("\n").filter((line) => line && !line.startsWith("#"));

async function photo(name) {
  const bytes = await readFile(`${process.env.PHOTOS}/${name}.ppm`);
  const [, width, height] = bytes.toString("latin1", 0, 20).split(/\s/).map(Number);
  return picture(bytes.subarray(-width * height * 3), width, height);
}

for (const threads of [1, 2, 3]) test(`squeezenet sees what it saw, on ${threads} of its threads`, async () => {
  assert.equal(lines.length, 5);
  const model = await Model.create({ threads }), [{ name: input, shape }] = model.inputs, [{ name: output }] = model.outputs;
  const ramp = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => ((i * 7919) % 251) - 125);
  for (const line of lines) {
    const [name, ...wanted] = line.split(" ");
    const scores = [...(name === "ramp" ? (await model.run({ [input]: ramp }))[output] : scoresOf(await model.classify(await photo(name), { topK: 1000 })))];
    const order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
    const got = order.slice(0, 5).flatMap((i) => [i, scores[i]]);
    got.push(scores.reduce((sum, p, i) => sum + (p * i) / 1000, 0), scores.reduce((sum, p) => sum + p * p, 0));
    assert.equal(got.length, wanted.length);
    got.forEach((n, i) => assert.ok(Math.abs(n - wanted[i]) <= 1e-4, `${name}: number ${i} is ${n}, not ${wanted[i]}`));
  }
  assert.equal(model.threads, threads);
  model.dispose();
});
