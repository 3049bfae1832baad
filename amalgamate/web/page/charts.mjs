// The charts: time by layer as a table with bars, memory over a run as an area.
const SHOWN = 10;

export function layers(body, profile) {
  const slowest = [...profile].sort((a, b) => b.ms - a.ms);
  const rest = slowest.slice(SHOWN);
  const rows = slowest.slice(0, SHOWN).map(({ name, op, ms }) => [name, op, ms]);
  if (rest.length) rows.push([`${rest.length} others`, "", rest.reduce((sum, l) => sum + l.ms, 0)]);
  const largest = Math.max(1e-9, ...rows.map((row) => row[2]));
  body.replaceChildren(...rows.map(([name, op, ms]) => {
    const row = document.createElement("tr"), head = document.createElement("th"), track = document.createElement("span");
    head.scope = "row";
    head.textContent = head.title = name;
    const cells = [op, ms.toFixed(2), ""].map((text) => Object.assign(document.createElement("td"), { textContent: text }));
    cells[1].className = "number";
    track.className = "track";
    track.append(Object.assign(document.createElement("span"), { className: "fill" }));
    track.firstChild.style.width = `${(100 * ms) / largest}%`;
    cells[2].append(track);
    row.append(head, ...cells);
    return row;
  }));
}

export function memory(svg, note, profile) {
  const largest = Math.max(1, ...profile.map((l) => l.bytes));
  const step = 600 / profile.length;
  const steps = profile.map(({ bytes }, i) => `V${(155 - (150 * bytes) / largest).toFixed(1)}H${((i + 1) * step).toFixed(1)}`);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", `M0 155${steps.join("")}V155Z`);
  svg.replaceChildren(path);
  const peak = profile.find((l) => l.bytes === largest);
  const text = `Activations alive over ${profile.length} layers: at most ${size(largest)}, in ${peak?.name}`;
  svg.setAttribute("aria-label", text);
  note.textContent = `${text}.`;
}

const size = (bytes) => (bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(2)} MiB` : `${(bytes / 1024).toFixed(1)} KiB`);
