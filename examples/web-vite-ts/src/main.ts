import { Model, ModelError, type Label } from "digits";

const pen = document.querySelector<HTMLCanvasElement>("#picture")!.getContext("2d")!;
pen.fillRect(0, 0, 80, 80);
Object.assign(pen, { strokeStyle: "white", lineWidth: 12, lineCap: "round" });
pen.beginPath();
pen.moveTo(40, 8);
pen.lineTo(40, 72);
pen.stroke();

const words: Partial<Record<Label, string>> = { "1": "one", "7": "seven" };
const answer = document.querySelector<HTMLOutputElement>("#answer")!;
try {
  const model = await Model.create({ worker: true });
  const [best] = await model.classify(pen.canvas);
  if (best) answer.value = `${words[best.label] ?? best.label} (${(100 * best.score).toFixed(0)}%)`;
} catch (error) {
  answer.value = error instanceof ModelError ? `${error.code}: ${error.message}` : String(error);
}
