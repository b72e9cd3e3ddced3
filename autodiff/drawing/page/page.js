// The page: selection, search, breadcrumb, paths and keys; joins graph, canvas, panel and player.
"use strict";

const $ = (id) => document.getElementById(id);
const graph = readGraph(JSON.parse($("data").textContent));
const places = new Map(graph.nodes.map((node, i) => [node, i]));
graph.termsOf = (node) => termsOf(node, places);

const canvas = new Canvas($("canvas"), graph);
const player = new Player($("player"), graph, canvas);
const ITEMS = "#canvas :is(.node, .group, .port)"; // what can be selected
let paths = null;
let chosenPath = 0;
let selected = null; // {node} or {group}

const panel = new Panel($("panel"), graph, {
  go: (node) => goTo(node),
  goGroup: (id) => goToGroup(id),
  enter: (id) => enter(id),
  toggle: (id) => toggleGroup(id),
  play: (node) => {
    const [shown, done] = [player.shownAt.get(node) ?? player.doneAt.get(node), player.doneAt.get(node)];
    player.go(player.at >= done || player.at === shown ? done : shown);
  },
  paths: (node) => showPaths(node),
  choose: (i) => {
    chosenPath = i;
    showPathsAgain();
  },
  clear: () => clearPaths(),
  resized: () => canvas.resized(),
});

// ------------------------------------------------------------------------------------------------ selection

function elementOfSelection() {
  if (!selected) return null;
  return selected.node ? canvas.elementOf(selected.node) : canvas.boxes.get(selected.group.id);
}

function markSelection() {
  for (const old of document.querySelectorAll("#canvas .selected")) {
    old.classList.remove("selected");
    old.setAttribute("tabindex", "-1");
  }
  const element = elementOfSelection();
  if (element?.isConnected) element.classList.add("selected");
  // One stop for the Tab key: what is selected, else the first thing there is.
  const stop = element?.isConnected ? element : document.querySelector(ITEMS);
  stop?.setAttribute("tabindex", "0");
  if (stop?.matches(".node")) stop.setAttribute("aria-label", spokenText(graph.byId.get(stop.dataset.node)));
}

function select(what, { focus = true, open = true } = {}) {
  selected = what;
  markSelection();
  const element = elementOfSelection();
  if (focus && element?.isConnected) element.focus({ preventScroll: true });
  if (open || panel.shown) showPanel();
  if (element?.isConnected) canvas.reveal(element);
}

function showPanel() {
  if (selected?.node) panel.showNode(selected.node);
  if (selected?.group) panel.showGroup(selected.group, canvas.open.has(selected.group.id), canvas.opens(selected.group.id));
}

function closePanel() {
  panel.close();
  elementOfSelection()?.focus?.({ preventScroll: true });
}

function goTo(node) {
  canvas.unfold(graph.groupsAround(node.group));
  select({ node });
  const element = canvas.elementOf(node);
  if (element) canvas.reveal(element, true);
}

function goToGroup(id) {
  canvas.unfold(graph.groupsAround(graph.groupById.get(id).parent));
  select({ group: graph.groupById.get(id) });
  canvas.reveal(canvas.boxes.get(id), true);
}

function enter(id) {
  canvas.enter(id);
  select(null, { focus: false, open: false });
  panel.close();
  document.querySelector(ITEMS)?.focus({ preventScroll: true });
}

// To the scene around the main one, with the group that was left selected.
function leave() {
  const left = canvas.main;
  if (!left) return false;
  canvas.enter(graph.groupById.get(left).parent ?? "");
  select({ group: graph.groupById.get(left) }, { open: false });
  return true;
}

function toggleGroup(id) {
  if (!canvas.opens(id) && !canvas.open.has(id)) return enter(id);
  canvas.toggle(id);
  select({ group: graph.groupById.get(id) }, { open: panel.shown });
}

