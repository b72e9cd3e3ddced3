// What is seen: one group's scene as the main view, scenes of open groups in the boxes reserved for them, panning and
// zooming. Every scene was laid out when the page was made; nothing is laid out here. Knows nothing of panel or player.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const LEGIBLE = 0.8; // scale at which the smallest words can be read
const LEAST_LEGIBLE = 0.6; // and at which they can with good eyes, where the picture is wider than the screen
const SIGNS = { open: "M-3.5 0H3.5M0 -3.5V3.5", close: "M-3.5 0H3.5", enter: "M-3 3L3 -3M-1.5 -3H3V1.5" };

// How far to move a picture so that no room is left empty that it could fill; in the middle where all of it fits.
function within(wanted, low, size, room, margin) {
  if (size <= room - 2 * margin + 1) return (room - size) / 2 - low;
  return Math.min(margin - low, Math.max(room - margin - low - size, wanted));
}

class Canvas {
  constructor(svg, graph) {
    this.svg = svg;
    this.graph = graph;
    this.world = svg.querySelector("#world");
    this.main = ""; // the group whose scene fills the view
    this.open = new Set(); // groups open in place; all that can be are so from the beginning, for their room is kept free
    this.x = this.y = 0;
    this.scale = 1;
    this.fitted = ""; // "start" or "whole" while the view is as fit() left it
    this.size = [0, 0];
    this.templates = new Map();
    for (const template of document.querySelectorAll("template[data-group]")) this.templates.set(template.dataset.group, template);
    this.scenes = new Map(); // made when first shown
    this.nodes = new Map(); // elements by the ids of nodes, each in the scene of its own group
    this.boxes = new Map(); // elements of closed or open groups, each in the scene around it
    this.ports = new Map(); // for a node's id: the ports that lead to it
    this.edges = new Map(); // for an edge's index: its elements in all scenes
    this.onchange = () => {};
    this.#listen();
  }

  // ---------------------------------------------------------------------------------------------- scenes

  scene(id) {
    if (this.scenes.has(id)) return this.scenes.get(id);
    const scene = document.importNode(this.templates.get(id).content.querySelector(".scene"), true);
    this.scenes.set(id, scene);
    const push = (map, key, element) => (map.has(key) ? map.get(key).push(element) : map.set(key, [element]));
    for (const element of scene.querySelectorAll(".node")) this.nodes.set(element.dataset.node, element);
    for (const element of scene.querySelectorAll(".port")) {
      for (const id of JSON.parse(element.dataset.nodes)) push(this.ports, id, element);
    }
    for (const element of scene.querySelectorAll("g.edge")) {
      for (const index of element.dataset.edges.split(" ").filter(Boolean)) push(this.edges, Number(index), element);
    }
    for (const element of scene.querySelectorAll(".group")) {
      this.boxes.set(element.dataset.group, element);
      element.append(this.#toggle(element));
      if (element.dataset.opens === "true") this.open.add(element.dataset.group);
    }
    return scene;
  }

  // The sign on a group's frame that opens and closes it in place, or leads into it.
  #toggle(box) {
    const toggle = document.createElementNS(SVG, "g");
    toggle.setAttribute("class", "toggle");
    toggle.setAttribute("transform", `translate(${box.dataset.w - 14} 14)`);
    const [reach, circle] = [16, 7.5].map((radius) => {
      const made = document.createElementNS(SVG, "circle");
      made.setAttribute("r", radius);
      return made;
    });
    reach.setAttribute("class", "reach"); // for fingers
    const sign = document.createElementNS(SVG, "path");
    sign.setAttribute("class", "sign");
    sign.setAttribute("d", SIGNS.enter);
    toggle.append(reach, circle, sign);
    return toggle;
  }

