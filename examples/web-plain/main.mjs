import { Model } from "./digits/digits.mjs";

const pen = document.getElementById("picture").getContext("2d");
pen.fillRect(0, 0, 80, 80);
Object.assign(pen, { strokeStyle: "white", lineWidth: 12, lineCap: "round" });
pen.beginPath();
pen.moveTo(40, 8);
pen.lineTo(40, 72);
pen.stroke();

const answer = document.getElementById("answer");
try {
  const model = await Model.create();
  const [best] = await model.classify(pen.canvas);
  answer.value = `${best.label} (${(100 * best.score).toFixed(0)}%)`;
} catch (error) {
  answer.value = `${error.code}: ${error.message}`;
}
