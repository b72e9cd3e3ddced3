// What is known of one node, one group, or the paths from a node, as a column of text and small pictures. Knows of the canvas
// only what it is told: functions to call when something is chosen.
"use strict";

const quiet = (...words) => h("span", { class: "quiet" }, ...words);
const facts = (pairs) => h("dl", {}, pairs.flatMap(([key, value]) => [h("dt", {}, key), h("dd", {}, value)]));
const button = (words, act) => h("button", { class: "button", onclick: act }, words);
const IN_FULL = 36; // numbers of a local derivative that are shown one by one

class Panel {
  // `go(node)`, `goGroup(id)`, `enter(id)`, `toggle(id)`, `play(node)`, `paths(node)`, `choose(path)`, `clear()`: what is called
  // when something is chosen; `resized()` when the panel appears or goes.
  constructor(element, graph, actions) {
    Object.assign(this, { element, graph, actions });
    this.body = element.querySelector("#panel-body");
  }

  get shown() {
    return !this.element.hidden;
  }

  fill(...children) {
    this.body.replaceChildren(...children.flat().filter(Boolean));
    this.body.scrollTop = 0;
    this.element.hidden = false;
    this.actions.resized();
  }

  close() {
    this.element.hidden = true;
    this.actions.resized();
  }

  head(title, about, sign = "") {
    const chip = sign ? h("span", { class: "chip", "aria-hidden": "true" }, sign) : null;
    return h("header", {}, chip, h("div", {}, h("h2", {}, title), about ? h("p", { class: "quiet" }, about) : null));
  }

  // A heading with what stands under it; nothing where there is nothing.
  section(title, ...children) {
    const inside = children.flat().filter(Boolean);
    return inside.length ? h("section", {}, h("h3", {}, title), inside) : null;
  }

  link(node) {
    return h("button", { class: "link", onclick: () => this.actions.go(node) }, nameIn(node));
  }

  groupLink(id, words) {
    return h("button", { class: "link", onclick: () => this.actions.goGroup(id) }, words);
  }

  // Why something is missing, and what can be done about it.
  reason(why) {
    const cure = this.graph.cures[why];
    return h("p", { class: "missing" }, cure ? `${why} – ${cure}` : why);
  }

  // ---------------------------------------------------------------------------------------------- a node

  showNode(node) {
    const role = node.output ? `output, ${node.role}` : node.role;
    const kind = node.operation && node.operation !== node.label ? `${node.operation}, ${role}` : role;
    const computed = node.role !== "constant";
    this.fill(
      this.head(node.label, [kind, shapeText(node.shape), node.dtype].filter(Boolean).join(" · "), node.sign),
      node.marked ? h("p", { class: "wrong" }, "This is where it went wrong.") : null,
      computed ? h("p", { class: "actions" }, button("Paths to the output", () => this.actions.paths(node)),
        button("Play to here", () => this.actions.play(node))) : null,
      this.section("Formula", node.operation ? h("p", { class: "formula" }, formulaText(node)) : null),
      this.section("Value", node.value ? arrayView(node.value) : node.noValue ? this.reason(node.noValue) : null),
      computed ? this.section("Gradient", this.gradientOf(node)) : null,
      this.section("Inputs", node.inputs.map((edge) => this.input(node, edge))),
      this.section("Derivative as written", this.rulesOf(node)),
      node.reference ? this.section("What it computes, readably", h("pre", { tabindex: "0" }, node.reference)) : null,
      this.section("Facts", this.factsOf(node)),
    );
  }

  // The gradient, and how it came to be: what each use sent back, and the sum.
  gradientOf(node) {
    const terms = this.graph.termsOf(node);
    const parts = [node.gradient ? arrayView(node.gradient) : node.noGradient ? this.reason(node.noGradient) : null];
    if (node.output && !terms.length) parts.push(h("p", { class: "quiet" }, "The backward pass starts here."));
    if (!terms.length) return parts;
    const rows = terms.map((edge) => {
      const twice = terms.filter((other) => other.target === edge.target).length > 1;
      const sent = edge.gradient ? briefText(edge.gradient) : h("span", { class: "missing" }, edge.noGradient || "?");
      return h("tr", {}, h("td", {}, "from ", this.link(edge.target), twice ? ` (${edge.argument})` : ""),
        h("td", { class: "number gradient" }, sent));
    });
    const known = terms.map((edge) => edge.gradient);
    const total = sumOf(known);
    if (total && terms.length > 1) {
      rows.push(h("tr", { class: "total" }, h("td", { class: "number gradient", colspan: "2" }, sumText(known, total))));
    }
    const caption = terms.length > 1 ? "one term for each use, added up" : "what came back";
    parts.push(h("table", { class: "terms" }, h("caption", {}, caption), rows));
    if (total && node.gradient && !almostEqual(total, node.gradient)) {
      const rest = node.output ? "The rest was put in where the pass started."
        : "The rest was there before: gradients of several passes add up in .grad.";
      parts.push(h("p", { class: "quiet" }, `This pass brought ${briefText(total)} of ${briefText(node.gradient)}. ${rest}`));
    }
    return parts;
  }

