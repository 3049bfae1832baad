// The engine in a worker: calls are messages, memory moves along with them.

import { Engine } from "./engine.mjs";
import { ModelError } from "./errors.mjs";
import { inNode, node } from "./files.mjs";
import { attached, pixelsOf, sizeOf } from "./picture.mjs";

const SELF = "./amalgamate.mjs"; // by a name that bundlers do not follow, for Node

export class Remote {
  #worker; #calls = new Map(); #next = 0; #onProgress;

  static async load({ worker, onProgress, signal, ...options }) {
    signal?.throwIfAborted();
    const remote = new Remote();
    remote.#onProgress = onProgress;
    const abort = () => remote.#fail(signal.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await remote.#start();
      for (const key of ["wasmUrl", "weightsUrl"]) if (options[key]) options[key] = String(new URL(options[key], import.meta.url));
      Object.assign(remote, await remote.#call("load", [{ ...options, progress: Boolean(onProgress) }]));
      return remote;
    } catch (error) {
      remote.dispose();
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #start() {
    const failed = (event) => this.#fail(new ModelError("WORKER", `the worker failed: ${event.message ?? "it could not be loaded"}`));
    if (inNode()) {
      const { Worker } = await node("worker_threads");
      this.#worker = new Worker(new URL(SELF, import.meta.url), { workerData: "amalgamate" }).on("error", failed);
      this.#worker.on("message", (message) => this.#answer(message));
    } else {
      this.#worker = new Worker(new URL("./amalgamate.mjs", import.meta.url), { type: "module", name: "amalgamate" });
      this.#worker.onerror = failed;
      this.#worker.onmessage = ({ data }) => this.#answer(data);
    }
  }

  #answer({ id, value, error, progress }) {
    if (progress) return this.#onProgress?.(...progress);
    const { resolve, reject } = this.#calls.get(id);
    this.#calls.delete(id);
    if (!this.#calls.size) this.#worker.unref?.(); // an idle worker does not keep Node running
    if (error) reject(new ModelError(error.code, error.message));
    else resolve(value);
  }

  #call(method, args, transfer = []) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#worker.postMessage({ id, method, args }, transfer);
      this.#calls.set(id, { resolve, reject });
      this.#worker.ref?.();
    });
  }

  #fail(error) {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    this.#worker?.terminate();
  }

  run(feeds, keep) {
    const moved = new Set(), feed = {};
    for (const { name } of this.inputs) {
      const { data = feeds[name], shape } = feeds[name];
      if (ArrayBuffer.isView(data)) attached(data, `input '${name}'`);
      // Of an array that is part of a larger memory only that part goes.
      const own = keep || data?.byteLength !== data?.buffer?.byteLength ? data?.slice?.() : data;
      if (own?.buffer instanceof ArrayBuffer) moved.add(own.buffer);
      feed[name] = shape ? { data: own, shape } : own;
    }
    return this.#call("run", [feed], [...moved]);
  }

  async classify(image, topK, keep) {
    let picture = image;
    const movable = [globalThis.ImageBitmap, globalThis.VideoFrame].some((Kind) => Kind && image instanceof Kind);
    if (image?.data) {
      const { data, width, height } = pixelsOf(image);
      picture = { data: keep || data.byteLength !== data.buffer.byteLength ? data.slice() : data, width, height };
    } else if (!movable || keep) {
      if (!image || !sizeOf(image)[0] || typeof createImageBitmap === "undefined") pixelsOf(image);
      picture = await createImageBitmap(image);
    }
    return this.#call("classify", [picture, topK], [picture.data ? picture.data.buffer : picture]);
  }

  meta(key) {
    return this.metas[key] ?? null;
  }

  profile() {
    return this.#call("profile", []);
  }

  memory() {
    return this.#call("memory", []);
  }

  dispose() {
    this.#fail(new ModelError("DISPOSED", "the model was disposed of"));
  }
}

/** What the worker's side does with a message: calls the engine and answers. */
function serve(post) {
  let engine;
  const methods = {
    async load({ progress, ...options }) {
      engine = await Engine.load({ ...options, onProgress: progress ? (...p) => post({ progress: p }) : undefined });
      const metas = Object.fromEntries(["name", "format", "producer", "version"].map((key) => [key, engine.meta(key)]));
      const { inputs, outputs, labels, threads } = engine;
      return [{ inputs, outputs, labels, threads, metas }];
    },
    run(feeds) {
      const result = engine.run(feeds);
      return [result, Object.values(result[0]).map((array) => array.buffer)];
    },
    classify(picture, topK) {
      try {
        return [engine.classify(pixelsOf(picture), topK)];
      } finally {
        picture.close?.();
      }
    },
    profile: () => [engine.profile()],
    memory: () => [engine.memory()],
  };
  return async ({ id, method, args }) => {
    try {
      const [value, transfer] = await methods[method](...args);
      post({ id, value }, transfer);
    } catch (error) {
      post({ id, error: { code: error.code ?? "RUNTIME", message: error.message } });
    }
  };
}

if (globalThis.WorkerGlobalScope && globalThis.name === "amalgamate" && globalThis instanceof WorkerGlobalScope) {
  const answer = serve((message, transfer) => globalThis.postMessage(message, transfer ?? []));
  globalThis.onmessage = ({ data }) => answer(data);
} else if (inNode()) {
  node("worker_threads").then(({ parentPort, workerData }) => {
    if (workerData === "amalgamate") parentPort.on("message", serve((message, transfer) => parentPort.postMessage(message, transfer)));
  });
}
