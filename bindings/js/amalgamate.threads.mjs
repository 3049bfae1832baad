// The threads of a model: workers, each with an instance of the module of its own, on one memory. A file by itself, which is
// loaded where a model is to have more than one thread, and which is what those workers run.

const PAGES = { initial: 32, maximum: 16384 }; // of 64 KiB: what the model needs at first, and the most that is reserved
const STACK = 1 << 16; // bytes, of a worker
const SELF = "./amalgamate.threads.mjs", NAME = "amalgamate thread"; // by a name that bundlers do not follow, for Node
const inNode = typeof process !== "undefined" && Boolean(process.versions?.node);
const node = (name) => import(/* @vite-ignore */ /* webpackIgnore: true */ ["node", name].join(":"));

export class Crew {
  #workers = []; #ready = [];

  constructor() {
    this.memory = new WebAssembly.Memory({ ...PAGES, shared: true });
  }

  /**
   * Starts the workers of `threads` threads, of which the caller is one; "auto" is a thread for every second processor, since
   * two often share a core, from 2 to 8. Resolves to how many threads there are when each worker is ready or has failed.
   */
  async start(module, threads, signal) {
    const processors = globalThis.navigator?.hardwareConcurrency ?? (await node("os")).cpus().length;
    const wanted = threads === "auto" ? Math.min(processors, Math.max(2, Math.min(8, processors >> 1))) : threads;
    const { Worker } = inNode ? await node("worker_threads") : globalThis;
    await Promise.all(Array.from({ length: wanted - 1 }, () => this.#hire(Worker, module, signal)));
    return this.#ready.length + 1;
  }

  #hire(Worker, module, signal) {
    return new Promise((resolve) => {
      signal?.addEventListener("abort", resolve, { once: true });
      if (!this.memory) return resolve(); // ended meanwhile
      try {
        const worker = inNode
          ? new Worker(new URL(SELF, import.meta.url), { workerData: NAME })
          : new globalThis.Worker(new URL("./amalgamate.threads.mjs", import.meta.url), { type: "module", name: NAME });
        this.#workers.push(worker);
        const on = (worker.on ?? worker.addEventListener).bind(worker);
        on("message", () => (this.#ready.push(worker), worker.unref?.(), resolve()));
        on("error", resolve);
        worker.postMessage({ module, memory: this.memory });
      } catch {
        resolve(); // the page's policy forbids workers
      }
    });
  }

  /** Has a worker call the function at `run` of the module's table with `arg`; 0, or 1 where there is no memory for a stack. */
  run(run, arg, alloc) {
    const stack = alloc(STACK);
    if (!stack) return 1;
    this.#ready.pop().postMessage({ run, arg, stack: stack + STACK });
    return 0;
  }

  end() {
    this.memory = null;
    for (const worker of this.#workers) worker.terminate();
  }
}

/** What a worker does: it says when it is ready, and then lives in the function that it is given. */
function serve(post) {
  let exports;
  return ({ module, memory, run, arg, stack }) => {
    if (module) {
      const stubs = {};
      for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
        (stubs[from] ??= {})[name] = kind === "memory" ? memory : () => 52;
      }
      exports = new WebAssembly.Instance(module, stubs).exports;
      post("ready");
    } else {
      exports.stack(stack);
      exports.__indirect_function_table.get(run)(arg);
    }
  };
}

if (inNode) {
  node("worker_threads").then(({ parentPort, workerData }) => {
    if (workerData === NAME) parentPort.on("message", serve((message) => parentPort.postMessage(message)));
  });
} else if (globalThis.WorkerGlobalScope && globalThis.name === NAME) {
  const work = serve((message) => globalThis.postMessage(message));
  globalThis.onmessage = ({ data }) => work(data);
}