  // Put every scene where it belongs: the main one into the view, those of open groups into their boxes.
  arrange() {
    const place = (id, home) => {
      const scene = this.scene(id);
      if (scene.parentNode !== home) home.replaceChildren(scene);
      for (const box of scene.querySelectorAll(".group")) {
        if (box.closest(".scene") !== scene) continue;
        const open = this.open.has(box.dataset.group);
        box.classList.toggle("open", open);
        box.setAttribute("role", open ? "group" : "button"); // what is in a button, no screen reader tells
        if (this.opens(box.dataset.group)) {
          box.setAttribute("aria-expanded", String(open));
          box.querySelector(":scope > .toggle .sign").setAttribute("d", open ? SIGNS.close : SIGNS.open);
        }
        const slot = box.querySelector(":scope > .slot");
        if (open) place(box.dataset.group, slot);
        else slot.replaceChildren();
      }
    };
    place(this.main, this.world);
    this.onchange();
  }

  opens(id) {
    return this.boxes.get(id)?.dataset.opens === "true";
  }

  toggle(id) {
    if (this.open.has(id)) this.open.delete(id);
    else if (this.opens(id)) this.open.add(id);
    else return this.enter(id);
    this.arrange();
  }

  // Make a group's scene the main view; "" is the whole graph.
  enter(id) {
    this.main = id;
    this.arrange();
    this.fit();
  }

  // Open what must be open for the inside of the innermost of `chain`, ids from the outermost group, to be seen.
  unfold(chain) {
    if (!chain.includes(this.main)) this.main = "";
    for (const id of chain.slice(chain.indexOf(this.main) + 1)) {
      this.scene(this.main);
      const above = this.graph.groupById.get(id).parent ?? "";
      this.scene(above);
      if (this.opens(id)) this.open.add(id);
      else this.main = id;
    }
    this.arrange();
  }

  // The element that stands for a node: its own, else the innermost visible group's that holds it, else a port of it.
  elementOf(node) {
    const own = this.nodes.get(node.id);
    if (own?.isConnected) return own;
    for (const id of this.graph.groupsAround(node.group).reverse()) {
      if (id === this.main) break;
      if (this.boxes.get(id)?.isConnected) return this.boxes.get(id);
    }
    return (this.ports.get(node.id) ?? []).find((port) => port.closest(".scene").dataset.group === this.main) ?? null;
  }

  edgeElements(edge) {
    return (this.edges.get(edge.index) ?? []).filter((element) => element.isConnected);
  }

  // ---------------------------------------------------------------------------------------------- the view

  apply() {
    this.world.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
  }

  moveTo(x, y, scale, atOnce = false) {
    cancelAnimationFrame(this.moving);
    this.fitted = "";
    const from = [this.x, this.y, this.scale];
    const began = performance.now();
    const step = (now) => {
      const t = atOnce || CALM.matches ? 1 : Math.min(Math.max((now - began) / 260, 0), 1);
      const ease = 1 - (1 - t) ** 3;
      [this.x, this.y, this.scale] = [x, y, scale].map((to, i) => from[i] + (to - from[i]) * ease);
      this.apply();
      if (t < 1) this.moving = requestAnimationFrame(step);
    };
    step(began);
  }

  // Show all of the main scene; where its words would be too small to be read, its beginning, at its whole width if possible.
  fit(whole = false, atOnce = this.size[0] === 0) {
    const scene = this.scenes.get(this.main);
    const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
    const box = scene.getBBox();
    const margin = Math.min(28, width / 16);
    const scales = [(width - 2 * margin) / Math.max(box.width, 1), (height - 2 * margin) / Math.max(box.height, 1)];
    let scale = Math.min(...scales, 1.6);
    if (!whole) scale = Math.max(scale, Math.min(LEGIBLE, Math.max(LEAST_LEGIBLE, ...scales)));
    const [firstX, firstY] = this.#beginning(scene);
    const x = within(width / 2 - firstX * scale, box.x * scale, box.width * scale, width, margin);
    const y = within(height / 2 - firstY * scale, box.y * scale, box.height * scale, height, margin);
    this.moveTo(x, y, scale, atOnce);
    this.fitted = whole ? "whole" : "start";
    this.size = [width, height];
  }

