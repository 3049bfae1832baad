// What tests in Chromium share: a browser, and pages that fail the test when they log an error.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });

/** A page of its own context, and the errors that it logged; `options` as Playwright's newContext has them. */
export async function open(url, options = {}, prepare = async () => {}) {
  const context = await browser.newContext({ serviceWorkers: "block", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await prepare(page, context);
  await page.goto(url);
  return { page, context, errors };
}

/** A screenshot into $SHOTS, where that is set: to be looked at. */
export async function shot(page, name) {
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true });
}

export const given = JSON.parse(await readFile(process.env.CASES, "utf8"));
