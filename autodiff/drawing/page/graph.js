// The graph as data: what is connected with what, numbers as text, paths and their products, and the steps of both
// passes. Knows nothing of the document.
"use strict";

function readGraph(data) {
  const { nodes, edges, groups } = data;
  const array = (index) => (index === undefined ? null : data.arrays[index]);
  const groupById = new Map(groups.map((group) => [group.id, group]));
  for (const node of nodes) {
    Object.assign(node, { value: array(node.value), gradient: array(node.gradient), inputs: [], uses: [] });
    node.label = node.name || node.id;
  }
  edges.forEach((edge, index) => {
    Object.assign(edge, { index, source: nodes[edge.source], target: nodes[edge.target] });
    Object.assign(edge, { gradient: array(edge.gradient), local: array(edge.local) });
    edge.source.uses.push(edge);
    edge.target.inputs.push(edge);
  });
  for (const node of nodes) node.inputs.sort((a, b) => a.position - b.position);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return { ...data, byId, groupById, groupsAround: (id) => groupsAround(id, groupById) };
}

// The ids of a group and of all around it, outermost first.
function groupsAround(id, groupById) {
  const chain = [];
  for (let group = groupById.get(id); group; group = groupById.get(group.parent)) chain.unshift(group.id);
  return chain;
}

// ------------------------------------------------------------------------------------------------ numbers as text

const NOT_FINITE = { nan: NaN, inf: Infinity, "−inf": -Infinity };

// Values that JSON cannot hold come as text: nan, infinities, complex numbers.
function numeric(value) {
  return typeof value === "string" ? (NOT_FINITE[value] ?? NaN) : Number(value);
}

