// An npm package of LeNet on several threads, in pages of Chromium with and without shared memory. Environment: CHROMIUM;
// CASES, a JSON file with pictures, inputs, and the results of the native library; PACKAGE as in package.test.mjs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { browser, given, open } from "./browser.mjs";

const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const policy = (workers) => `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:; worker-src ${workers}`;
const HEADERS = {
  plain: {},
  isolated: ISOLATED,
  strict: { ...ISOLATED, "content-security-policy": policy("'self'") },
  workerless: { ...ISOLATED, "content-security-policy": policy("'none'") },
};
const TYPES = { mjs: "text/javascript", wasm: "application/wasm", html: "text/html" };
const asked = [];
const server = createServer(async (request, response) => {
  const [, kind, file] = request.url.split("/");
  asked.push(file);
  const bytes = file === "index.html" ? "<!doctype html><link rel=icon href=data:,>" : await readFile(`${process.env.PACKAGE}/node_modules/lenet/${file}`).catch(() => null);
  response.writeHead(bytes === null ? 404 : 200, { ...HEADERS[kind], "content-type": TYPES[file.split(".").pop()] ?? "application/octet-stream" });
  response.end(bytes ?? "");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
after(() => Promise.all([browser.close(), server.close()]));

const page = (kind, prepare) => open(`http://127.0.0.1:${server.address().port}/${kind}/index.html`, {}, prepare);

/** What a model made with these options says in a page, or the code of its error. */
const answers = (page, options) => page.evaluate(async ([options, data]) => {
  try {
    const { Model } = await import(new URL("lenet.mjs", location));
    const model = await Model.create(options), prob = [];
    for (const batch of [1, 8]) {
      const all = Float32Array.from(Array(batch).fill(data).flat());
      for (let i = 0; i < 3; i++) prob.push(...(await model.run({ data: { data: all, shape: [batch, 1, 28, 28] } }, { transfer: false })).prob);
    }
    const { threads } = model;
    model.dispose();
    return { threads, prob };
  } catch (error) {
    return error.code ?? String(error);
  }
}, [options, given.input]);

for (const worker of [false, true]) {
  const where = worker ? "from a worker" : "from the page's thread";
  for (const kind of ["isolated", "strict"]) {
    test(`threads give the same bits, ${where}, ${kind}`, async () => {
      const { page: at, context, errors } = await page(kind);
      const alone = await answers(at, { worker });
      assert.equal(alone.threads, 1);
      for (const threads of [2, 3]) assert.deepEqual(await answers(at, { worker, threads }), { ...alone, threads });
      assert.ok((await answers(at, { worker, threads: "auto" })).threads >= 1);
      assert.equal(await answers(at, { worker, threads: 0 }), "ARGUMENT");
      assert.deepEqual(errors, []);
      await context.close();
    });
  }

  test(`one thread without isolation, ${where}, and nothing more is loaded`, async () => {
    const { page: at, context, errors } = await page("plain");
    asked.length = 0;
    const alone = await answers(at, { worker });
    assert.deepEqual(asked.filter((file) => file.endsWith(".wasm")), ["lenet.relaxed.wasm"]);
    asked.length = 0;
    for (const threads of [2, "auto"]) assert.deepEqual(await answers(at, { worker, threads }), alone);
    assert.ok(!asked.some((file) => file.includes(".threads.")), `${asked}`);
    assert.deepEqual(await answers(at, { worker, threads: 2, wasmUrl: "lenet.relaxed.threads.wasm" }), alone, "its module runs there too");
    assert.deepEqual(errors, []);
    await context.close();
  });
}

test("one thread where the page's policy lets no worker start", async () => {
  const { page: at, context } = await page("workerless");
  const alone = await answers(at, {});
  for (const threads of [2, "auto"]) assert.deepEqual(await answers(at, { threads }), alone);
  assert.equal(await answers(at, { threads: 2, worker: true }), "WORKER");
  await context.close();
});

test("one thread where there is no SIMD", async () => {
  const { page: at, context } = await page("isolated", (page) => page.addInitScript(() => (WebAssembly.validate = () => false)));
  assert.equal((await answers(at, { threads: 2 })).threads, 1);
  await context.close();
});

test("says which file is missing, and loads when asked again", async () => {
  for (const file of ["wasm", "mjs"]) {
    let broken = true;
    const { page: at, context } = await page("isolated", (page, context) => context.route(`**/*.threads.${file}`, (route) => (broken ? route.abort() : route.continue())));
    assert.equal(await answers(at, { threads: 2 }), "NETWORK", file);
    broken = false;
    if (file === "wasm") assert.equal((await answers(at, { threads: 2 })).threads, 2); // a page remembers a script that failed
    await context.close();
  }
});

test("stopping and disposing leave no worker behind", async () => {
  const { page: at, context, errors } = await page("isolated");
  const workers = () => at.waitForFunction(() => true).then(() => at.workers().length);
  await at.evaluate(async () => {
    const { Model } = await import(new URL("lenet.mjs", location));
    globalThis.made = [await Model.create({ threads: 3 }), await Model.create({ threads: 2, worker: true })];
    globalThis.Model = Model;
  });
  assert.ok((await workers()) >= 3, `${await workers()}`);
  const reason = await at.evaluate(async () => {
    for (const model of made) model.dispose();
    const stop = new AbortController();
    const stopped = Model.create({ threads: 4, signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 1);
    return stopped.catch((error) => error.message);
  });
  assert.equal(reason, "enough");
  for (let i = 0; i < 100 && (await workers()); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await workers(), 0);
  assert.deepEqual(errors, []);
  await context.close();
});