// Follow an edge out of a group; where several leave by one port, the panel asks which.
function follow(port) {
  const beyond = JSON.parse(port.dataset.nodes).map((id) => graph.byId.get(id));
  if (beyond.length === 1) return goTo(beyond[0]);
  selected = null;
  markSelection();
  port.focus({ preventScroll: true });
  panel.showChoice(port.matches(".in") ? "Comes from" : "Goes to", beyond);
}

function pick(element, { open = true } = {}) {
  if (element.matches(".node")) select({ node: graph.byId.get(element.dataset.node) }, { open });
  else if (element.matches(".group")) select({ group: graph.groupById.get(element.dataset.group) }, { open });
  else {
    element.focus({ preventScroll: true });
    canvas.reveal(element);
  }
}

canvas.svg.addEventListener("click", (event) => {
  const toggle = event.target.closest(".toggle");
  if (toggle) return toggleGroup(toggle.closest(".group").dataset.group);
  const element = event.target.closest(".port, .node, .group");
  if (!element) return;
  if (element.matches(".port")) follow(element);
  else pick(element);
});
canvas.svg.addEventListener("dblclick", (event) => {
  const element = event.target.closest(".toggle, .port, .node, .group");
  if (element?.matches(".group")) enter(element.dataset.group);
  else if (!element) canvas.zoom(1.6, event.offsetX, event.offsetY, false);
});

// ------------------------------------------------------------------------------------------------ breadcrumb

function showBreadcrumb() {
  const chain = [null, ...graph.groupsAround(canvas.main)];
  $("breadcrumb").replaceChildren(...chain.map((id, i) => {
    const name = id === null ? "all" : lastPart(graph.groupById.get(id), chain[i - 1]);
    const last = i === chain.length - 1;
    return h("li", {}, h("button", { class: "link", "aria-current": last ? "page" : false, onclick: () => enter(id ?? "") }, name));
  }));
  $("breadcrumb").hidden = chain.length === 1;
}

// A module's path less that of the module around it.
function lastPart(group, above) {
  const around = above ? `${graph.groupById.get(above).name}.` : "";
  return group.name.startsWith(around) ? group.name.slice(around.length) : group.name;
}

// ------------------------------------------------------------------------------------------------ paths

function showPaths(node) {
  paths = pathsFrom(graph, node);
  chosenPath = paths.listed.length ? 0 : -1;
  showPathsAgain();
}

function showPathsAgain() {
  markPaths();
  panel.showPaths(paths, chosenPath);
}

function clearPaths() {
  paths = null;
  markPaths();
  showPanel();
}

function markPaths() {
  document.body.classList.toggle("with-paths", Boolean(paths));
  for (const old of document.querySelectorAll("#canvas :is(.on-path, .on-chosen)")) old.classList.remove("on-path", "on-chosen");
  document.querySelectorAll("#canvas .factor").forEach((factor) => factor.remove());
  if (!paths) return;
  for (const node of paths.nodes) canvas.elementOf(node)?.classList.add("on-path");
  for (const edge of paths.edges) canvas.edgeElements(edge).forEach((element) => element.classList.add("on-path"));
  for (const port of portsOn(paths.edges)) port.classList.add("on-path");
  const chosen = paths.listed[chosenPath];
  chosen?.edges.forEach((edge, i) => canvas.edgeElements(edge).forEach((element) => {
    element.classList.add("on-chosen");
    if (chosen.factors) element.parentNode.append(factorOn(element.querySelector(".line"), numberText(chosen.factors[i], 3)));
  }));
}

// The ports through which edges enter or leave groups, in the scenes made so far.
function portsOn(edges) {
  const through = (beyond, side, inside) => (canvas.ports.get(beyond.id) ?? []).filter((port) => (
    port.matches(side) && graph.groupsAround(inside.group).includes(port.closest(".scene").dataset.group)));
  return [...edges].flatMap((edge) => [...through(edge.source, ".in", edge.target), ...through(edge.target, ".out", edge.source)]);
}