  // Where the flow begins in a scene: the middle of the side of what comes first.
  #beginning(scene) {
    const items = [...scene.children].filter((item) => item.matches(".node, .port, .group"));
    const places = items.map((item) => {
      const { e, f } = item.transform.baseVal.consolidate().matrix;
      return this.graph.direction === "down" ? [e + item.dataset.w / 2, f, f] : [e, f + item.dataset.h / 2, e];
    });
    return places.reduce((first, place) => (place[2] < first[2] ? place : first));
  }

  // The place for the picture has become smaller or larger: fit it again, or keep its middle where it was.
  resized() {
    const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
    const [dx, dy] = [(width - this.size[0]) / 2, (height - this.size[1]) / 2];
    if (!dx && !dy) return;
    if (this.fitted) return this.fit(this.fitted === "whole", true);
    this.size = [width, height];
    this.moveTo(this.x + dx, this.y + dy, this.scale, true);
  }

  zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2, atOnce = true) {
    const scale = Math.min(Math.max(this.scale * factor, 0.02), 12);
    const ratio = scale / this.scale;
    this.moveTo(x - (x - this.x) * ratio, y - (y - this.y) * ratio, scale, atOnce);
  }

  // Bring an element into sight; closer where it is too small to be read.
  reveal(element, center = false) {
    const [view, box] = [this.svg.getBoundingClientRect(), element.getBoundingClientRect()];
    const shown = element.getScreenCTM().a;
    const factor = center && shown < 0.7 ? Math.min(0.9 / shown, 12 / this.scale) : 1;
    const [x, y] = [box.x + box.width / 2 - view.x, box.y + box.height / 2 - view.y];
    const margin = 24;
    const inside = box.left > view.left + margin && box.right < view.right - margin
      && box.top > view.top + margin && box.bottom < view.bottom - margin;
    const larger = box.width > view.width - 2 * margin || box.height > view.height - 2 * margin;
    if (inside && (!center || shown >= 0.7)) return;
    if (!center && larger && x > 0 && y > 0 && x < view.width && y < view.height) return;
    const scale = this.scale * factor;
    const scene = this.scenes.get(this.main).getBBox();
    this.moveTo(
      within(view.width / 2 - (x - this.x) * factor, scene.x * scale, scene.width * scale, view.width, margin),
      within(view.height / 2 - (y - this.y) * factor, scene.y * scale, scene.height * scale, view.height, margin),
      scale,
    );
  }

  // ---------------------------------------------------------------------------------------------- wheel and fingers

  #listen() {
    const fingers = new Map();
    let travelled = 0;
    const local = (event) => {
      const view = this.svg.getBoundingClientRect();
      return [event.clientX - view.x, event.clientY - view.y];
    };
    this.svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 300 : 1;
      if (event.shiftKey) return this.moveTo(this.x - (event.deltaX || event.deltaY) * unit, this.y, this.scale, true);
      const turned = Math.max(-120, Math.min(120, event.deltaY * unit));
      this.zoom(Math.exp(-turned * (event.ctrlKey ? 0.012 : 0.0022)), ...local(event)); // with ctrl: fingers on a touchpad
    }, { passive: false });
    this.svg.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, local(event));
      if (fingers.size === 1) travelled = 0;
    });
    this.svg.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const now = local(event);
      const move = [now[0] - before[0], now[1] - before[1]];
      travelled += Math.abs(move[0]) + Math.abs(move[1]);
      if (travelled < 5) return;
      // Captured only now: a captured pointer's click would be the canvas's, not the node's.
      if (!this.svg.hasPointerCapture(event.pointerId)) this.svg.setPointerCapture(event.pointerId);
      this.svg.classList.add("dragging");
      if (fingers.size === 1) this.moveTo(this.x + move[0], this.y + move[1], this.scale, true);
      if (fingers.size === 2) {
        const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const spread = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
        this.moveTo(this.x + move[0] / 2, this.y + move[1] / 2, this.scale, true);
        if (spread(before) > 1) this.zoom(spread(now) / spread(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      }
      fingers.set(event.pointerId, now);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      this.svg.addEventListener(kind, (event) => {
        fingers.delete(event.pointerId);
        this.svg.classList.remove("dragging");
      });
    }
    this.svg.addEventListener("click", (event) => {
      if (travelled >= 5) event.stopImmediatePropagation(); // the end of a drag
      travelled = 0;
    }, { capture: true });
  }
}
