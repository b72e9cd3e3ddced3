// The two passes, step by step: what each step says, what it shows in the picture, and the bar that moves through them.
"use strict";

class Player {
  constructor(bar, graph, canvas) {
    Object.assign(this, { bar, graph, canvas, steps: stepsOf(graph), at: -1, timer: 0 });
    this.forward = this.steps.filter((step) => step.kind === "forward").length;
    this.shownAt = new Map(); // for nodes: when their value is there; constants and parameters are there from the beginning
    this.doneAt = new Map(); // for nodes: when their gradient is complete
    this.sentAt = new Map(); // for edges: when something has gone back along them
    this.steps.forEach((step, i) => {
      if (step.kind === "forward") this.shownAt.set(step.node, i);
      if (step.kind === "total") this.doneAt.set(step.node, i);
      if (step.kind !== "arrival") return;
      this.sentAt.set(step.edge, i);
      if (step.outOf === 1 && step.edge.source.role === "parameter") this.doneAt.set(step.edge.source, i);
    });
    const part = (name) => bar.querySelector(`[data-player=${name}]`);
    Object.assign(this, { text: part("text"), phase: part("phase"), slider: part("slider"), speed: part("speed") });
    this.playing = part("play");
    this.slider.max = this.steps.length - 1;
    part("start").addEventListener("click", () => this.go(0));
    part("back").addEventListener("click", () => this.step(-1));
    part("forward").addEventListener("click", () => this.step(1));
    part("end").addEventListener("click", () => this.go(this.steps.length - 1));
    part("close").addEventListener("click", () => this.stop());
    this.playing.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.show();
  }

  get active() {
    return this.at >= 0;
  }

  go(step, pause = true) {
    if (pause) this.pause();
    this.at = Math.min(Math.max(step, 0), this.steps.length - 1);
    this.show();
  }

  // One step on or back. All that happens within one closed group, or outside the view, counts as one step.
  step(direction, pause = true) {
    const together = (one, other) => {
      if (!one || !other || (one.kind === "forward") !== (other.kind === "forward")) return false;
      const where = this.#where(one);
      return where !== null && where === this.#where(other);
    };
    let at = this.at + direction;
    while (together(this.steps[at], this.steps[at + direction])) at += direction;
    this.go(at, pause);
  }

