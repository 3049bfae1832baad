// What the tests of golden vectors share: the package that the folder PACKAGE holds as node_modules/NAME, and its module.
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

/** The URL of a file of a package. */
export const file = (name, path) => new URL(path, pathToFileURL(createRequire(`${process.env.PACKAGE}/`).resolve(name)));

export const load = (name) => import(file(name, `./${name}.mjs`));

/** The digits of the file GOLDEN: pixels of 0 to 255, the same as floats, and their scores. */
export async function digits() {
  const lines = (await readFile(process.env.GOLDEN, "utf8")).trim().split("\n");
  return lines.map((line) => {
    const numbers = line.split(" ").map(Number), pixels = numbers.slice(0, 64);
    return { pixels, floats: Float32Array.from(pixels, (p) => Math.fround(p) / Math.fround(255)), scores: numbers.slice(65) };
  });
}

/** RGBA from gray or RGB. */
export function picture(pixels, width, height) {
  const channels = pixels.length / (width * height), data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) for (let c = 0; c < 3; c++) data[4 * i + c] = pixels[channels * i + (channels === 3 ? c : 0)];
  return { data, width, height };
}

export const scoresOf = (best) => [...best].sort((a, b) => a.classIndex - b.classIndex).map(({ score }) => score);
