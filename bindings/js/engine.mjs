// The engine: one model in one instance of the module, on the thread that calls it.

import { ModelError } from "./errors.mjs";
import { compile, hasRelaxedSimd, hasSimd, hasThreads, imports, loading, moduleAt, read, sharesMemory } from "./files.mjs";
import { attached } from "./picture.mjs";

const INPUT = 0, OUTPUT = 1, RGBA8 = 4;
const KINDS = { 1: ["float32", Float32Array], 2: ["int64", BigInt64Array] };
const OUT_OF_MEMORY = -2; // a status
const WEIGHTS = () => null; // where the weights are, unless the module embeds them
const HALVES = false; // whether they are in half precision: then they expand over their file when the model is opened
const RELAXED = null; // where the modules with relaxed SIMD are, for one thread and several, if there are any

/** Where the module is that this engine runs fastest. */
function suited(several) {
  if (!hasSimd()) return new URL("./amalgamate.scalar.wasm", import.meta.url);
  if (RELAXED && hasRelaxedSimd()) return several ? RELAXED.several() : RELAXED.one();
  return several ? new URL("./amalgamate.threads.wasm", import.meta.url) : new URL("./amalgamate.wasm", import.meta.url);
}

export class Engine {
  #c; #crew; #model; #session; #weights = 0; #options; #tensors = [[], []];

  /** Options as Model.create has them. */
  static async load({ wasmUrl, wasm, weightsUrl, weights, onProgress, signal, threads = 1, ...options }) {
    const url = new URL(wasmUrl ?? suited(threads !== 1 && hasThreads()), import.meta.url);
    if (!weights) weightsUrl ??= WEIGHTS();
    const module = await (wasm ? compile(wasm) : moduleAt(url, signal));
    const { Crew } = sharesMemory(module) ? await loading("the code of threads", signal, () => import("./amalgamate.threads.mjs")) : {};
    const engine = new Engine(options);
    try {
      await engine.#start(module, Crew);
      const hired = engine.#crew?.start(module, hasThreads() ? threads : 1, signal);
      const bytes = weightsUrl ? await engine.#fetch(new URL(weightsUrl, import.meta.url), onProgress, signal) : weights?.length ?? 0;
      if (weights) engine.#put(weights, engine.#place(weights.length));
      engine.threads = (await hired) ?? 1;
      signal?.throwIfAborted();
      engine.#open(bytes);
    } catch (error) {
      engine.dispose();
      throw error;
    }
    if (!weightsUrl) onProgress?.(1, 1);
    return engine;
  }

  constructor(options) {
    this.#options = options;
  }