function numberText(value, digits = 4) {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value === null || Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "−inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  let [mantissa, exponent] = value.toPrecision(digits).split("e");
  const size = Math.abs(value);
  if (exponent === undefined && size < 1e-4) [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  if (mantissa.includes(".")) mantissa = mantissa.replace(/\.?0+$/, "");
  return (exponent ? `${mantissa}e${Number(exponent)}` : mantissa).replace(/-/g, "−");
}

function shapeText(shape) {
  if (!shape) return "";
  return shape.length === 0 ? "scalar" : shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

const isSingle = (array) => Boolean(array && array.data && array.data.length === 1);

// An array in a few characters.
function briefText(array) {
  if (!array) return "?";
  if (array.data && array.shape.length === 0) return numberText(array.data[0]);
  const short = array.data && array.data.length <= 4 && array.shape.length === 1;
  if (short) return `[${array.data.map((value) => numberText(value)).join(", ")}]`;
  const figures = figuresOf(array);
  return `${shapeText(array.shape)} ${numberText(figures.min, 2)} … ${numberText(figures.max, 2)}`;
}

// Figures over the finite elements.
function figuresOf(array) {
  if (!array.data) return array;
  const all = array.data.map(numeric);
  const finite = all.filter(Number.isFinite);
  const nans = all.filter(Number.isNaN).length;
  const infinities = all.length - finite.length - nans;
  if (!finite.length) return { min: NaN, max: NaN, mean: NaN, std: NaN, nans, infinities };
  const mean = finite.reduce((sum, v) => sum + v, 0) / finite.length;
  const std = Math.sqrt(finite.reduce((sum, v) => sum + (v - mean) ** 2, 0) / finite.length);
  return { min: Math.min(...finite), max: Math.max(...finite), mean, std, nans, infinities };
}

// The sum of arrays of one shape, null where one is not known in full.
function sumOf(arrays) {
  if (!arrays.length || arrays.some((a) => !a || !a.data || a.data.length !== arrays[0].data.length)) return null;
  if (arrays.length === 1) return arrays[0];
  const data = arrays[0].data.map((_, i) => arrays.reduce((sum, a) => sum + numeric(a.data[i]), 0));
  return { ...arrays[0], data };
}

// "2 + 3 = 5", "[1, 2] − [0, 1] ..." in a line.
function sumText(terms, total) {
  const texts = terms.map((term) => (term ? briefText(term) : "?"));
  if (texts.length === 1) return texts[0];
  if (texts.some((text) => text.length > 24)) return `${texts.length} terms${total ? ` = ${briefText(total)}` : ""}`;
  const joined = texts.reduce((line, text) => (text.startsWith("−") ? `${line} − ${text.slice(1)}` : `${line} + ${text}`));
  return total ? `${joined} = ${briefText(total)}` : joined;
}

// Whether two arrays agree, as far as the digits that the page has can tell.
function almostEqual(a, b) {
  if (!a || !b || !a.data || !b.data || a.data.length !== b.data.length) return true; // nothing to compare
  const pairs = a.data.map((v, i) => [numeric(v), numeric(b.data[i])]).filter((pair) => pair.every(Number.isFinite));
  const largest = Math.max(0, ...pairs.flat().map(Math.abs));
  return pairs.every(([x, y]) => Math.abs(x - y) <= 1e-4 * largest);
}

// ------------------------------------------------------------------------------------------------ formulas

const INFIX = { add: "+", subtract: "−", multiply: "×", divide: "÷", matmul: "@" };

// "a × b" or "tanh(x)", with `text` saying how each input is written.
function callText(node, text) {
  const inputs = node.inputs.map((edge) => text(edge.source));
  if (INFIX[node.operation] && inputs.length === 2) return inputs.join(` ${INFIX[node.operation]} `);
  if (node.operation === "negative" && inputs.length === 1) return `−${inputs[0]}`;
  const settings = Object.entries(node.settings || {}).map(([key, value]) => `${key}=${value}`);
  return `${node.operation || node.role}(${[...inputs, ...settings].join(", ")})`;
}

// What an input is called in a formula: a bare number has no name.
function nameIn(node) {
  return node.role === "constant" && !node.name && isSingle(node.value) ? briefText(node.value) : node.label;
}

// "c = a × b = 2 × 3 = 6": what a node computes, and with which numbers.
function formulaText(node) {
  const single = node.inputs.every((edge) => isSingle(edge.source.value)) && isSingle(node.value);
  const names = callText(node, nameIn);
  const numbers = single ? callText(node, (input) => briefText(input.value)) : names;
  const value = node.value ? briefText(node.value) : node.noValue ? `value ${node.noValue}` : "";
  const head = node.label === node.operation ? "" : node.label;
  return [head, names, numbers === names ? "" : numbers, value].filter(Boolean).join(" = ");
}

// What a screen reader says of a node: what it is, its value and its gradient.
function spokenText(node) {
  const kind = [node.operation !== node.label && node.operation, node.output ? "output" : !node.operation && node.role];
  const value = node.value ? `value ${briefText(node.value)}` : node.noValue ? `value ${node.noValue}` : "";
  const gradient = node.gradient ? `gradient ${briefText(node.gradient)}` : node.noGradient ? `gradient ${node.noGradient}` : "";
  return [nameIn(node), ...kind, value, gradient].filter(Boolean).join(", ");
}

// ------------------------------------------------------------------------------------------------ paths

// Sources before targets. A group drawn as one node can make a ring; what is in one comes last, in the order of the list.
function topological(nodes) {
  const waiting = new Map(nodes.map((node) => [node, node.inputs.length]));
  const order = nodes.filter((node) => node.inputs.length === 0);
  for (const node of order) {
    for (const edge of node.uses) {
      waiting.set(edge.target, waiting.get(edge.target) - 1);
      if (waiting.get(edge.target) === 0) order.push(edge.target);
    }
  }
  const done = new Set(order);
  return [...order, ...nodes.filter((node) => !done.has(node))];
}

const LISTED_PATHS = 8;

// All paths from `start` to the outputs: how many, over which nodes and edges, and a few of them: those with the largest products
// of local derivatives, where these are single numbers. Counted from the outputs backwards; never listed one by one.
function pathsFrom(graph, start) {
  const counts = new Map();
  const best = new Map(); // for each node the largest products from it to an output: {product, edge, rest}
  for (const node of topological(graph.nodes).reverse()) {
    let count = node.output ? 1n : 0n;
    let found = node.output ? [{ product: 1, edge: null, rest: null }] : [];
    for (const edge of node.uses) {
      count += counts.get(edge.target) ?? 0n;
      const factor = isSingle(edge.local) ? numeric(edge.local.data[0]) : null;
      for (const rest of best.get(edge.target) ?? []) {
        const known = factor !== null && rest.product !== null;
        found.push({ product: known ? factor * rest.product : null, edge, rest });
      }
    }
    found.sort((a, b) => Math.abs(b.product ?? 0) - Math.abs(a.product ?? 0));
    counts.set(node, count);
    best.set(node, found.slice(0, LISTED_PATHS));
  }
  const nodes = new Set(counts.get(start) ? [start] : []);
  const edges = new Set();
  for (const node of nodes) {
    for (const edge of node.uses) {
      if (!counts.get(edge.target)) continue;
      edges.add(edge);
      nodes.add(edge.target);
    }
  }
  const scalar = [...edges].every((edge) => isSingle(edge.local));
  return { start, count: counts.get(start), nodes, edges, scalar, listed: best.get(start).map(spelledOut) };
}

// A path as its edges; `factors` and `product` are null where a local derivative is not a single number.
function spelledOut(path) {
  const edges = [];
  for (let step = path; step.edge; step = step.rest) edges.push(step.edge);
  const factors = path.product === null ? null : edges.map((edge) => numeric(edge.local.data[0]));
  return { product: path.product, edges, factors };
}

// ------------------------------------------------------------------------------------------------ both passes, step by step

// The terms of a node's gradient in the order in which they arrive: the last consumer is walked first.
function termsOf(node, place) {
  return [...node.uses].sort((a, b) => place.get(b.target) - place.get(a.target) || a.position - b.position);
}

// Forward: every node as made; constants and parameters are there before. Backward: the nodes reversed; each one has its gradient
// complete by then, and sends along every incoming edge what that edge brings to the node behind it. A parameter that is used once
// has all of its gradient when that arrives, which is no step of its own.
function stepsOf(graph) {
  const place = new Map(graph.nodes.map((node, i) => [node, i]));
  const nodes = graph.nodes.filter((node) => node.role !== "constant");
  const steps = nodes.filter((node) => node.role !== "parameter").map((node) => ({ kind: "forward", node }));
  for (const node of [...nodes].reverse()) {
    if (node.role === "parameter" && node.uses.length === 1) continue;
    steps.push({ kind: "total", node, terms: termsOf(node, place) });
    for (const edge of node.inputs) {
      if (edge.source.role === "constant") continue;
      const terms = termsOf(edge.source, place);
      steps.push({ kind: "arrival", node, edge, terms: terms.slice(0, terms.indexOf(edge) + 1), outOf: terms.length });
    }
  }
  return steps;
}
