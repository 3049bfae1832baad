// Memory that runs out: at any allocation, in a package of the digit network whose pair allocates by tests/c/faults.h, and
// where the module may not grow. Environment: PACKAGE, the folder that holds it as node_modules/digits; GOLDEN; WEIGHTS.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { afterEach, test } from "node:test";
import { digits, file, load, picture } from "./golden.mjs";

const { Model, ModelError } = await load("digits");
const [{ pixels, floats, scores }] = await digits();
const { instantiate } = WebAssembly;
const outOfMemory = (error) => error instanceof ModelError && error.code === "MEMORY" && error.message.length > 10;
afterEach(() => (WebAssembly.instantiate = instantiate));

/** Modules that start from here on allocate by the numbers that this returns, their JavaScript too. */
function starved() {
  const numbers = { call: 0, at: null, blocks: () => numbers.at()[1] };
  WebAssembly.instantiate = async (module, imports) => {
    const instance = await instantiate(module, imports), c = instance.exports;
    if (!c?.faults) return instance; // another module, of Node's own
    const at = (numbers.at = () => new BigInt64Array(c.memory.buffer, c.faults(), 2));
    const alloc = (bytes) => {
      if (at()[0] === 1n) return 0;
      if (at()[0] > 1n) at()[0]--;
      at()[1]++;
      return c.alloc(bytes);
    };
    const release = (address) => ((at()[1] -= address ? 1n : 0n), c.release(address));
    at()[0] = BigInt(numbers.call);
    return { exports: { ...c, alloc, release } };
  };
  return numbers;
}

/** Calls `action` with memory that ends at each allocation in turn, until it succeeds; returns how many there are. */
async function atEach(arm, action, after) {
  for (let call = 1; ; call++) {
    arm(call);
    const failed = await action().then(() => null, (error) => error);
    arm(0);
    assert.ok(!failed || outOfMemory(failed), `allocation ${call}: ${failed}`);
    await after(call);
    if (!failed) return call - 1;
  }
}

async function golden(model) {
  const { probabilities } = await model.run({ image: { data: floats, shape: [1, 1, 8, 8] } });
  probabilities.forEach((score, i) => assert.ok(Math.abs(score - scores[i]) <= 1e-5, `score ${i} is ${score}`));
}

test("opening", async () => {
  const numbers = starved(), weights = new Uint8Array(await readFile(process.env.WEIGHTS));
  for (const [given, least] of [[{}, 4], [{ weights }, 5]]) {
    const create = () => Model.create(given).then((model) => model.dispose());
    const allocations = await atEach((call) => (numbers.call = call), create, async () => golden(await Model.create(given)));
    assert.ok(allocations >= least, "the weights that are given; the model; the session, its plan and arena");
  }
});

test("running", async () => {
  const numbers = starved(), model = await Model.create(), before = numbers.blocks();
  const calls = {
    classify: [2, () => model.classify(picture(pixels, 8, 8))],
    meta: [1, async () => model.meta("name")],
    batch: [2, () => model.run({ image: { data: new Float32Array(3 * 64), shape: [3, 1, 8, 8] } })],
  };
  for (const [name, [allocations, action]] of Object.entries(calls)) {
    const found = await atEach((call) => (numbers.at()[0] = BigInt(call)), action, async (call) => {
      await golden(model);
      assert.equal(numbers.blocks(), before, `${name} loses memory when allocation ${call} fails`);
    });
    assert.ok(found >= allocations, `${name}: ${found} allocations`);
  }
});

/** A module whose memory stays as large as it begins. */
function fixed(bytes) {
  const number = (at) => { // LEB128: [value, where it ends]
    let value = 0, shift = 0, byte;
    do (byte = bytes[at++]), (value |= (byte & 127) << shift), (shift += 7); while (byte & 128);
    return [value, at];
  };
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at], [size, start] = number(at + 1);
    if (id === 5) {
      const [, limit] = number(start + 2), least = bytes.subarray(start + 2, limit);
      const section = [1, 1, ...least, ...least]; // one memory, which has a limit
      return Uint8Array.from([...bytes.subarray(0, at), 5, section.length, ...section, ...bytes.subarray(start + size)]);
    }
    at = start + size;
  }
  throw new Error("there is no memory");
}

test("a module that may not grow", async () => {
  const model = await Model.create({ wasm: fixed(await readFile(file("digits", "./digits.wasm"))) });
  const large = { data: new Float32Array(64 << 12), shape: [1 << 12, 1, 8, 8] }, size = await model.memory();
  for (let i = 0; i < 20; i++) await assert.rejects(model.run({ image: large }), outOfMemory);
  await golden(model);
  await assert.rejects(model.classify({ data: new Uint8ClampedArray(4 << 20), width: 1024, height: 1024 }), outOfMemory);
  await golden(model);
  assert.equal(await model.memory(), size);
});
