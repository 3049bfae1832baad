// An npm package of LeNet on several threads, in Node. Environment: as package.test.mjs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const resolved = createRequire(`${process.env.PACKAGE}/`).resolve("lenet");
const { Model, ModelError } = await import(pathToFileURL(resolved));
const given = JSON.parse(await readFile(process.env.CASES, "utf8"));
const beside = (file) => new URL(file, pathToFileURL(resolved));
const input = (batch = 1) => ({ data: { data: Float32Array.from(Array(batch).fill(given.input).flat()), shape: [batch, 1, 28, 28] } });
const picture = () => ({ data: Uint8ClampedArray.from(given.rgba), width: given.width, height: given.height });
const code = (code) => (error) => error instanceof ModelError && error.code === code && error.message.length > 10;
const bytes = async (file) => new Uint8Array(await readFile(beside(file)));

/** What a model made with these options says of a picture, and of one and eight inputs. */
async function answers(options) {
  const model = await Model.create(options);
  const prob = [];
  for (const batch of [1, 8, 1]) prob.push(...(await model.run(input(batch))).prob);
  const best = await model.classify(picture(), { topK: 3 });
  const { threads } = model;
  model.dispose();
  return { threads, prob, best };
}

for (const worker of [false, true]) {
  describe(worker ? "in a worker" : "on this thread", () => {
    test("any number of threads gives the same bits", async () => {
      for (const [one, several] of [[], [beside("lenet.wasm"), beside("lenet.threads.wasm")]]) {
        const alone = await answers({ worker, wasmUrl: one });
        assert.equal(alone.threads, 1);
        for (const threads of [1, 2, 3, 5]) assert.deepEqual(await answers({ worker, wasmUrl: several, threads }), { ...alone, threads });
      }
    });

    test("auto takes what the machine has", async () => {
      const { threads } = await answers({ worker, threads: "auto" });
      assert.ok(threads >= 1 && threads <= 8, `${threads}`);
    });

    test("refuses what is no number of threads", async () => {
      for (const threads of [0, -1, 1.5, NaN, Infinity, 257, "2", "all", null, true]) {
        await assert.rejects(Model.create({ worker, threads }), code("ARGUMENT"), String(threads));
      }
    });

    test("refuses wrong inputs and goes on", async () => {
      const model = await Model.create({ worker, threads: 2 });
      await assert.rejects(model.run({ data: new Float32Array(3) }), code("INPUT_SHAPE"));
      await assert.rejects(model.run({ data: new Float32Array(784).fill(NaN) }), code("INPUT_NAN"));
      assert.deepEqual([...(await model.run(input())).prob], (await answers({ worker })).prob.slice(0, 10));
      model.dispose();
      await assert.rejects(model.run(input()), code("DISPOSED"));
    });

    test("says when shapes are larger than shared memory may become, and goes on", async () => {
      const model = await Model.create({ worker, threads: 2 });
      await assert.rejects(model.run(input(20000)), code("MEMORY"));
      assert.equal((await model.run(input(8))).prob.length, 80);
      model.dispose();
    });

    test("stops loading when told to, and leaves no thread behind", async () => {
      const stop = new AbortController();
      const model = Model.create({ worker, threads: 3, signal: stop.signal });
      setTimeout(() => stop.abort(new Error("enough")), 1);
      await assert.rejects(model, { message: "enough" });
    });

    test("one thread where there is no SIMD", async () => {
      const scalar = { worker, wasmUrl: beside("lenet.scalar.wasm") };
      assert.equal((await answers({ ...scalar, threads: 4 })).threads, 1);
    });
  });
}

test("one thread where memory cannot be shared, and the module of threads runs there too", async () => {
  const alone = await answers({});
  globalThis.crossOriginIsolated = false; // as in a page without the headers
  try {
    for (const threads of [2, "auto"]) assert.deepEqual(await answers({ threads }), alone);
    assert.deepEqual(await answers({ threads: 2, wasmUrl: beside("lenet.relaxed.threads.wasm") }), alone);
  } finally {
    delete globalThis.crossOriginIsolated;
  }
});

test("one thread where the engine has no SIMD", async () => {
  const { validate } = WebAssembly;
  WebAssembly.validate = () => false;
  try {
    assert.equal((await answers({ threads: 2 })).threads, 1);
  } finally {
    WebAssembly.validate = validate;
  }
});

test("models of several threads do not disturb each other", async () => {
  const { prob } = await answers({});
  const models = await Promise.all([2, 3, 2].map((threads) => Model.create({ threads })));
  for (let i = 0; i < 5; i++) {
    for (const model of models) assert.deepEqual([...(await model.run(input())).prob], prob.slice(0, 10));
  }
  for (const model of models) model.dispose();
});

test("making, running and disposing does not grow", async () => {
  const wasm = await WebAssembly.compile(await bytes("lenet.threads.wasm"));
  const weights = await bytes("lenet.amg");
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc");
  /** Bytes of the process after some models, with what nobody holds any more collected. */
  async function after(models) {
    for (let i = 0; i < models; i++) {
      const model = await Model.create({ wasm, weights, threads: 2 });
      assert.equal(model.threads, 2);
      await model.run(input());
      model.dispose();
    }
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 20)), gc();
    return process.memoryUsage().rss;
  }
  const early = await after(20), late = await after(40);
  assert.ok(late - early < 20 << 20, `${late - early} bytes more after 40 models of 4 MiB and a thread each`);
});
