// Getting the module and the weights: from the network, or in Node from files too.

import { ModelError } from "./errors.mjs";

/** Whether the engine takes a function of no arguments that leaves a vector, of these instructions. */
const takes = (...code) => WebAssembly.validate(new Uint8Array([...HEAD, code.length + 4, 1, code.length + 2, 0, ...code, 11]));
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10]; // a module up to the size of its code
const ZERO = [65, 0, 253, 15]; // i32.const 0, i8x16.splat

/** Whether this engine runs the SIMD module. */
export const hasSimd = () => takes(...ZERO, 253, 98); // i8x16.popcnt

/** Whether this engine runs the module with relaxed SIMD, where there is one. */
export const hasRelaxedSimd = () => takes(...ZERO, ...ZERO, ...ZERO, 253, 133, 2); // f32x4.relaxed_madd

/** Whether a model may have threads: workers that share memory, for which a page is isolated. */
export const hasThreads = () => hasSimd() && (globalThis.crossOriginIsolated ?? inNode());

/** Whether a module runs on memory that it is given, so that its threads share it. */
export const sharesMemory = (module) => WebAssembly.Module.imports(module).some(({ kind }) => kind === "memory");

/** A module of Node's; the name is put together so that bundlers for browsers leave it alone. */
export const node = (name) => import(/* @vite-ignore */ /* webpackIgnore: true */ ["node", name].join(":"));
export const inNode = () => typeof process !== "undefined" && Boolean(process.versions?.node);

/** Calls chunk(bytes) for the file behind a URL, part by part, after size(bytes or 0). Raises NETWORK. */
export async function read(url, signal, size, chunk) {
  if (url.protocol === "file:" && inNode()) {
    const { readFile } = await node("fs/promises");
    const bytes = await readFile(url, { signal });
    size(bytes.length);
    return chunk(bytes);
  }
  const response = await request(url, signal);
  // Of a compressed transfer the length says nothing of what will come.
  const plain = (response.headers.get("content-encoding") ?? "identity") === "identity";
  size((plain && Number(response.headers.get("content-length"))) || 0);
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    chunk(value);
  }
}

async function request(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new ModelError("NETWORK", `${url}: ${response.status} ${response.statusText}`.trim());
  return response;
}

/** Runs a piece of loading: what fails is the caller's own abort, a ModelError, or else NETWORK. */
export async function loading(url, signal, work) {
  try {
    return await work();
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof ModelError) throw cause;
    throw new ModelError("NETWORK", `cannot load ${url}: ${cause.message}`, { cause });
  }
}

/** The compiled module behind a URL. */
export function moduleAt(url, signal) {
  return loading(url, signal, async () => {
    if (url.protocol === "file:" && inNode()) return compile(await (await node("fs/promises")).readFile(url, { signal }));
    const response = await request(url, signal);
    const streams = WebAssembly.compileStreaming && /^application\/wasm\b/i.test(response.headers.get("content-type") ?? "");
    return compile(streams ? response : await response.arrayBuffer());
  });
}

export async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  try {
    const streams = typeof Response !== "undefined" && source instanceof Response;
    return await (streams ? WebAssembly.compileStreaming(source) : WebAssembly.compile(source));
  } catch (cause) {
    const blocked = /Content Security Policy/i.test(cause.message);
    if (!(cause instanceof WebAssembly.CompileError) && !blocked) throw cause;
    const fix = blocked ? "the page's Content-Security-Policy needs script-src 'wasm-unsafe-eval'" : "the module is damaged";
    throw new ModelError(blocked ? "BLOCKED" : "BAD_MODULE", `${fix}: ${cause.message}`, { cause });
  }
}

/** The few functions of a system that a module asks for: a clock for profiles, and what a run never calls. */
export function imports(module, memory) {
  const stubs = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) (stubs[from] ??= {})[name] = () => 52;
  const system = stubs.wasi_snapshot_preview1;
  if (system?.clock_time_get) {
    system.clock_time_get = (id, precision, at) => {
      const ns = Math.round(performance.now() * 1e6);
      new Uint32Array(memory().buffer, at, 2).set([ns % 2 ** 32, ns / 2 ** 32]); // a 64-bit number
      return 0;
    };
  }
  return stubs;
}