  // The closed group in which a step takes place, "outside" where none of it can be seen, null where it shows by itself.
  #where({ node, edge }) {
    const element = this.canvas.elementOf(node);
    const other = edge ? this.canvas.elementOf(edge.source) : element;
    if (!element && !other) return "outside";
    return element === other && element.matches(".group, .port") ? element : null;
  }

  toggle() {
    if (this.timer) return this.pause();
    if (this.at >= this.steps.length - 1) this.at = -1;
    this.#tick();
  }

  #tick() {
    this.step(1, false);
    const more = this.at < this.steps.length - 1;
    this.timer = more ? setTimeout(() => this.#tick(), 1100 / Number(this.speed.value)) : 0;
    this.#showButton();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.#showButton();
  }

  // Leave the player: everything is shown again.
  stop() {
    this.pause();
    this.at = -1;
    this.show();
  }

  #showButton() {
    this.playing.setAttribute("aria-label", this.timer ? "pause" : "play");
    this.playing.classList.toggle("is-playing", Boolean(this.timer));
  }

  // ---------------------------------------------------------------------------------------------- words

  describe(step) {
    const { node } = step;
    if (step.kind === "forward") return this.#valueText(node);
    if (step.kind === "total") return this.#totalText(step);
    return this.#arrivalText(step);
  }

  #valueText(node) {
    if (!node.operation) return `${node.label} is given: ${node.value ? briefText(node.value) : node.noValue || "unknown"}`;
    return formulaText(node);
  }

  #missing(what, why) {
    const cure = this.graph.cures[why];
    return `${what}: ${why || "unknown"}${cure ? ` – ${cure}` : ""}`;
  }

  #totalText({ node, terms }) {
    const known = terms.map((edge) => edge.gradient);
    const sum = known.every(Boolean) ? sumOf(known) : null;
    if (!node.gradient && !(sum && terms.length)) return this.#missing(`grad of ${node.label}`, node.noGradient);
    const value = node.gradient ?? sum;
    const brief = value ? briefText(value) : "unknown";
    if (node.output && !terms.length) return `grad of ${node.label}: ${brief}, where the backward pass starts`;
    const end = terms.length > 1 ? "complete: all uses have sent theirs" : "complete";
    if (terms.length > 1) return `grad of ${node.label}: ${sumText(known, sum ?? value)}, ${end}`;
    return `grad of ${node.label}: ${brief}, ${end}`;
  }

  #arrivalText({ node, edge, terms, outOf }) {
    const source = nameIn(edge.source);
    const name = node.operation && node.operation !== node.label ? `${node.label} (${node.operation})` : node.label;
    const twice = node.inputs.filter((other) => other.source === edge.source).length > 1 ? ` through ${edge.argument}` : "";
    if (!edge.gradient) return this.#missing(`${name} sends back to ${source}${twice}`, edge.noGradient);
    const factors = isSingle(node.gradient) && isSingle(edge.local) && isSingle(edge.gradient);
    const numbers = factors ? `${briefText(node.gradient)} × ${briefText(edge.local)} = ` : "";
    const rule = node.rules?.[edge.argument] && !factors ? `${node.rules[edge.argument].replace(/^lambda [^:]*: /, "")} = ` : "";
    const sent = `${name} sends back to ${source}${twice}: ${numbers || rule}${briefText(edge.gradient)}`;
    if (outOf === 1) return sent;
    const known = terms.map((term) => term.gradient);
    return `${sent}; grad of ${source} so far: ${sumText(known, sumOf(known))} (${terms.length} of ${outOf})`;
  }

  // ---------------------------------------------------------------------------------------------- pictures

  // Show the step: what is there by now, what happens in it, and what it says.
  show() {
    const { canvas, graph, steps, at } = this;
    const step = steps[at];
    document.body.classList.toggle("playing", this.active);
    this.slider.value = Math.max(at, 0);
    this.slider.setAttribute("aria-valuetext", this.active ? `step ${at + 1} of ${steps.length}` : "not started");
    this.#showProgress();
    if (!step) {
      this.phase.textContent = "";
      this.text.textContent = `Play the forward and the backward pass: ${steps.length} steps`;
      return;
    }
    const backward = step.kind !== "forward";
    const [first, count] = backward ? [this.forward, steps.length - this.forward] : [0, this.forward];
    this.phase.textContent = `${backward ? "Backward" : "Forward"} ${at - first + 1}/${count}`;
    this.phase.classList.toggle("backward", backward);
    const element = canvas.elementOf(step.node);
    const group = element?.matches(".group") ? graph.groupById.get(element.dataset.group) : null;
    this.text.textContent = (group ? `in ${group.name}: ` : element ? "" : "outside this view: ") + this.describe(step);
    this.#light(step, element);
  }

  // Mark what is not there yet. The innermost visible group stands for what lies in it.
  #showProgress() {
    const { canvas, graph, at } = this;
    for (const old of canvas.svg.querySelectorAll(".badge")) old.remove();
    const marks = new Map(); // for elements: when the first value is there, and the first gradient
    for (const node of graph.nodes) {
      const element = canvas.elementOf(node);
      if (!element || (node.role === "constant" && element.matches(".group"))) continue;
      const mark = marks.get(element) ?? { shown: Infinity, done: Infinity };
      mark.shown = Math.min(mark.shown, this.shownAt.get(node) ?? -1);
      mark.done = Math.min(mark.done, this.doneAt.get(node) ?? Infinity);
      marks.set(element, mark);
    }
    for (const [element, { shown, done }] of marks) {
      element.classList.toggle("later", this.active && at < shown);
      element.classList.toggle("no-gradient-yet", this.active && at < done);
      element.classList.remove("now", "now-back", "receives");
    }
    for (const edge of graph.edges) {
      for (const element of canvas.edgeElements(edge)) {
        element.classList.toggle("later", this.active && at < (this.shownAt.get(edge.target) ?? -1));
        element.classList.toggle("sent", this.active && at >= (this.sentAt.get(edge) ?? Infinity));
        element.classList.remove("now", "now-back");
      }
    }
  }

  // Light up where the step takes place, and bring it into sight.
  #light(step, element) {
    const { canvas } = this;
    const kind = step.kind === "forward" ? "now" : "now-back";
    const edges = step.kind === "forward" ? step.node.inputs : step.kind === "arrival" ? [step.edge] : [];
    for (const edge of edges) canvas.edgeElements(edge).forEach((line) => line.classList.add(kind));
    element?.classList.add(kind);
    const receiver = step.kind === "arrival" ? canvas.elementOf(step.edge.source) : step.terms?.length > 1 ? element : null;
    if (step.kind === "arrival") receiver?.classList.add("receives");
    if (receiver) this.#badge(receiver, step.terms.map((edge) => edge.gradient));
    const focus = receiver ?? element;
    if (focus) canvas.reveal(focus);
  }

  // What has arrived so far, under the node that it adds up in.
  #badge(element, terms) {
    if (!terms.every(Boolean)) return;
    const make = (tag, attributes) => {
      const made = document.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
      return made;
    };
    const { w, h } = element.dataset;
    const { e, f } = element.transform.baseVal.consolidate().matrix;
    const badge = make("g", { class: "badge", transform: `translate(${e + w / 2} ${f + Number(h) + 11})` });
    const text = make("text", { "text-anchor": "middle", dy: "0.32em" });
    text.textContent = sumText(terms, sumOf(terms));
    badge.append(text);
    element.parentNode.append(badge); // at the end of the scene: above all that it holds
    const size = text.getBBox();
    badge.prepend(make("rect", { x: size.x - 7, y: size.y - 3, width: size.width + 14, height: size.height + 6, rx: 8 }));
  }
}
