/* One step laid out: the chain rule with its numbers, or the formula of an operation. */

import { h } from "../core/dom.js";

/** A number, a small matrix, or the first numbers of a large array (see draw/quantity.py). */
export function number(quantity) {
  if (quantity.text != null) return h("span", { class: "num" }, quantity.text);
  if (quantity.rows) {
    const columns = `grid-template-columns:repeat(${quantity.rows[0].length},auto)`;
    const cells = quantity.rows.flat().map((one) => h("span", {}, one));
    return h(
      "span",
      { class: "matrix", style: columns, title: `shape ${quantity.shape}` },
      ...cells,
    );
  }
  const more = quantity.more ? `, … ${quantity.more} more` : "";
  const some = `[${quantity.some.join(", ")}${more}]`;
  return h(
    "span",
    {},
    h("span", { class: "num some" }, some),
    h("small", {}, ` ${quantity.shape}`),
  );
}

/** The part of the caption that tells the step. */
export function card({ kind, text, facts }) {
  if (kind === "forward") return forward(facts);
  if (kind === "backward") return h("div", {}, product(facts), ...sum(facts));
  return h("p", {}, text);
}

function forward(facts) {
  const { name, formula, numbers, value } = facts;
  const named = name && name !== formula ? [h("b", {}, name), sign("=")] : [];
  const middle = [formula, numbers].filter((one) => one && one !== value.text);
  const written = middle.flatMap((one) => [h("code", {}, one), sign("=")]);
  return h("div", { class: "row" }, cell("computed", ...named, ...written, number(value)));
}

/* upstream x local = downstream; where there is no local number, the rule itself. */
function product(facts) {
  const { above, slope, upstream, local, pulled, rule, factor, parts, from, to } = facts;
  const whole = parts === 1 && !facts.downstream;
  const first = cell(`upstream${local ? "" : " g ="} ${above}`, number(upstream));
  const result = cell(whole ? slope : `arrives at ${to}`, number(pulled));
  if (!local) {
    const words = rule ? h("code", {}, rule) : h("span", {}, "its gradient rule");
    const way = cell(`rule of ${facts.label} for ${to}`, words);
    const seen = (facts.inputs ?? [])
      .filter(([, , read]) => read)
      .map(([name, value]) => cell(name, number(value)));
    const given = seen.length
      ? h("div", { class: "row with" }, h("small", {}, "with"), ...seen)
      : null;
    return h(
      "div",
      {},
      h("div", { class: "row" }, first, sign("→"), way, sign("→"), result),
      given,
    );
  }
  const shown = factor && factor !== local.text ? [h("code", {}, factor), sign("=")] : [];
  const middle = cell(`local ∂${brackets(from)}/∂${brackets(to)}`, ...shown, number(local));
  return h("div", { class: "row" }, first, sign("×"), middle, sign("="), result);
}

function sum(facts) {
  const { slope, pulled, downstream, held, total, parts, missing, hook, to } = facts;
  const rows = [];
  if (downstream) {
    const label = parts === 1 ? slope : `arrives at ${to}`;
    const words = `${to} was stretched forward, so its gradient is summed back`;
    rows.push(
      h("div", { class: "row" }, h("small", {}, words), sign("→"), cell(label, number(downstream))),
    );
  }
  if (parts > 1 && !held) {
    rows.push(h("p", {}, `The first of ${parts} parts of ${slope}: the others will be added.`));
  } else if (held) {
    const before = [
      cell("came before", number(held)),
      sign("+"),
      cell("this edge", number(downstream ?? pulled)),
    ];
    const after = missing ? `${slope} so far, ${missing} more to come` : `${slope}, complete`;
    rows.push(h("div", { class: "row sum" }, ...before, sign("="), cell(after, number(total))));
  }
  return hook ? [...rows, h("p", {}, hook)] : rows;
}

/** A value with a small label above it. */
export function cell(label, ...content) {
  return h("span", { class: "cell" }, h("small", {}, label), h("span", {}, ...content));
}

function sign(text) {
  return h("span", { class: "sign" }, text);
}

function brackets(name) {
  return /^[\p{L}\p{N}_.]+$/u.test(name) ? name : `(${name})`;
}
