// The golden vectors of the digit network. Environment: PACKAGE, the folder that holds it as node_modules/digits; GOLDEN.
import assert from "node:assert/strict";
import { test } from "node:test";
import { digits, file, load, picture, scoresOf } from "./golden.mjs";

const { Model } = await load("digits");
const vectors = await digits();

function near(got, wanted) {
  assert.equal(got.length, wanted.length);
  got.forEach((score, i) => assert.ok(Math.abs(score - wanted[i]) <= 1e-5, `score ${i} is ${score}, not ${wanted[i]}`));
}

const modules = ["digits.wasm", "digits.scalar.wasm"].map((name) => ({ wasmUrl: file("digits", `./${name}`).href }));
for (const options of [{}, { worker: true }, ...modules]) {
  test(`golden vectors, ${JSON.stringify(options)}`, async () => {
    const model = await Model.create(options);
    assert.ok(vectors.length >= 20);
    for (const { pixels, floats, scores } of vectors) {
      const { probabilities } = await model.run({ image: floats }, { transfer: false });
      near(probabilities, scores);
      const best = await model.classify(picture(pixels, 8, 8), { topK: 10 });
      assert.ok(best.every(({ label, classIndex }) => label === String(classIndex)));
      near(scoresOf(best), scores);
    }
    model.dispose();
  });
}
