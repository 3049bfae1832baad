// Loads a WebAssembly module that `amalgamate compile --target wasm` made. No dependencies; browsers, Node 18+, Deno.
//
//   const model = await Model.create();
//   const { prob } = await model.run({ data: new Float32Array(3 * 227 * 227) });
//   const [best] = await model.classify({ data: rgba, width, height });      // { label, score, classIndex }
//   model.dispose();

const INPUT = 0, OUTPUT = 1;
const KINDS = { 1: ["float32", Float32Array], 2: ["int64", BigInt64Array] };
// A function of one v128.const: validates where there is SIMD.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

/** Whether this engine runs the SIMD module. */
export const hasSimd = () => WebAssembly.validate(new Uint8Array(SIMD));

/** The bytes behind a URL or path, with progress calls of (loaded, total or 0). */
async function bytesOf(url, { onProgress, signal } = {}) {
  const where = new URL(url, import.meta.url);
  if (where.protocol === "file:" && typeof process !== "undefined") {
    const { readFile } = await import("node:fs/promises");
    const bytes = await readFile(where, { signal });
    onProgress?.(bytes.length, bytes.length);
    return bytes;
  }
  const response = await fetch(where, { signal });
  if (!response.ok) throw new Error(`${where}: ${response.status} ${response.statusText}`);
  if (!onProgress || !response.body) return new Uint8Array(await response.arrayBuffer());
  const total = Number(response.headers.get("content-length")) || 0;
  const parts = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    onProgress((loaded += value.length), total);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** RGBA pixels of an ImageData, or of anything that a canvas can draw. */
function pixelsOf(image) {
  if (image.data && image.width && image.height) return image;
  const width = image.videoWidth || image.naturalWidth || image.displayWidth || image.width;
  const height = image.videoHeight || image.naturalHeight || image.displayHeight || image.height;
  if (!width || !height) throw new TypeError("an image is { data, width, height }, or what a canvas can draw");
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height);
}

export class Model {
  #c; #model; #session; #weights = 0;

  /**
   * Loads the module, and the .amg file where it embeds none.
   * Options: wasmUrl or wasm (bytes or a WebAssembly.Module), weightsUrl or weights (bytes), onProgress, signal.
   */
  static async create({ wasmUrl, wasm, weightsUrl, weights, onProgress, signal } = {}) {
    const own = hasSimd() ? new URL("./amalgamate.wasm", import.meta.url) : new URL("./amalgamate.scalar.wasm", import.meta.url);
    wasm ??= await bytesOf(wasmUrl ?? own, { onProgress: weightsUrl ? undefined : onProgress, signal });
    if (weightsUrl) weights ??= await bytesOf(weightsUrl, { onProgress, signal });
    const module = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
    const imports = {};
    // The C library names a few functions of the system that a run never calls.
    for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 52;
    return new Model(await WebAssembly.instantiate(module, imports), weights);
  }

