// The pages of `amalgamate demo --web`, as people use them. Environment: CHROMIUM; CASES, a JSON file with the addresses of
// the pages of the digits and of LeNet (which takes pictures), and what the native library says of the pictures.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { browser, given, open, shot } from "./browser.mjs";

after(() => browser.close());

const ready = (page, worker) => page.waitForSelector(`body[data-ready=${worker}]`);
const answer = (page, text) => page.waitForFunction((text) => document.getElementById("answer").textContent === text, text);

/** Draws a polyline, in shares of the pad's side, with the mouse. */
async function draw(page, ...strokes) {
  const box = await page.locator("#pad").boundingBox();
  for (const points of strokes) {
    const at = points.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
    await page.mouse.move(...at[0]);
    await page.mouse.down();
    for (const point of at.slice(1)) await page.mouse.move(...point, { steps: 6 });
    await page.mouse.up();
  }
}

const ONE = [[[0.5, 0.15], [0.5, 0.85]]];
const SEVEN = [[[0.25, 0.2], [0.75, 0.2], [0.45, 0.85]]];
const circle = Array.from({ length: 25 }, (_, i) => [0.5 + 0.22 * Math.sin(i / 3.8), 0.5 - 0.33 * Math.cos(i / 3.8)]);

test("a digit drawn with the mouse is read", async () => {
  const { page, context, errors } = await open(given.digits);
  await ready(page, false);
  await draw(page, circle);
  await answer(page, "0");
  assert.equal(await page.locator("#bars li").count(), 10);
  assert.match(await page.locator("#speed").textContent(), /^\d+\.\d\d ms/);
  await page.click("#clear");
  assert.equal((await page.locator("#answer").textContent()).trim(), "");
  await draw(page, ...SEVEN);
  await answer(page, "7");
  assert.ok((await page.locator("#layers tbody tr").count()) >= 3);
  assert.match(await page.locator("#memory").getAttribute("aria-label"), /^Activations alive over \d+ layers: at most/);
  assert.match(await page.locator("#module-memory").textContent(), /^1\.\d MiB$/);
  assert.equal(await page.locator("#instructions").textContent(), "SIMD, 128 bits");
  await shot(page, "digits-light");
  assert.deepEqual(errors, []);
  await context.close();
});

test("the prediction follows while drawing", async () => {
  const { page, context } = await open(given.digits);
  await ready(page, false);
  const box = await page.locator("#pad").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + 250, { steps: 8 });
  await page.waitForFunction(() => document.getElementById("answer").textContent.trim());
  await page.mouse.up();
  await context.close();
});

test("a digit drawn by keyboard is read, in a worker", async () => {
  const { page, context, errors } = await open(given.digits, { colorScheme: "dark" });
  await ready(page, false);
  await page.check("#worker");
  await ready(page, true);
  await page.focus("#pad");
  for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Space");
  for (let i = 0; i < 18; i++) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Space");
  await answer(page, "1");
  await shot(page, "digits-dark");
  await page.keyboard.press("Delete");
  assert.equal((await page.locator("#answer").textContent()).trim(), "");
  assert.deepEqual(errors, []);
  await context.close();
});

test("a finger draws at phone width, and samples are read", async () => {
  const { page, context, errors } = await open(given.digits, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
  await ready(page, false);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, "nothing is wider than the screen");
  const box = await page.locator("#pad").boundingBox();
  const touch = await context.newCDPSession(page);
  const send = (type, points) => touch.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x: box.x + x * box.width, y: box.y + y * box.height })) });
  await send("touchStart", [circle[0]]);
  for (const point of circle) await send("touchMove", [point]);
  await send("touchEnd", []);
  await answer(page, "0");
  await shot(page, "digits-phone");
  for (const label of given.samples.slice(0, 4)) {
    await page.click("#sample");
    await answer(page, String(label));
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test("everything can be reached by keyboard and has a name", async () => {
  const { page, context } = await open(given.pictures);
  await ready(page, true);
  const seen = [];
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press("Tab");
    seen.push(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
  }
  for (const id of ["skip", "file", "webcam", "worker"]) assert.ok(seen.includes(id), `${id} of ${seen}`);
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, canvas, svg, video, progress")]
    .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML));
  assert.deepEqual(nameless, []);
  await context.close();
});

test("a picture that is chosen, dropped or pasted is classified", async () => {
  const { page, context, errors } = await open(given.pictures);
  await ready(page, true);
  await page.setInputFiles("#file", given.files[0].path);
  await answer(page, given.files[0].best);
  await shot(page, "pictures-light");
  for (const [kind, file] of [["drop", given.files[1]], ["paste", given.files[0]]]) {
    await page.evaluate(async ([kind, base64]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], "picture.png", { type: "image/png" }));
      const event = kind === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }) : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
      document.getElementById("drop").dispatchEvent(event);
    }, [kind, file.base64]);
    await answer(page, file.best);
  }
  assert.equal(await page.locator("#bars li").count(), 5);
  await page.setInputFiles("#file", given.cases);
  await page.waitForFunction(() => document.getElementById("state").textContent.includes("no picture"));
  assert.deepEqual(errors, []);
  await context.close();
});

