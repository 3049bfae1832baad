// Runs a network that `amalgamate` compiled to WebAssembly. No dependencies; browsers, Node 18+, Deno, bundlers.
//
//   const model = await Model.create();
//   const { prob } = await model.run({ data: new Float32Array(3 * 227 * 227) });
//   const [best] = await model.classify(canvas);      // { label, score, classIndex }
//   model.dispose();

import { Engine } from "./engine.mjs";
import { ModelError } from "./errors.mjs";
import { pixelsOf } from "./picture.mjs";
import { Remote } from "./remote.mjs";

export { ModelError } from "./errors.mjs";
export { hasRelaxedSimd, hasSimd } from "./files.mjs";

export class Model {
  #engine; #shapes = {};

  /**
   * Loads the module, and its weights where it embeds none. Options: wasmUrl or wasm (bytes or a WebAssembly.Module),
   * weightsUrl or weights (bytes), worker (true: run off this thread), threads (how many at most, or "auto"), nan ("error"
   * or "pass"), onProgress(loaded, total or 0), signal (an AbortSignal).
   */
  static async create(options = {}) {
    if (typeof WebAssembly !== "object") throw new ModelError("NO_WEBASSEMBLY", "there is no WebAssembly here: too old a browser, or it is switched off");
    const { threads = 1 } = options;
    if (threads !== "auto" && !(Number.isInteger(threads) && threads > 0 && threads <= 256)) {
      throw new ModelError("ARGUMENT", `threads is "auto" or a whole number from 1 to 256, not ${threads}`);
    }
    options.signal?.throwIfAborted();
    const model = new Model();
    model.#engine = await (options.worker ? Remote : Engine).load(options);
    return model;
  }

  /** What goes in and comes out: [{ name, dtype, shape }]. */
  get inputs() {
    return this.#here().inputs;
  }

  get outputs() {
    return this.#here().outputs;
  }

  /** The names of the classes, in order; empty if the model has none. */
  get labels() {
    return this.#here().labels;
  }

  /** How many threads a run uses: one where memory cannot be shared or no worker starts. */
  get threads() {
    return this.#here().threads;
  }

  /** The text that the model carries under a key ("name", "producer"), or null. */
  meta(key) {
    return this.#here().meta(key);
  }

  /**
   * Runs the network on arrays by input name: Float32Array (BigInt64Array for int64), or { data, shape } to change the
   * shape. Resolves to arrays by output name. A worker takes the arrays over, unless transfer is false.
   */
  async run(feeds, { transfer = true } = {}) {
    const engine = this.#here(), names = engine.inputs.map(({ name }) => name);
    for (const name of Object.keys(feeds)) {
      if (!names.includes(name)) throw new ModelError("INPUT_NAME", `there is no input '${name}'; there are: ${names.join(", ")}`);
    }
    for (const name of names) if (feeds[name] == null) throw new ModelError("INPUT_NAME", `input '${name}' is missing`);
    const [outputs, shapes] = await engine.run(feeds, !transfer);
    this.#shapes = shapes;
    return outputs;
  }

  /**
   * The best classes of a picture: ImageData, { data: RGBA bytes, width, height }, or what a canvas can draw. A worker
   * takes over an ImageBitmap, a VideoFrame and pixels, unless transfer is false.
   */
  async classify(image, { topK = 5, transfer = true } = {}) {
    const engine = this.#here(), classes = engine.outputs[0].shape.reduce((a, b) => a * b, 1);
    if (!(Number.isInteger(topK) && topK > 0)) throw new ModelError("ARGUMENT", `topK is a whole number from 1 on, not ${topK}`);
    return engine.classify(engine instanceof Engine ? pixelsOf(image) : image, Math.min(topK, classes), !transfer);
  }

  /** The shape of an output as the last run had it. */
  shape(name) {
    const shape = this.#shapes[name] ?? this.#here().outputs.find((t) => t.name === name)?.shape;
    if (!shape) throw new ModelError("ARGUMENT", `there is no output '${name}'`);
    return [...shape];
  }

  /** What the last run cost: [{ name, op, ms, macs, bytes }] by layer; bytes are those of activations then alive. */
  async profile() {
    return this.#here().profile();
  }

  /** Bytes of memory that the module has. */
  async memory() {
    return this.#here().memory();
  }

  /** Lets go of all memory, and ends the worker. Further calls are refused, another dispose does nothing. */
  dispose() {
    this.#engine?.dispose();
    this.#engine = null;
  }

  #here() {
    if (!this.#engine) throw new ModelError("DISPOSED", "the model was disposed of");
    return this.#engine;
  }
}
