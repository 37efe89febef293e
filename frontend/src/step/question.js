/* "Predict the next gradient": the question in place of the next step. */

import { h } from "../core/dom.js";
import { cell, number } from "./card.js";
import { judge } from "./judge.js";

/**
 * @param {object} step the step that is asked for.
 * @param {(right: boolean) => void} done called when the answer may be shown.
 * @param {(text: string) => void} say for screen readers.
 * @returns {{element: HTMLElement, focus: Function}}
 */
export function question({ facts, quiz }, done, say) {
  const verdict = h("p", { class: "verdict" });
  let tries = 0;
  const tell = (words, right) => {
    verdict.textContent = words;
    verdict.classList.toggle("wrong", !right);
    say(words);
  };
  const check = () => {
    const found = judge(input.value, { ...quiz, ...facts });
    tries += 1;
    if (found.right) return done(tries === 1, found.words);
    tell(found.words, false);
    input.select();
    return undefined;
  };
  const input = h("input", {
    ...{ type: "text", inputmode: "text", autocomplete: "off", "aria-label": "your prediction" },
    ...{ size: 8, tabindex: -1 },
    onkeydown: (event) => {
      if (event.key === "Enter") check();
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
      h("button", { type: "button", tabindex: -1, onclick: check }, "Check"),
      h("button", { type: "button", tabindex: -1, onclick: () => done(false, "") }, "Show"),
    ),
    verdict,
  );
  return { element, focus: () => input.focus({ preventScroll: true }), words };
}
