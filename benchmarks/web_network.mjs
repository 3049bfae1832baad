// Times a network of a folder that web.py prepares: node web_network.mjs FOLDER NAME ROUNDS SECONDS THREADS [CHROMIUM]; prints
// JSON. In this process, or in a page of the browser at CHROMIUM, which is served on loopback with the headers for shared memory.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, extname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { measure } from "./web_rounds.mjs";

const [folder, name, rounds, seconds, threads, chromium] = process.argv.slice(2);
const options = { rounds: Number(rounds), seconds: Number(seconds), threads: Number(threads) };
const [ours, network] = [`${folder}/${name}/${name}.mjs`, `${folder}/${name}.onnx`];
const HEADERS = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const TYPES = { ".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/** A server of folders by their first name in an address, and of an empty page at the root. */
async function serve(folders) {
  const server = createServer(async (request, response) => {
    const [, folder, file] = request.url.split("/");
    const bytes = file ? await readFile(`${folders[folder]}/${file}`).catch(() => null) : "<!doctype html>";
    const type = TYPES[extname(file ?? "page.html")] ?? "application/octet-stream";
    response.writeHead(bytes ? 200 : 404, { ...HEADERS, "content-type": type, "content-length": bytes?.length ?? 0 });
    response.end(bytes);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, at: `http://127.0.0.1:${server.address().port}/` };
}

async function inChromium() {
  const { chromium: browsers } = await import("playwright-core");
  const theirs = dirname(fileURLToPath(import.meta.resolve("onnxruntime-web/wasm")));
  const { server, at } = await serve({ ours: dirname(ours), theirs, network: folder, rounds: import.meta.dirname });
  const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.goto(at);
    const files = { ours: `/ours/${name}.mjs`, theirs: "/theirs/ort.wasm.min.mjs", wasmPaths: "/theirs/", network: `/network/${name}.onnx` };
    return await page.evaluate(async (options) => (await import("/rounds/web_rounds.mjs")).measure(options), { ...options, ...files });
  } finally {
    await browser.close();
    server.close();
  }
}

const inNode = () => measure({ ...options, ours: pathToFileURL(ours).href, theirs: import.meta.resolve("onnxruntime-web"), network: () => readFile(network) });

console.log(JSON.stringify(await (chromium ? inChromium() : inNode())));
process.exit(); // onnxruntime-web does not end its threads