  constructor(instance, weights) {
    this.#c = instance.exports;
    this.#c._initialize?.();
    if (weights) this.#weights = this.#put(weights);
    this.#model = this.#c.open(this.#weights, weights?.length ?? 0);
    if (!this.#model) throw new Error(`cannot open the model: ${this.#text(this.#c.message())}`);
    this.#session = this.#c.session(this.#model);
    if (!this.#session) throw new Error("there is not enough memory for a session");
    const list = (kind) => Array.from({ length: this.#c.count(this.#model, kind) }, (_, i) => this.#describe(kind, i));
    this.inputs = list(INPUT);
    this.outputs = list(OUTPUT);
  }

  /** The text that the model carries under a key ("name", "producer"), or null. */
  meta(key) {
    const at = this.#put(new TextEncoder().encode(`${key}\0`));
    const found = this.#c.meta(this.#model, at);
    this.#c.release(at);
    return found ? this.#text(found) : null;
  }

  /** The label of a class, or null. */
  label(index) {
    const at = this.#c.label(this.#model, index);
    return at ? this.#text(at) : null;
  }

  /**
   * Runs the network on arrays by input name: Float32Array (BigInt64Array for int64), or { data, shape } to change the
   * shape. Resolves to arrays by output name; `shape(name)` says how an output is shaped.
   */
  async run(feeds) {
    for (const name of Object.keys(feeds)) if (!this.inputs.some((t) => t.name === name)) this.#unknown("input", name, this.inputs);
    this.inputs.forEach((tensor, i) => {
      const given = feeds[tensor.name];
      if (given === undefined) throw new TypeError(`input '${tensor.name}' is missing`);
      this.#fill(tensor, i, given.data ?? given, given.shape);
    });
    this.#check(this.#c.run(this.#session));
    return Object.fromEntries(this.outputs.map((tensor, i) => [tensor.name, this.#view(OUTPUT, i).slice()]));
  }

  /** The best classes of a picture: ImageData, { data: RGBA bytes, width, height }, or what a canvas can draw. */
  async classify(image, { topK = 5 } = {}) {
    const { data, width, height } = pixelsOf(image);
    if (data.length !== width * height * 4) throw new TypeError(`${width}x${height} RGBA pixels are ${width * height * 4} bytes, not ${data.length}`);
    const pixels = this.#put(data), best = this.#c.alloc(topK * 8 || 8);
    try {
      this.#check(this.#c.set_image(this.#session, 0, pixels, width, height));
      this.#check(this.#c.run(this.#session));
      const found = this.#check(this.#c.topk(this.#session, 0, topK, best, best + topK * 4));
      const classes = new Int32Array(this.#c.memory.buffer, best, found);
      const scores = new Float32Array(this.#c.memory.buffer, best + topK * 4, found);
      return Array.from(classes, (c, i) => ({ label: this.label(c) ?? String(c), score: scores[i], classIndex: c }));
    } finally {
      this.#c.release(pixels);
      this.#c.release(best);
    }
  }

  /** The shape of an input or output as the last run had it. */
  shape(name) {
    for (const [kind, list] of [[INPUT, this.inputs], [OUTPUT, this.outputs]]) {
      const i = list.findIndex((t) => t.name === name);
      if (i >= 0) return this.#describe(kind, i).shape;
    }
    this.#unknown("tensor", name, [...this.inputs, ...this.outputs]);
  }

  /** Frees the model. */
  dispose() {
    this.#c?.session_free(this.#session);
    this.#c?.close(this.#model);
    this.#c?.release(this.#weights);
    this.#c = null;
  }

  #fill(tensor, i, data, shape) {
    const [dtype, Kind] = KINDS[tensor.type];
    if (!(data instanceof Kind)) throw new TypeError(`input '${tensor.name}' expects ${dtype} in a ${Kind.name}`);
    const now = this.#describe(INPUT, i).shape;
    const wanted = shape ?? tensor.shape;
    if (wanted.length !== now.length || wanted.some((d, axis) => d !== now[axis])) {
      const dims = this.#put(new Uint8Array(new Float64Array(wanted).buffer));
      const status = this.#c.set_shape(this.#session, i, dims, wanted.length);
      this.#c.release(dims);
      this.#check(status);
    }
    const place = this.#view(INPUT, i);
    if (data.length !== place.length) throw new RangeError(`input '${tensor.name}' expects ${place.length} numbers [${wanted}], got ${data.length}`);
    place.set(data);
  }

  #describe(kind, i) {
    this.#check(this.#c.describe(this.#session, kind, i));
    const type = this.#c.tensor_dtype();
    const shape = Array.from({ length: this.#c.tensor_ndim() }, (_, axis) => this.#c.tensor_dim(axis));
    return { name: this.#text(this.#c.tensor_name()), dtype: KINDS[type][0], type, shape };
  }

  /** The memory of a tensor; good until the module's memory grows. */
  #view(kind, i) {
    const { shape, type } = this.#describe(kind, i);
    return new KINDS[type][1](this.#c.memory.buffer, this.#c.data(this.#session, kind, i), shape.reduce((a, b) => a * b, 1));
  }

  /** A copy of bytes in the module's memory, aligned as the model asks. */
  #put(bytes) {
    const at = this.#c.alloc(bytes.length || 1);
    if (!at) throw new Error(`no memory for ${bytes.length} bytes`);
    new Uint8Array(this.#c.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  #text(at) {
    const bytes = new Uint8Array(this.#c.memory.buffer, at);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  #check(status) {
    if (status < 0) throw new Error(this.#text(this.#c.errmsg(this.#session)));
    return status;
  }

  #unknown(kind, name, known) {
    throw new TypeError(`there is no ${kind} '${name}'; there are: ${known.map((t) => t.name).join(", ")}`);
  }
}