  // One input: its value, the local derivative, and what was sent back to it.
  input(node, edge) {
    const { source, local } = edge;
    const value = nameIn(source) !== source.label ? null : source.value ? briefText(source.value) : shapeText(source.shape);
    const name = h("span", { class: "argument" }, edge.argument);
    const parts = [h("p", {}, name, " ", this.link(source), " ", value ? quiet(value) : null)];
    if (local) {
      const table = local.data && local.data.length > 1 && local.data.length <= IN_FULL;
      const words = `∂${node.label} / ∂${nameIn(source)} =`;
      parts.push(h("p", { class: "local" }, table ? words : `${words} ${briefText(local)}`), table ? numbersTable(local) : null);
    }
    if (edge.gradient) {
      const single = [node.gradient, local, edge.gradient].every(isSingle);
      const numbers = single ? `${briefText(node.gradient)} × ${briefText(local)} = ` : "";
      parts.push(h("p", { class: "gradient" }, `sends back ${numbers}${briefText(edge.gradient)}`));
    }
    return h("div", { class: "input" }, parts);
  }

  rulesOf(node) {
    const rules = Object.entries(node.rules ?? {}).map(([argument, rule]) => (
      h("tr", {}, h("td", {}, h("code", {}, argument)), h("td", {}, h("code", {}, rule)))));
    if (!rules.length) return [];
    const place = node.writtenAt ? `; written at ${node.writtenAt}` : "";
    const meaning = `g is the gradient of the output, y the output${place}.`;
    return [h("table", { class: "rules" }, rules), h("p", { class: "quiet" }, meaning)];
  }

  factsOf(node) {
    const known = [];
    if (node.module) known.push(["module", node.group ? this.groupLink(node.group, node.module) : node.module]);
    known.push(...Object.entries(node.settings ?? {}));
    if (node.times > 1) known.push(["stands for", `${node.times} identical ones`]);
    for (const [role, count] of Object.entries(node.inside ?? {})) known.push([`${role}s inside`, String(count)]);
    if (node.saved) known.push(["kept for backward", node.saved]);
    if (node.time) known.push(["forward", node.time]);
    if (node.madeAt) known.push(["made at", node.madeAt]);
    if (node.id !== node.label) known.push(["id", node.id]);
    return known.length ? facts(known) : null;
  }

  // ---------------------------------------------------------------------------------------------- a group, a port

  showGroup(group, open, canOpen) {
    const inside = this.graph.nodes.filter((node) => this.graph.groupsAround(node.group).includes(group.id));
    const count = (role) => inside.filter((node) => node.role === role).length;
    const known = ["parameter", "operation", "constant"].filter(count).map((role) => [`${role}s`, String(count(role))]);
    const sizes = inside.filter((node) => node.role === "parameter").map((node) => (node.shape ?? []).reduce((a, b) => a * b, 1));
    if (sizes.length) known.push(["numbers in parameters", sizes.reduce((a, b) => a + b).toLocaleString("en")]);
    if (group.times > 1) known.push(["stands for", `${group.times} identical ones`]);
    const parts = this.graph.groups.filter((other) => other.parent === group.id);
    this.fill(
      this.head(group.name, group.title && group.title !== group.name ? `${group.title} · ${group.kind}` : group.kind),
      h("p", { class: "actions" }, button("Zoom into it", () => this.actions.enter(group.id)),
        canOpen ? button(open ? "Close" : "Open here", () => this.actions.toggle(group.id)) : null),
      this.section("Inside", known.length ? facts(known) : null),
      this.section("Groups", parts.map((part) => h("p", {}, this.groupLink(part.id, part.name), " ", quiet(part.title)))),
    );
  }

  showChoice(title, nodes) {
    const lines = nodes.map((node) => h("p", {}, this.link(node), " ", quiet(node.module ?? "")));
    this.fill(this.head(title), this.section("Nodes", lines));
  }

  // ---------------------------------------------------------------------------------------------- paths

  showPaths(paths, chosen) {
    const { start, count, listed, scalar } = paths;
    const list = listed.map((path, i) => {
      const factors = scalar ? `${path.factors.map((factor) => numberText(factor, 3)).join(" · ")} = ` : "";
      const product = scalar ? `${path.edges.length > 1 ? factors : ""}${numberText(path.product)}` : "";
      const names = [start, ...path.edges.map((edge) => edge.target)].map((node) => node.label).join(" → ");
      return h("button", { class: "path", "aria-pressed": String(i === chosen), onclick: () => this.actions.choose(i) },
        h("span", { class: "number" }, product), quiet(names));
    });
    const products = listed.map((path) => ({ shape: [], data: [path.product] }));
    const rest = count - BigInt(listed.length);
    const sum = rest > 0n ? `${scalar ? "These are the largest; " : ""}${rest.toLocaleString("en")} more are not listed.`
      : scalar ? `Added up: ${sumText(products, sumOf(products))}, the gradient for a pass that starts with 1.` : "";
    const arrays = "Products are shown where every local derivative on the way is a single number. For arrays, autodiff.explain() "
      + "says what each path brings.";
    const many = count === 1n ? "1 path" : `${count.toLocaleString("en")} paths`;
    this.fill(
      this.head(`${start.label} to the output`, `${many}, over ${paths.nodes.size} nodes`),
      h("p", { class: "actions" }, button("Back", () => this.actions.go(start)), button("Clear", () => this.actions.clear())),
      count === 0n ? h("p", {}, "No path leads from here to the output.") : null,
      list.length ? this.section(scalar ? "Local derivatives multiplied" : "Paths", list, h("p", {}, sum)) : null,
      !scalar && count > 0n ? h("p", { class: "missing" }, arrays) : null,
    );
  }
}
