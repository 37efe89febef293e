/* "Predict the next gradient": the question in place of the next step. */

import { h } from "../core/dom.js";
import { cell, number } from "./card.js";
import { judge } from "./judge.js";

/**
 * @param {object} step the step that is asked for.
 * @param {object} calls `done(right, words)` when the answer may be shown, `wrong()` after a wrong
 *   one, `leave()` for the step before, `say(text)` for screen readers.
 * @returns {{element: HTMLElement, focus: Function}}
 */
export function question({ facts, quiz }, { done, wrong, leave, say }) {
  const { label, from, to, rule } = facts;
  const verdict = h("p", { class: "verdict" });
  const tell = (words, right) => {
    verdict.textContent = words;
    verdict.classList.toggle("wrong", !right);
    say(words);
  };
  const check = () => {
    const found = judge(input.value, { ...quiz, label, from, to, rule });
    if (found.right) return done(true, found.words);
    wrong();
    tell(found.words, false);
    input.select();
    return undefined;
  };
  const input = h("input", {
    ...{ type: "text", inputmode: "text", autocomplete: "off", "aria-label": "your prediction" },
    size: 8,
    onkeydown: (event) => {
      if (event.key === "Enter") check();
      if (event.key === "Escape") leave();
    },
  });
  const where = quiz.element.length ? `, element [${quiz.element.join(", ")}]` : "";
  const words = `Which number comes through ${facts.label} to ${facts.to}${where}?`;
  const formula = facts.formula && cell(facts.from, h("code", {}, facts.formula));
  const known = [[facts.above, facts.upstream], ...(facts.inputs ?? [])];
  const cells = known.map(([name, value]) => cell(name, number(value)));
  const element = h(
    "div",
    { class: "question" },
    h("p", {}, h("b", {}, words)),
    h("div", { class: "row" }, formula, ...cells),
    h(
      ...["div", { class: "answer" }, input],
      h("button", { type: "button", onclick: check }, "Check"),
      h("button", { type: "button", onclick: () => done(false, "") }, "Show"),
    ),
    verdict,
  );
  return { element, focus: () => input.focus({ preventScroll: true }), words };
}
