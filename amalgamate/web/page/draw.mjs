// A pad to draw a digit on. What is drawn is kept as strokes, so that it can be centred and scaled as the network knows digits.
import { samples } from "./samples.mjs";

const SIDE = 64; // of the picture that the network gets
const PEN = 9; // width of a stroke there: a bit more than one of its eight pixels
const STEP = 12; // of the pen by keyboard, in pixels of the pad

export function start({ see, clear }) {
  const pad = document.getElementById("pad"), pen = pad.getContext("2d");
  const small = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  let strokes = [], stroke = null, shown = null, turn = 0, cursor = [160, 160], keyboard = false;

  function paint() {
    const style = getComputedStyle(document.documentElement);
    pen.clearRect(0, 0, pad.width, pad.height);
    if (shown) {
      const side = pad.width / 8;
      pen.fillStyle = style.getPropertyValue("--ink");
      shown.forEach((value, i) => {
        pen.globalAlpha = value / 255;
        pen.fillRect((i % 8) * side, Math.floor(i / 8) * side, side + 0.5, side + 0.5);
      });
      pen.globalAlpha = 1;
    }
    trace(pen, strokes, style.getPropertyValue("--ink"), 22);
    if (keyboard) {
      pen.strokeStyle = style.getPropertyValue("--accent");
      pen.lineWidth = 3;
      pen.beginPath();
      pen.arc(...cursor, stroke ? 8 : 14, 0, 7);
      pen.stroke();
    }
  }

  /** The strokes, centred, as high or wide as the picture, white on black. */
  function picture() {
    const points = strokes.flat(), room = SIDE - PEN;
    const [left, top] = [0, 1].map((axis) => Math.min(...points.map((p) => p[axis])));
    const [width, height] = [0, 1].map((axis) => Math.max(...points.map((p) => p[axis])) - [left, top][axis]);
    const scale = room / Math.max(width, height, 40);
    small.setTransform(1, 0, 0, 1, 0, 0);
    small.fillRect(0, 0, SIDE, SIDE);
    small.setTransform(scale, 0, 0, scale, SIDE / 2 - (left + width / 2) * scale, SIDE / 2 - (top + height / 2) * scale);
    trace(small, strokes, "#fff", PEN / scale);
    return small.getImageData(0, 0, SIDE, SIDE);
  }

  function changed() {
    paint();
    if (strokes.length) see(picture());
  }

  function wipe() {
    [strokes, stroke, shown] = [[], null, null];
    clear();
    paint();
  }

  const at = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * pad.width, ((event.clientY - box.top) / box.height) * pad.height];
  };
  pad.addEventListener("pointerdown", (event) => {
    if (shown) wipe();
    keyboard = false;
    pad.setPointerCapture(event.pointerId);
    strokes.push((stroke = [at(event)]));
    changed();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!stroke || keyboard) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) stroke.push(at(part));
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (stroke = null));

  const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  pad.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") wipe();
    else if (event.key === " ") {
      if (shown) wipe();
      stroke = stroke ? null : [[...cursor]];
      if (stroke) strokes.push(stroke);
    } else if (moves[event.key]) {
      cursor = cursor.map((v, axis) => Math.max(12, Math.min(pad.width - 12, v + moves[event.key][axis])));
      stroke?.push([...cursor]);
    } else return;
    event.preventDefault();
    keyboard = true;
    changed();
  });
  pad.addEventListener("blur", () => ((keyboard = false), paint()));

  document.getElementById("clear").addEventListener("click", wipe);
  document.getElementById("sample").addEventListener("click", () => {
    wipe();
    shown = samples[turn++ % samples.length];
    const data = Uint8ClampedArray.from(shown.flatMap((v) => [v, v, v, 255]));
    paint();
    see({ data, width: 8, height: 8 });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

function trace(context, strokes, colour, width) {
  Object.assign(context, { strokeStyle: colour, lineWidth: width, lineCap: "round", lineJoin: "round" });
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(...points[0]);
    for (const point of points.length > 1 ? points : [points[0]]) context.lineTo(...point);
    context.stroke();
  }
}
