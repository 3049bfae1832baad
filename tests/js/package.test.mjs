// An npm package of LeNet, used as its users do. Environment: PACKAGE, the folder that holds it as node_modules/lenet;
// CASES, a JSON file with pictures, inputs, and the results of the native library.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";

const resolved = createRequire(`${process.env.PACKAGE}/`).resolve("lenet");
const { Model, ModelError } = await import(pathToFileURL(resolved));
const given = JSON.parse(await readFile(process.env.CASES, "utf8"));
const beside = (file) => new URL(file, pathToFileURL(resolved));
const input = () => Float32Array.from(given.input);
const picture = () => ({ data: Uint8ClampedArray.from(given.rgba), width: given.width, height: given.height });

function near(got, expected) {
  assert.equal(got.length, expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  for (let i = 0; i < got.length; i++) assert.ok(Math.abs(got[i] - expected[i]) <= 1e-5 * largest, `${i}: ${got[i]} is not ${expected[i]}`);
}

const code = (code) => (error) => error instanceof ModelError && error.code === code && error.name === "ModelError" && error.message.length > 10;

/** A server of the package's files on loopback; `answer(request, response)` may take a request over by returning true. */
async function serve(answer = () => false) {
  const server = createServer(async (request, response) => {
    if (answer(request, response)) return;
    const bytes = await readFile(beside(`.${request.url}`)).catch(() => null);
    response.writeHead(bytes ? 200 : 404, bytes && { "content-type": request.url.endsWith(".wasm") ? "application/wasm" : "application/octet-stream", "content-length": bytes.length });
    response.end(bytes ?? "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return (file) => `http://127.0.0.1:${server.address().port}/${file}`;
}

for (const worker of [false, true]) {
  describe(worker ? "in a worker" : "on this thread", () => {
    test("gives the native results, again and again", async () => {
      const model = await Model.create({ worker });
      for (let i = 0; i < 2; i++) near((await model.run({ data: input() })).prob, given.prob);
      assert.deepEqual(model.shape("prob"), [1, 10]);
      const batch = await model.run({ data: { data: Float32Array.from([...given.input, ...given.input]), shape: [2, 1, 28, 28] } });
      near(batch.prob, [...given.prob, ...given.prob]);
      assert.deepEqual(model.shape("prob"), [2, 10]);
      near((await model.run({ data: input() })).prob, given.prob);
      model.dispose();
    });

    test("classifies pictures", async () => {
      const model = await Model.create({ worker });
      const best = await model.classify(picture(), { topK: 3 });
      assert.deepEqual(best.map((b) => b.label), given.best.map((b) => b.label));
      near(best.map((b) => b.score), given.best.map((b) => b.score));
      assert.equal((await model.classify(picture(), { topK: 99 })).length, 10);
      model.dispose();
    });

    test("says what the model is", async () => {
      const model = await Model.create({ worker });
      assert.deepEqual(model.inputs.map(({ name, dtype, shape }) => [name, dtype, shape]), [["data", "float32", [1, 1, 28, 28]]]);
      assert.deepEqual(model.outputs.map(({ name, shape }) => [name, shape]), [["prob", [1, 10]]]);
      assert.deepEqual(model.labels, given.labels);
      assert.deepEqual([model.meta("name"), model.meta("none")], ["lenet", null]);
      await model.run({ data: input() });
      const layers = await model.profile();
      assert.ok(layers.every((l) => l.name && l.op && l.ms >= 0 && l.bytes > 0));
      assert.equal(layers.reduce((sum, l) => sum + l.macs, 0), given.macs);
      assert.ok(layers.some((l) => l.ms > 0));
      assert.ok((await model.memory()) > 1 << 20);
      model.dispose();
    });

    test("refuses wrong inputs with a code each, and goes on", async () => {
      const model = await Model.create({ worker });
      const right = input();
      await assert.rejects(model.run({ x: right }), code("INPUT_NAME"));
      await assert.rejects(model.run({}), code("INPUT_NAME"));
      await assert.rejects(model.run({ data: null }), code("INPUT_NAME"));
      await assert.rejects(model.run({ data: given.input }), code("INPUT_TYPE"));
      await assert.rejects(model.run({ data: new Float64Array(784) }), code("INPUT_TYPE"));
      await assert.rejects(model.run({ data: right.slice(1) }), code("INPUT_SHAPE"));
      for (const shape of [[1, 2, 28, 28], [784], [], [1, 1, 28, -28], [1, 1, 28, 2.5], "28", [2 ** 31 - 1, 1, 28, 28]]) {
        await assert.rejects(model.run({ data: { data: input(), shape } }), (e) => code("INPUT_SHAPE")(e) || code("MEMORY")(e), String(shape));
      }
      await assert.rejects(model.run({ data: input().fill(NaN, 5, 6) }), code("INPUT_NAN"));
      const gone = input();
      structuredClone(gone, { transfer: [gone.buffer] });
      await assert.rejects(model.run({ data: gone }), code("DETACHED"));
      for (const bad of [null, {}, { data: new Uint8Array(3), width: 28, height: 28 }, "cat.jpg"]) {
        await assert.rejects(model.classify(bad), code("PICTURE"));
      }
      for (const topK of [0, -1, 1.5, NaN, "5"]) await assert.rejects(model.classify(picture(), { topK }), code("ARGUMENT"));
      assert.throws(() => model.shape("none"), code("ARGUMENT"));
      near((await model.run({ data: input() })).prob, given.prob);
      model.dispose();
    });

    test("lets NaN through where asked to", async () => {
      const model = await Model.create({ worker, nan: "pass" });
      assert.ok((await model.run({ data: input().fill(NaN) })).prob.every(Number.isNaN));
      model.dispose();
    });

    test("refuses everything after dispose", async () => {
      const model = await Model.create({ worker });
      model.dispose();
      model.dispose();
      await assert.rejects(model.run({ data: input() }), code("DISPOSED"));
      await assert.rejects(model.classify(picture()), code("DISPOSED"));
      await assert.rejects(model.memory(), code("DISPOSED"));
      assert.throws(() => model.inputs, code("DISPOSED"));
    });

    test("runs calls that are made at once one after the other", async () => {
      const model = await Model.create({ worker });
      const all = await Promise.all(Array.from({ length: 8 }, () => model.run({ data: input() })));
      for (const { prob } of all) near(prob, given.prob);
      model.dispose();
    });

    for (const kind of ["", ".scalar", ".relaxed", ".threads", ".relaxed.threads"]) {
      test(`runs lenet${kind}.wasm`, async () => {
        const model = await Model.create({ worker, wasmUrl: beside(`lenet${kind}.wasm`) });
        near((await model.run({ data: input() })).prob, given.prob);
        model.dispose();
      });
    }

    test("refuses damaged weights and modules", async () => {
      const weights = new Uint8Array(await readFile(beside("lenet.amg")));
      const model = await Model.create({ worker, weights });
      near((await model.run({ data: input() })).prob, given.prob);
      model.dispose();
      for (const at of [0, 9, 40, weights.length >> 1, weights.length - 100]) {
        const bad = weights.slice();
        bad[at] ^= 4;
        await assert.rejects(Model.create({ worker, weights: bad }), code("BAD_WEIGHTS"), `byte ${at}`);
      }
      for (const length of [0, 64, weights.length - 64]) {
        await assert.rejects(Model.create({ worker, weights: weights.slice(0, length) }), code("BAD_WEIGHTS"), `${length} bytes`);
      }
      await assert.rejects(Model.create({ worker, wasm: new Uint8Array(64) }), code("BAD_MODULE"));
    });

    test("says what the network did, and loads when asked again", async () => {
      let broken = "500";
      const at = await serve((request, response) => {
        if (!broken || !request.url.endsWith(".amg")) return false;
        if (broken === "500") response.writeHead(500).end();
        else if (broken === "cut") response.writeHead(200, { "content-length": 100000 }).write(Buffer.alloc(1000), () => response.destroy());
        return true;
      });
      const options = { worker, wasmUrl: at("lenet.wasm"), weightsUrl: at("lenet.amg") };
      await assert.rejects(Model.create(options), code("NETWORK"));
      broken = "cut";
      await assert.rejects(Model.create(options), code("NETWORK"));
      broken = "";
      await assert.rejects(Model.create({ ...options, weightsUrl: at("none.amg") }), code("NETWORK"));
      await assert.rejects(Model.create({ ...options, wasmUrl: at("none.wasm") }), code("NETWORK"));
      await assert.rejects(Model.create({ ...options, wasmUrl: "http://127.0.0.1:1/lenet.wasm" }), code("NETWORK"));
      const seen = [];
      const model = await Model.create({ ...options, onProgress: (...p) => seen.push(p) });
      near((await model.run({ data: input() })).prob, given.prob);
      const size = (await readFile(beside("lenet.amg"))).length;
      assert.deepEqual(seen.at(-1), [size, size]);
      assert.ok(seen.every(([loaded], i) => !i || loaded > seen[i - 1][0]));
      model.dispose();
    });

    test("stops loading when told to", async () => {
      await assert.rejects(Model.create({ worker, signal: AbortSignal.abort() }), { name: "AbortError" });
      const stuck = [];
      const at = await serve((request, response) => request.url.endsWith(".amg") && stuck.push(response));
      const stop = new AbortController();
      const model = Model.create({ worker, weightsUrl: at("lenet.amg"), signal: stop.signal });
      setTimeout(() => stop.abort(new Error("enough")), 100);
      await assert.rejects(model, { message: "enough" });
      for (const response of stuck) response.destroy();
    });
  });
}

test("reads weights whose length is not known", async () => {
  const bytes = await readFile(beside("lenet.amg"));
  const at = await serve((request, response) => request.url.endsWith(".amg") && response.writeHead(200).write(bytes.subarray(0, 1000), () => response.end(bytes.subarray(1000))) !== null);
  const model = await Model.create({ weightsUrl: at("lenet.amg") });
  near((await model.run({ data: input() })).prob, given.prob);
  model.dispose();
});

test("a worker takes arrays over, unless told not to", async () => {
  const model = await Model.create({ worker: true });
  const kept = input(), moved = input(), part = new Float32Array(1000).fill(7);
  part.set(kept, 100);
  await model.run({ data: kept }, { transfer: false });
  assert.equal(kept.length, 784);
  await model.run({ data: moved });
  assert.equal(moved.length, 0);
  near((await model.run({ data: part.subarray(100, 884) })).prob, given.prob);
  assert.equal(part.length, 1000);
  model.dispose();
});

test("dispose ends what a worker was doing", async () => {
  const model = await Model.create({ worker: true });
  const running = model.run({ data: input() });
  model.dispose();
  await assert.rejects(running, code("DISPOSED"));
});

test("says that there is no WebAssembly", async () => {
  const kept = globalThis.WebAssembly;
  try {
    globalThis.WebAssembly = undefined;
    await assert.rejects(Model.create(), code("NO_WEBASSEMBLY"));
  } finally {
    globalThis.WebAssembly = kept;
  }
});

/** Whether a function ends in f32x4.relaxed_madd. */
const isRelaxed = (code) => [253, 133, 2, 11].every((byte, i) => code.at(i - 4) === byte);

test("takes the best module that the engine runs, and no other", async () => {
  const { validate } = WebAssembly, scratch = await mkdtemp(join(tmpdir(), "lenet-"));
  const kinds = [
    { file: "lenet.relaxed.wasm", several: "lenet.relaxed.threads.wasm", found: [true, true], validate },
    { file: "lenet.wasm", several: "lenet.threads.wasm", found: [true, false], validate: (code) => validate(code) && !isRelaxed(code) },
    { file: "lenet.scalar.wasm", several: "lenet.scalar.wasm", found: [false, false], validate: () => false },
  ];
  try {
    for (const kind of kinds) {
      const folder = join(scratch, kind.file), files = ["lenet.mjs", "lenet.threads.mjs", "lenet.amg", kind.file, kind.several];
      await mkdir(folder);
      for (const file of files) await copyFile(beside(file), join(folder, file));
      const { Model, hasRelaxedSimd, hasSimd } = await import(pathToFileURL(join(folder, "lenet.mjs")));
      WebAssembly.validate = kind.validate;
      assert.deepEqual([hasSimd(), hasRelaxedSimd()], kind.found);
      for (const threads of [1, 2]) {
        const model = await Model.create({ threads });
        assert.equal(model.threads, kind.found[0] ? threads : 1);
        near((await model.run({ data: input() })).prob, given.prob);
        model.dispose();
      }
    }
  } finally {
    WebAssembly.validate = validate;
    await rm(scratch, { recursive: true });
  }
});

test("needs little more memory than weights and arena", async () => {
  const model = await Model.create();
  await model.run({ data: input() });
  const size = (await readFile(beside("lenet.amg"))).length;
  assert.ok((await model.memory()) <= size + given.arena + (2 << 20), `${await model.memory()}`);
});

test("making, running and disposing does not grow", async () => {
  const wasm = await WebAssembly.compile(await readFile(beside("lenet.wasm")));
  const weights = new Uint8Array(await readFile(beside("lenet.amg")));
  const resident = [];
  for (let i = 0; i < 300; i++) {
    const model = await Model.create({ wasm, weights });
    await model.run({ data: input() });
    model.dispose();
    if (i % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 1));
    if (i >= 99) resident.push(process.memoryUsage().rss);
  }
  const early = Math.max(...resident.slice(0, 100)), late = Math.min(...resident.slice(-100));
  assert.ok(late <= early, `${late} > ${early}: 200 models of 2 MiB each`);
});