// The local derivative, written beside the middle of an edge.
function factorOn(line, words) {
  const factor = document.createElementNS(SVG, "text");
  const middle = line.getPointAtLength(line.getTotalLength() / 2);
  factor.setAttribute("class", "factor");
  factor.setAttribute("x", middle.x + 5);
  factor.setAttribute("y", middle.y + 4);
  factor.textContent = `×${words}`;
  return factor;
}

// ------------------------------------------------------------------------------------------------ search

const MOST_HITS = 40;

// Nodes and groups whose name, operation or module path holds all words; beginnings of names first.
function found(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const hits = [];
  const consider = (target, name, others) => {
    const texts = [name, ...others].filter(Boolean).map((text) => String(text).toLowerCase());
    if (!words.every((word) => texts.some((text) => text.includes(word)))) return;
    const rank = texts[0] === words[0] ? 0 : texts[0].startsWith(words[0]) ? 1 : texts[0].includes(words[0]) ? 2 : 3;
    hits.push({ ...target, name, rank });
  };
  for (const group of graph.groups) consider({ group, about: group.title }, group.name, [group.title]);
  for (const node of graph.nodes) {
    if (node.role === "constant" && !node.name) continue;
    const about = [node.operation ?? node.role, node.module].filter(Boolean).join(" in ");
    consider({ node, about }, node.label, [node.id, node.operation, node.module]);
  }
  return hits.sort((a, b) => a.rank - b.rank);
}

let hits = [];
let hit = 0;

function showHits() {
  hits = found($("search").value);
  hit = 0;
  const options = hits.slice(0, MOST_HITS).map((entry, i) => h("li", { role: "option", id: `hit-${i}`, onclick: () => choose(i) },
    h("span", {}, entry.name), " ", h("span", { class: "quiet" }, entry.about)));
  if (hits.length > MOST_HITS) options.push(h("li", { class: "quiet" }, `${hits.length - MOST_HITS} more`));
  if (!hits.length && $("search").value.trim()) options.push(h("li", { class: "quiet" }, "nothing found"));
  $("hits").replaceChildren(...options);
  $("hits").hidden = !options.length;
  $("search").setAttribute("aria-expanded", String(options.length > 0));
  markHit();
}

function markHit() {
  [...$("hits").children].forEach((option, i) => option.setAttribute("aria-selected", String(i === hit)));
  $("hits").children[hit]?.scrollIntoView({ block: "nearest" });
  if (hits.length) $("search").setAttribute("aria-activedescendant", `hit-${hit}`);
  else $("search").removeAttribute("aria-activedescendant");
}

function choose(i) {
  const entry = hits[i];
  closeSearch();
  if (entry.node) goTo(entry.node);
  else goToGroup(entry.group.id);
}

function closeSearch() {
  $("search").value = "";
  showHits();
  $("search").blur();
}

$("search").addEventListener("input", showHits);
$("search").addEventListener("keydown", (event) => {
  event.stopPropagation();
  const last = Math.min(hits.length, MOST_HITS) - 1;
  if (event.key === "ArrowDown") hit = Math.min(hit + 1, last);
  else if (event.key === "ArrowUp") hit = Math.max(hit - 1, 0);
  else if (event.key === "Enter" && hits.length) return choose(hit);
  else if (event.key === "Escape") {
    closeSearch();
    return canvas.svg.querySelector("[tabindex='0']")?.focus({ preventScroll: true });
  } else return;
  event.preventDefault();
  markHit();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#find")) $("hits").hidden = true;
});

// ------------------------------------------------------------------------------------------------ walking with arrows

const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

