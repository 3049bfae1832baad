import { Model } from "digits";

const drawn = `
  . . . # # . . .
  . . # # # . . .
  . . . # # . . .
  . . . # # . . .
  . . . # # . . .
  . . . # # . . .
  . . . # # . . .
  . . # # # # . .`;

const model = await Model.create();
const image = Float32Array.from(drawn.match(/[.#]/g), (c) => Number(c === "#"));
const { probabilities } = await model.run({ image });
const best = probabilities.indexOf(Math.max(...probabilities));
console.log(`${model.labels[best]} (${(100 * probabilities[best]).toFixed(0)}%)`);
model.dispose();
