// Small line drawings: no font on the reader's machine has to know them.

const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  hash: ["M6 3 5 13", "M11 3l-1 10", "M3 6h11", "M2 10h11"],
  lock: ["M4 7.5h8v6H4z", "M5.5 7.5v-2a2.5 2.5 0 0 1 5 0v2"],
  people: [
    "M6 7.5a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6z",
    "M1.5 13c.4-2.4 2.2-3.6 4.5-3.6S10.1 10.6 10.5 13",
    "M10.7 7.4a2 2 0 1 0-.6-3.9",
    "M12 9.6c1.5.4 2.3 1.6 2.5 3.4",
  ],
  thread: ["M2.5 3h11v7.5H7L4 13v-2.5H2.5z", "M5 5.7h6", "M5 8h4"],
  edit: ["M3 13l.7-2.9L11 2.8l2.2 2.2-7.3 7.3z", "M9.5 4.3l2.2 2.2"],
  trash: ["M3 4.5h10", "M6 4.5V3h4v1.5", "M4.2 4.5l.6 8.5h6.4l.6-8.5"],
  thumb: [
    "M2.5 7.5H5V13H2.5z",
    "M5 7.8 8 2.5c1.2 0 1.7.9 1.4 2L9 6.5h3.2c1 0 1.5.8 1.3 1.7l-.8 3.6c-.2.8-.7 1.2-1.5 1.2H5",
  ],
  file: ["M4 2.5h5.5L12 5v8.5H4z", "M9.5 2.5V5H12"],
  picture: ["M2.5 3h11v10h-11z", "M3 11.5 6.5 8l2.5 2.5 1.8-1.8 2.2 2.3", "M10.3 6h.4"],
  eye: [
    "M1.5 8S4 4 8 4s6.5 4 6.5 4S12 12 8 12 1.5 8 1.5 8z",
    "M8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
  ],
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const look = {
    viewBox: "0 0 16 16",
    width: "16",
    height: "16",
    class: "icon",
    "aria-hidden": "true",
  };
  for (const [key, value] of Object.entries(look)) svg.setAttribute(key, value);
  for (const shape of SHAPES[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}