function middleOf(element) {
  const box = (element.querySelector(":scope > :is(.frame, .face, .pill)") ?? element).getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

// The elements that edges join with `element`: those ahead, or those behind.
function joined(element, ahead) {
  const inside = element.matches(".group")
    ? graph.nodes.filter((node) => graph.groupsAround(node.group).includes(element.dataset.group))
    : (element.matches(".port") ? JSON.parse(element.dataset.nodes) : [element.dataset.node]).map((id) => graph.byId.get(id));
  const from = new Set(inside);
  const others = inside.flatMap((node) => (ahead ? node.uses.map((edge) => edge.target) : node.inputs.map((edge) => edge.source)));
  const elements = new Set(others.filter((node) => !from.has(node)).map((node) => canvas.elementOf(node)));
  elements.delete(element);
  elements.delete(null);
  return [...elements];
}

// Along the flow to what an edge leads to, across it to the nearest neighbour.
function walk(key) {
  const here = document.activeElement?.closest?.(ITEMS);
  if (!here) return pick(document.querySelector("#canvas [tabindex='0']"), { open: false });
  const [dx, dy] = STEPS[key];
  const along = (graph.direction === "right" ? dx : dy) || 0;
  const [x, y] = middleOf(here);
  const cost = (element, sideways) => {
    const [ox, oy] = middleOf(element);
    const forward = (ox - x) * dx + (oy - y) * dy;
    const off = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    return forward > 2 ? forward + off * sideways : Infinity;
  };
  const nearest = (elements, sideways) => elements.filter((element) => cost(element, sideways) < Infinity)
    .sort((a, b) => cost(a, sideways) - cost(b, sideways))[0];
  const all = [...document.querySelectorAll(ITEMS)].filter((element) => !element.contains(here) && !here.contains(element));
  const next = (along ? nearest(joined(here, along > 0), 1) : null) ?? nearest(all, 2.5);
  if (next) pick(next, { open: false });
}

// ------------------------------------------------------------------------------------------------ keys and buttons

function escape() {
  if (player.active) return player.stop();
  if (paths) return clearPaths();
  if (panel.shown) return closePanel();
  leave();
}

function open() {
  const here = document.activeElement?.closest?.(ITEMS);
  if (!here) return;
  if (here.matches(".port")) follow(here);
  else if (here.matches(".group")) enter(here.dataset.group);
  else pick(here);
}

const KEYS = {
  "/": () => $("search").focus(),
  "?": () => $("help").showModal(),
  " ": () => player.toggle(),
  ".": () => player.step(1),
  ",": () => player.step(-1),
  "+": () => canvas.zoom(1.25, undefined, undefined, false),
  "=": () => canvas.zoom(1.25, undefined, undefined, false),
  "-": () => canvas.zoom(0.8, undefined, undefined, false),
  0: () => canvas.fit(),
  o: () => selected?.group && toggleGroup(selected.group.id),
  p: () => selected?.node && selected.node.role !== "constant" && showPaths(selected.node),
  t: () => switchTheme(),
  Home: () => player.go(0),
  End: () => player.go(player.steps.length - 1),
  Enter: open,
  Escape: escape,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const control = event.target.closest("button, input, select, summary, a");
  if (control && [" ", "Enter"].includes(event.key)) return; // these are the control's own
  if (control?.matches("input, select") && event.key !== "Escape") return;
  if (event.key in STEPS) walk(event.key);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

$("theme").addEventListener("click", switchTheme);
$("zoom-in").addEventListener("click", () => canvas.zoom(1.25, undefined, undefined, false));
$("zoom-out").addEventListener("click", () => canvas.zoom(0.8, undefined, undefined, false));
$("fit").addEventListener("click", () => canvas.fit(true));
$("show-help").addEventListener("click", () => $("help").showModal());
$("close-help").addEventListener("click", () => $("help").close());
$("close-panel").addEventListener("click", closePanel);

canvas.onchange = () => {
  showBreadcrumb();
  markSelection();
  markPaths();
  player.show();
};
canvas.arrange();
canvas.fit();
new ResizeObserver(() => canvas.resized()).observe(canvas.svg);
document.documentElement.classList.add("ready");
