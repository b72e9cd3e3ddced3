// Elements and small pictures of arrays: tables, heat maps, histograms. All text is set as text, never as markup.
"use strict";

// h("p", {class: "quiet"}, "text", child, ...): an element; strings become text, never markup.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// ------------------------------------------------------------------------------------------------ pictures of arrays

// Blue below zero, orange above, stronger where larger; [r, g, b, opacity].
function tint(value, largest) {
  if (!Number.isFinite(value)) return [196, 0, 29, 0.85];
  const strength = largest > 0 ? Math.min(Math.abs(value) / largest, 1) : 0;
  return value < 0 ? [0, 114, 178, strength] : [222, 110, 30, strength];
}

function rowsOf(array) {
  const values = array.data.map(numeric);
  const columns = array.shape.length > 1 ? array.shape.at(-1) : Math.min(values.length, 32);
  const rows = [];
  for (let i = 0; i < values.length; i += columns) rows.push(values.slice(i, i + columns));
  return rows;
}

function heatMap(array) {
  const rows = rowsOf(array);
  const size = Math.max(3, Math.min(18, Math.floor(304 / rows[0].length), Math.floor(240 / rows.length)));
  const largest = Math.max(...rows.flat().filter(Number.isFinite).map(Math.abs), 0);
  const canvas = h("canvas", { class: "heat", width: rows[0].length * size, height: rows.length * size, role: "img" });
  canvas.setAttribute("aria-label", `heat map, blue below zero, orange above, up to ${numberText(largest)}`);
  const pen = canvas.getContext("2d");
  rows.forEach((row, y) => row.forEach((value, x) => {
    const [r, g, b, opacity] = tint(value, largest);
    pen.fillStyle = `rgba(${r},${g},${b},${opacity})`;
    pen.fillRect(x * size, y * size, size, size);
  }));
  const scale = h("p", { class: "quiet scale" }, `blue −${numberText(largest, 3)} … 0 … ${numberText(largest, 3)} orange`);
  return h("figure", {}, canvas, scale);
}

function binsOf(array, count = 24) {
  if (array.bins) return array.bins;
  const { min, max } = figuresOf(array);
  const bins = new Array(count).fill(0);
  for (const value of array.data.map(numeric).filter(Number.isFinite)) {
    bins[max > min ? Math.min(Math.floor(((value - min) / (max - min)) * count), count - 1) : count >> 1] += 1;
  }
  return bins;
}

function histogram(array) {
  const bins = binsOf(array);
  const { min, max } = figuresOf(array);
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 0 ${bins.length * 10} 44`);
  picture.setAttribute("class", "histogram");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `histogram from ${numberText(min)} to ${numberText(max)}`);
  const tallest = Math.max(...bins);
  bins.forEach((count, i) => {
    const bar = document.createElementNS(SVG, "rect");
    const height = count ? Math.max((count / tallest) * 42, 1.5) : 0;
    const place = { x: i * 10 + 0.5, y: 43 - height, width: 9, height };
    for (const [name, value] of Object.entries(place)) bar.setAttribute(name, value);
    picture.append(bar);
  });
  const ends = [min, max].map((end) => h("span", {}, numberText(end)));
  return h("figure", {}, picture, h("p", { class: "quiet scale ends" }, ends));
}

function numbersTable(array) {
  const columns = array.shape.length > 1 ? array.shape.at(-1) : array.data.length;
  const largest = Math.max(...array.data.map(numeric).filter(Number.isFinite).map(Math.abs), 0);
  const table = h("table", { class: "numbers" });
  for (let i = 0; i < array.data.length; i += columns) {
    table.append(h("tr", {}, array.data.slice(i, i + columns).map((value) => {
      const cell = h("td", { title: numberText(value, 12) }, numberText(value));
      const [r, g, b, opacity] = tint(numeric(value), largest);
      if (typeof value !== "string") cell.style.background = `rgba(${r},${g},${b},${opacity * 0.34})`;
      return cell;
    })));
  }
  return h("div", { class: "scroll" }, table);
}

function figuresLine(array) {
  const { min, max, mean, std, nans, infinities } = figuresOf(array);
  const parts = [`min ${numberText(min)}`, `max ${numberText(max)}`, `mean ${numberText(mean)}`, `std ${numberText(std)}`];
  if (nans) parts.push(`${nans} nan`);
  if (infinities) parts.push(`${infinities} infinite`);
  return h("p", { class: nans || infinities ? "figures wrong" : "figures" }, parts.join(" · "));
}

// All that is known of an array: numbers where it is small, else a picture, figures, and the numbers on request.
function arrayView(array) {
  const { data, shape } = array;
  if (!data) return h("div", {}, array.bins ? histogram(array) : null, figuresLine(array));
  if (data.length === 0) return h("p", { class: "quiet" }, `empty ${shapeText(shape)}`);
  if (shape.length === 0) return h("p", { class: "single", title: numberText(data[0], 17) }, numberText(data[0], 8));
  const width = shape.length > 1 ? shape.at(-1) : data.length;
  if (width <= 6 && data.length <= 36) return numbersTable(array);
  const complex = data.some((value) => typeof value === "string" && !(value in NOT_FINITE));
  if (complex) return numbersTable(array);
  const rows = Math.ceil(data.length / (shape.length > 1 ? shape.at(-1) : 32));
  const more = h("details", {}, h("summary", {}, `all ${data.length} numbers`));
  more.addEventListener("toggle", () => more.children.length < 2 && more.append(numbersTable(array)), { once: true });
  return h("div", {}, width <= 100 && rows <= 100 ? heatMap(array) : null, histogram(array), figuresLine(array), more);
}
