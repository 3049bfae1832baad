// Pictures from a file, a drop, the clipboard or the webcam.
const LARGEST = 1280; // pixels of a side that are kept: more helps no network

export function start({ see, say }) {
  const $ = (id) => document.getElementById(id);
  const drop = $("drop"), preview = $("preview"), video = $("video"), button = $("webcam");

  async function take(file) {
    stop();
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      return say(`${file.name || "That"} is no picture that this browser can read`);
    }
    const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
    [preview.width, preview.height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    preview.getContext("2d", { willReadFrequently: true }).drawImage(bitmap, 0, 0, preview.width, preview.height);
    bitmap.close();
    preview.ariaLabel = file.name ? `Picture ${file.name}` : "Your picture";
    [preview.hidden, $("hint").hidden] = [false, true];
    see(preview);
  }

  const pictureOf = (data) => [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));
  const takeFrom = (data) => {
    const file = pictureOf(data);
    if (file) take(file);
    else say("There is no picture in that");
  };
  $("file").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
  document.addEventListener("paste", (event) => takeFrom(event.clipboardData));
  document.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    takeFrom(event.dataTransfer);
  });

  let stream = null, frames = [];

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
    [stream, video.srcObject, video.hidden] = [null, null, true];
    button.ariaPressed = "false";
  }

  /** The running model takes frames as fast as it can; the rate is of frames that came, over a second. */
  function frame() {
    if (!stream) return;
    const now = performance.now();
    frames = [...frames.filter((then) => now - then < 1000), now];
    see(video);
    drop.dataset.rate = `${frames.length}`;
    $("hint").textContent = `${frames.length} frames a second`;
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(frame);
    else requestAnimationFrame(frame);
  }

  button.addEventListener("click", async () => {
    if (stream) {
      stop();
      $("hint").textContent = "Drop a picture here, or paste one.";
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 640 } } });
    } catch (error) {
      return say(`No webcam: ${error.message}`);
    }
    video.srcObject = stream;
    await video.play();
    [video.hidden, preview.hidden, $("hint").hidden] = [false, true, false];
    button.ariaPressed = "true";
    frame();
  });
}
