// Pages of the examples in Chromium. Environment: CHROMIUM; CASES, a JSON file of addresses and the answers that they show.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { browser, given, open } from "./browser.mjs";

after(() => browser.close());

for (const [name, { url, answer }] of Object.entries(given)) {
  test(name, async () => {
    const { page, context, errors } = await open(url);
    await page.waitForFunction(() => document.getElementById("answer").value !== "loading");
    assert.match(await page.locator("#answer").textContent(), new RegExp(answer));
    assert.deepEqual(errors, []);
    await context.close();
  });
}
