// The pages of `amalgamate demo --web` in Firefox. Environment: FIREFOX; CASES, a JSON file with their addresses.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { launch } from "puppeteer-core";

const given = JSON.parse(await readFile(process.env.CASES, "utf8"));
const browser = await launch({ browser: "firefox", executablePath: process.env.FIREFOX, headless: true });
after(() => browser.close());

/** A page, and the errors that it logged. */
async function open(url) {
  const page = await browser.newPage(), errors = [];
  page.setDefaultTimeout(60000);
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(url);
  return { page, errors };
}

for (const worker of [false, true]) {
  test(`a digit drawn with the mouse is read, ${worker ? "in a worker" : "on the page's thread"}`, async () => {
    const { page, errors } = await open(given.digits);
    await page.waitForSelector("body[data-ready=false]");
    if (worker) await page.click("#worker");
    await page.waitForSelector(`body[data-ready=${worker}]`);
    const { x, y, width, height } = await (await page.$("#pad")).boundingBox();
    await page.mouse.move(x + 0.5 * width, y + 0.15 * height);
    await page.mouse.down();
    await page.mouse.move(x + 0.5 * width, y + 0.85 * height, { steps: 10 });
    await page.mouse.up();
    await page.waitForFunction(() => document.getElementById("answer").textContent === "1");
    assert.equal(await page.$eval("#instructions", (node) => node.textContent), "SIMD, 128 bits");
    assert.deepEqual(errors, []);
    await page.close();
  });
}

const CHOICES = [
  {},
  { worker: true },
  { threads: 2 },
  { threads: 2, worker: true },
  { wasmUrl: "./digits.wasm" },
  { wasmUrl: "./digits.threads.wasm", threads: 2 },
  { wasmUrl: "./digits.scalar.wasm" },
];

test("every module gives the same, on the threads that were asked for", async () => {
  const { page, errors } = await open(given.digits);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  const seen = await page.evaluate(async (choices) => {
    const { Model, hasRelaxedSimd } = await import(new URL("model/digits.mjs", location));
    const image = Float32Array.from({ length: 64 }, (_, i) => ((i * 7919) % 17) / 17), results = [];
    for (const options of choices) {
      const model = await Model.create(options), { probabilities } = await model.run({ image: image.slice() });
      results.push({ threads: model.threads, scores: [...probabilities] });
      model.dispose();
    }
    return { results, relaxed: hasRelaxedSimd() };
  }, CHOICES);
  assert.equal(seen.relaxed, true);
  seen.results.forEach(({ threads, scores }, i) => {
    assert.equal(threads, CHOICES[i].threads ?? 1);
    scores.forEach((score, k) => assert.ok(Math.abs(score - seen.results[0].scores[k]) <= 1e-6, `${JSON.stringify(CHOICES[i])}: ${k} is ${score}`));
  });
  assert.deepEqual(errors, []);
  await page.close();
});