for (const worker of [true, false]) {
  test(`the webcam is classified frame by frame, ${worker ? "in a worker" : "on the page's thread"}`, async () => {
    const { page, context, errors } = await open(given.pictures, { permissions: ["camera"] });
    await ready(page, true);
    if (!worker) await page.uncheck("#worker");
    await ready(page, worker);
    await page.click("#webcam");
    await page.waitForFunction(() => Number(document.getElementById("drop").dataset.rate) >= 5);
    await page.waitForFunction(() => document.getElementById("answer").textContent.trim());
    assert.match(await page.locator("#hint").textContent(), /^\d+ frames a second$/);
    await page.click("#webcam");
    assert.equal(await page.evaluate(() => document.getElementById("video").srcObject), null);
    assert.deepEqual(errors, []);
    await context.close();
  });
}

test("several threads read a digit and a picture, and the page says how many", async () => {
  const cores = (page) => page.addInitScript(() => Object.defineProperty(navigator, "hardwareConcurrency", { value: 4 }));
  const { page, context, errors } = await open(given.digits, {}, cores);
  await ready(page, false);
  await page.check("#threads");
  await page.waitForFunction(() => document.getElementById("instructions").textContent === "SIMD, 128 bits, 2 threads");
  await draw(page, ...ONE);
  await answer(page, "1");
  await page.goto(given.pictures);
  await ready(page, true);
  await page.check("#threads");
  await page.waitForFunction(() => document.getElementById("instructions").textContent.endsWith("2 threads"));
  for (const { path, best } of given.files) {
    await page.setInputFiles("#file", path);
    await answer(page, best);
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test("threads are not offered where memory cannot be shared", async () => {
  const plain = (page, context) => context.route(given.digits, async (route) => {
    const response = await route.fetch(), headers = response.headers();
    delete headers["cross-origin-embedder-policy"];
    await route.fulfill({ response, headers });
  });
  const { page, context } = await open(given.digits, {}, plain);
  await ready(page, false);
  assert.equal(await page.locator("#threads").isVisible(), false);
  assert.equal(await page.locator("#worker").isVisible(), true);
  await context.close();
});

test("the scalar module runs where there is no SIMD", async () => {
  const without = (page) => page.addInitScript(() => (WebAssembly.validate = () => false));
  const { page, context, errors } = await open(given.digits, {}, without);
  await ready(page, false);
  assert.equal(await page.locator("#instructions").textContent(), "scalar");
  await draw(page, ...ONE);
  await answer(page, "1");
  assert.deepEqual(errors, []);
  await context.close();
});

test("says what is wrong when the weights do not come, and loads when asked again", async () => {
  let broken = true;
  const { page, context } = await open(given.pictures, {}, (page, context) => context.route("**/*.amg", (route) => (broken ? route.abort() : route.continue())));
  await page.waitForFunction(() => document.getElementById("state").textContent.includes("NETWORK"));
  await shot(page, "failure");
  broken = false;
  await page.click("#retry");
  await ready(page, true);
  await page.setInputFiles("#file", given.files[0].path);
  await answer(page, given.files[0].best);
  assert.equal(await page.locator("#state").textContent(), "");
  await context.close();
});

test("without WebAssembly the page says so", async () => {
  const { page, context } = await open(given.digits, {}, (page) => page.addInitScript(() => delete globalThis.WebAssembly));
  await page.waitForFunction(() => document.getElementById("state").textContent.includes("NO_WEBASSEMBLY"));
  await context.close();
});

test("works without a network once it was loaded", async () => {
  const { page, context } = await open(given.digits, { serviceWorkers: "allow" });
  await ready(page, false);
  await page.evaluate(() => navigator.serviceWorker.ready.then((r) => r.active.state === "activated" || new Promise((ok) => r.active.addEventListener("statechange", ok))));
  await context.setOffline(true);
  await page.reload();
  await ready(page, false);
  await draw(page, ...ONE);
  await answer(page, "1");
  await context.close();
});

test("memory is isolated, and nothing asks another host for anything", async () => {
  const asked = [];
  const { page, context } = await open(given.pictures, {}, (page) => page.on("request", (request) => asked.push(request.url())));
  await ready(page, true);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  assert.ok(asked.length > 5);
  assert.deepEqual(asked.filter((url) => !url.startsWith(given.pictures)), []);
  await context.close();
});
