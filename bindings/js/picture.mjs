// The pixels of whatever a picture is given as.

import { ModelError } from "./errors.mjs";

export const sizeOf = (image) => [
  image.videoWidth || image.naturalWidth || image.displayWidth || image.width,
  image.videoHeight || image.naturalHeight || image.displayHeight || image.height,
];

let context; // of a canvas that is used again and again

/** RGBA pixels of an ImageData, or of anything that a canvas can draw. */
export function pixelsOf(image) {
  const [width, height] = image ? sizeOf(image) : [];
  if (!width || !height) throw new ModelError("PICTURE", "a picture is an ImageData, { data, width, height }, or what a canvas can draw");
  if (!image.data) {
    if (typeof OffscreenCanvas === "undefined") throw new ModelError("PICTURE", "there is no canvas here: give { data, width, height } with RGBA bytes");
    context ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    if (context.canvas.width !== width || context.canvas.height !== height) [context.canvas.width, context.canvas.height] = [width, height];
    else context.clearRect(0, 0, width, height);
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, width, height);
  }
  attached(image.data, "the picture");
  if (image.data.length !== width * height * 4) {
    throw new ModelError("PICTURE", `${width}x${height} RGBA pixels are ${width * height * 4} bytes, not ${image.data.length}`);
  }
  return image;
}

/** Refuses an array whose memory was transferred away. */
export function attached(array, what) {
  if (array.length === 0 && array.buffer) {
    try {
      new Uint8Array(array.buffer);
    } catch (cause) {
      throw new ModelError("DETACHED", `${what} lies in memory that was transferred to somewhere else`, { cause });
    }
  }
}