  /** An instance of the module, on memory of its own or on that of a crew. */
  async #start(module, Crew) {
    const stubs = imports(module, () => this.#c.memory);
    try {
      const crew = (this.#crew = Crew ? new Crew() : null);
      if (crew) {
        stubs.env.memory = crew.memory;
        stubs.system.start = (run, arg) => crew.run(run, arg, this.#c.alloc);
      }
      const { exports } = await WebAssembly.instantiate(module, stubs);
      this.#c = { memory: crew?.memory, ...exports };
    } catch (cause) {
      throw new ModelError(cause instanceof RangeError ? "MEMORY" : "BAD_MODULE", `cannot start the module: ${cause.message}`, { cause });
    }
    this.#c._initialize?.();
  }

  /** Loads the weights straight into the module's memory, where they stay; returns their number of bytes. */
  #fetch(url, onProgress, signal) {
    return loading(url, signal, async () => {
      const parts = []; // where nobody says how much will come
      let total = 0, loaded = 0;
      const expect = (bytes) => (total = bytes) && this.#place(bytes);
      await read(url, signal, expect, (part) => {
        if (total && loaded + part.length > total) throw new ModelError("NETWORK", `${url} is longer than its announced ${total} bytes`);
        if (total) new Uint8Array(this.#c.memory.buffer, this.#weights + loaded).set(part);
        else parts.push(part);
        loaded += part.length;
        onProgress?.(loaded, total);
      });
      if (loaded < total) throw new ModelError("NETWORK", `${url} ended after ${loaded} of ${total} bytes`);
      if (!total) {
        let at = this.#place(loaded);
        for (const part of parts) new Uint8Array(this.#c.memory.buffer, at).set(part), (at += part.length);
      }
      return loaded;
    });
  }

  /** Memory for the file of weights; before it lies as much again where they expand. */
  #place(bytes) {
    return (this.#weights = HALVES ? this.#alloc(2 * bytes) + bytes : this.#alloc(bytes));
  }

  #open(bytes) {
    this.#model = HALVES && bytes ? this.#c.open_within(this.#weights - bytes, bytes) : this.#c.open(this.#weights, bytes);
    if (!this.#model) {
      throw new ModelError(this.#c.failure() === OUT_OF_MEMORY ? "MEMORY" : "BAD_WEIGHTS", `cannot open the model: ${this.#text(this.#c.message())}`);
    }
    this.#session = this.#c.session(this.#model, this.threads, 0);
    if (!this.#session) throw new ModelError("MEMORY", "there is not enough memory to run the model");
    const list = (kind) => Array.from({ length: this.#c.count(this.#model, kind) }, (_, i) => this.#describe(kind, i));
    this.inputs = list(INPUT);
    this.outputs = list(OUTPUT);
    this.labels = [];
    for (let at; (at = this.#c.label(this.#model, this.labels.length)); ) this.labels.push(this.#text(at));
  }

  /** Text that the model carries under a key, or null. */
  meta(key) {
    const at = this.#put(new TextEncoder().encode(`${key}\0`));
    const found = this.#c.meta(this.#model, at);
    this.#c.release(at);
    return found ? this.#text(found) : null;
  }

  /** [outputs, shapes] by name. */
  run(feeds) {
    this.inputs.forEach((tensor, i) => this.#fill(tensor, i, feeds[tensor.name]));
    this.#check(this.#c.run(this.#session));
    const outputs = {}, shapes = {};
    this.outputs.forEach(({ name }, i) => {
      const { shape, view } = this.#tensor(OUTPUT, i);
      [outputs[name], shapes[name]] = [view.slice(), shape];
    });
    return [outputs, shapes];
  }

  classify({ data, width, height }, topK) {
    let pixels = 0, best = 0;
    try {
      pixels = this.#put(data);
      best = this.#alloc(topK * 8);
      this.#check(this.#c.set_image(this.#session, 0, pixels, width, height, width * 4, RGBA8), "PICTURE");
      this.#check(this.#c.run(this.#session));
      const found = this.#check(this.#c.topk(this.#session, 0, topK, best, best + topK * 4));
      const classes = new Int32Array(this.#c.memory.buffer, best, found);
      const scores = new Float32Array(this.#c.memory.buffer, best + topK * 4, found);
      return Array.from(classes, (c, i) => ({ label: this.labels[c] ?? String(c), score: scores[i], classIndex: c }));
    } finally {
      this.#c.release(pixels);
      this.#c.release(best);
    }
  }

  profile() {
    return Array.from({ length: this.#c.layer_count(this.#model) }, (_, i) => {
      this.#check(this.#c.layer(this.#session, i));
      const [name, op] = [this.#text(this.#c.layer_name()), this.#text(this.#c.layer_op())];
      return { name, op, ms: this.#c.layer_ns() / 1e6, macs: this.#c.layer_macs(), bytes: this.#c.layer_bytes() };
    });
  }

  memory() {
    return this.#c.memory.buffer.byteLength;
  }

  dispose() {
    if (this.#crew && this.#session) this.#c.session_free(this.#session); // wakes its threads: Deno cannot end them in their sleep
    this.#crew?.end();
    this.#c = this.#crew = this.#tensors = null; // and with them the module's memory
  }

  #fill(tensor, i, feed) {
    const { name, type } = tensor, [dtype, Kind] = KINDS[type];
    const data = feed.data ?? feed, wanted = feed.shape ?? tensor.shape;
    if (!Array.isArray(wanted) || wanted.some((d) => !(Number.isInteger(d) && d > 0 && d < 2 ** 31))) {
      throw new ModelError("INPUT_SHAPE", `the shape of input '${name}' is no list of whole numbers: ${wanted}`);
    }
    if (!(data instanceof Kind)) throw new ModelError("INPUT_TYPE", `input '${name}' expects ${dtype} in a ${Kind.name}`);
    attached(data, `input '${name}'`);
    const now = this.#tensor(INPUT, i).shape;
    if (wanted.length !== now.length || wanted.some((d, axis) => d !== now[axis])) {
      const dims = this.#put(new Uint8Array(new Float64Array(wanted).buffer));
      const status = this.#c.set_shape(this.#session, i, dims, wanted.length);
      this.#c.release(dims);
      this.#check(status, "INPUT_SHAPE");
      this.#tensors = [[], []];
    }
    const place = this.#tensor(INPUT, i).view;
    if (data.length !== place.length) {
      throw new ModelError("INPUT_SHAPE", `input '${name}' expects ${place.length} numbers [${wanted}], got ${data.length}`);
    }
    place.set(data);
    if (type === 1 && this.#options.nan !== "pass" && this.#c.has_nan(place.byteOffset, place.length)) {
      throw new ModelError("INPUT_NAN", `input '${name}' holds a NaN; create the model with { nan: "pass" } to let it through`);
    }
  }

  #describe(kind, i) {
    this.#check(this.#c.describe(this.#session, kind, i));
    const type = this.#c.tensor_dtype();
    const shape = Array.from({ length: this.#c.tensor_ndim() }, (_, axis) => this.#c.tensor_dim(axis));
    return { name: this.#text(this.#c.tensor_name()), dtype: KINDS[type][0], type, shape };
  }

  /** The shape of an input or output, and its memory as an array; kept until another shape or more memory moves it. */
  #tensor(kind, i) {
    const kept = this.#tensors[kind][i], { buffer } = this.#c.memory;
    if (kept?.view.buffer === buffer) return kept;
    const { shape, type } = this.#describe(kind, i);
    const view = new KINDS[type][1](buffer, this.#c.data(this.#session, kind, i), shape.reduce((a, b) => a * b, 1));
    return (this.#tensors[kind][i] = { shape, view });
  }

  #alloc(bytes) {
    const at = this.#c.alloc(bytes || 1);
    if (!at) throw new ModelError("MEMORY", `there is no memory for ${bytes} bytes`);
    return at;
  }

  /** A copy of bytes in the module's memory. */
  #put(bytes, at = this.#alloc(bytes.length)) {
    new Uint8Array(this.#c.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  #text(at) {
    const bytes = new Uint8Array(this.#c.memory.buffer, at);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0))); // of shared memory nothing is decoded in place
  }

  #check(status, code = "RUNTIME") {
    if (status < 0) throw new ModelError(status === OUT_OF_MEMORY ? "MEMORY" : code, this.#text(this.#c.errmsg(this.#session)));
    return status;
  }
}
