// The page of SqueezeNet, given photos. Environment: CHROMIUM; CASES, a JSON file with the page's address, and photos with the
// class that the native library sees.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { browser, given, open, shot } from "./browser.mjs";

after(() => browser.close());

for (const worker of [true, false]) {
  for (const threads of [false, true]) {
    test(`photos, ${worker ? "in a worker" : "on the page's thread"}, ${threads ? "several threads" : "one thread"}`, async () => {
      const cores = (page) => page.addInitScript(() => Object.defineProperty(navigator, "hardwareConcurrency", { value: 4 }));
      const { page, context, errors } = await open(given.url, {}, cores);
      await page.waitForSelector("body[data-ready=true]");
      if (!worker) await page.uncheck("#worker");
      await page.waitForSelector(`body[data-ready=${worker}]`);
      await page.setChecked("#threads", threads);
      const count = worker ? /SIMD/ : threads ? /, 2 threads$/ : /SIMD, 128 bits$/; // a worker has a navigator of its own
      await page.waitForFunction((text) => new RegExp(text).test(document.getElementById("instructions").textContent), count.source);
      for (const { path, best } of given.photos) {
        await page.setInputFiles("#file", path);
        await page.waitForFunction((text) => document.getElementById("answer").textContent === text, best);
      }
      await shot(page, `photos-${worker}-${threads}`);
      assert.deepEqual(errors, []);
      await context.close();
    });
  }
}
