/* The figure of `dg.step`: forward operation by operation, then backward derivative by derivative.
 *
 * All sentences and numbers come from draw/telling.py; here they are only shown.  Read next:
 * player.js, card.js, question.js. */

import { h } from "../core/dom.js";
import { mount } from "../core/index.js";
import { card } from "./card.js";
import { addPlayer, PLAYER_STYLE } from "./player.js";
import { question } from "./question.js";
import { lookAt, reveal, way } from "./reveal.js";

const STEP_STYLE = `${PLAYER_STYLE}
.moment{min-height:112px}
.row{display:flex;flex-wrap:wrap;align-items:center;gap:4px 8px;margin:3px 0}
.cell{display:inline-flex;flex-direction:column;gap:1px;border:1px solid var(--frame);
border-radius:6px;padding:2px 8px 3px;max-width:100%;overflow-wrap:anywhere}
.cell>span{display:flex;flex-wrap:wrap;align-items:center;gap:0 5px;min-height:22px}
.row.with{gap:2px 14px}
.row.with .cell{border:0;padding:0}
.row.sum .cell:last-child{border:2px solid var(--g)}
.num{font-variant-numeric:tabular-nums;font-weight:bold;white-space:nowrap}
.num.some{white-space:normal;font-weight:normal}
.matrix{display:inline-grid;gap:0 10px;padding:1px 7px;text-align:right;
border:solid currentColor;border-width:0 1.5px;border-radius:6px;font-variant-numeric:tabular-nums}
.sign{font-weight:bold}
.cell .sign{font-weight:normal}
.answer{display:flex;gap:4px;flex-wrap:wrap;margin:4px 0}
.answer input{width:9em}
.verdict{font-weight:bold;display:block}
.verdict::before{content:"✓ "}
.verdict.wrong::before{content:"✗ "}
.verdict:empty{display:none}
.asked{opacity:1}
.box.asked>.ring{stroke:var(--g);stroke-width:2.5;stroke-dasharray:3 3}
.line.asked>.way{stroke-width:3.5}
`;

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  const figure = mount(host, payload, { style: STEP_STYLE });
  const walk = new Stepper(figure, payload.steps);
  walk.player.go(0);
  return Object.assign(figure, { walk });
}

class Stepper {
  asking = null;
  predicting = false;
  score = [0, 0];
  missed = new Set(); // steps that were predicted wrong before

  constructor(figure, steps) {
    Object.assign(this, { figure, steps });
    this.first = steps.findIndex(({ kind }) => kind === "seed");
    this.moment = h("div", { class: "moment" });
    this.player = addPlayer(figure, {
      count: steps.length,
      show: (at) => this.show(at),
      hold: (at) => this.hold(at),
      words: (at) => this.words(at),
    });
    figure.caption.append(this.moment);
    const toggle = () => {
      this.predicting = !this.predicting;
      button.setAttribute("aria-pressed", String(this.predicting));
      if (this.asking) this.show(this.player.at());
      const words = "Each next gradient is asked for before it is shown.";
      if (this.predicting) figure.announce(words);
    };
    const label = "Predict the next gradient (q)";
    const button = h(
      "button",
      { type: "button", tabindex: -1, title: label, "aria-pressed": "false", onclick: toggle },
      "Predict",
    );
    this.player.element.append(button);
    figure.keys.set("q", ["predict the next gradient", toggle]);
  }

  words(at) {
    const half = this.steps[at].kind === "start" || this.steps[at].kind === "forward";
    return `step ${at} of ${this.steps.length - 1}, ${half ? "forward" : "backward"}`;
  }

  /** Ask first, where a gradient comes next and the student wants to predict. */
  hold(at) {
    const step = this.steps[at];
    if (!this.predicting || !step.quiz || at !== this.player.at() + 1) {
      this.asking = null;
      return false;
    }
    if (this.asking?.at === at) {
      if (this.asking.answered) return false;
      this.asking.focus();
      return true;
    }
    const done = (right, words) => {
      this.asking.answered = true;
      const first = right && !this.missed.has(at);
      this.score = [this.score[0] + Number(first), this.score[1] + 1];
      this.player.go(at);
      this.moment.prepend(h("p", { class: "verdict" }, words), this.tally());
      this.figure.announce(`${words} ${step.text}`);
      this.figure.focus(step.boxes[0]);
      lookAt(this.figure, step.boxes.slice(0, 2));
    };
    const leave = () => {
      this.show(this.player.at());
      this.figure.focus(this.figure.focused);
    };
    const say = (text) => this.figure.announce(text);
    const wrong = () => this.missed.add(at);
    this.asking = { at, ...question(step, { done, wrong, leave, say }) };
    const [target, reader, forward] = step.boxes;
    this.figure.highlight([target, ...step.lines.map(way)], "asked");
    this.figure.highlight([reader], "active");
    this.figure.highlight([forward], "near");
    this.moment.replaceChildren(this.asking.element);
    this.figure.announce(this.asking.words);
    lookAt(this.figure, step.boxes.slice(0, 2));
    this.asking.focus();
    return true;
  }

  tally() {
    const [right, all] = this.score;
    return h("small", {}, `${right} of ${all} predicted at the first try`);
  }

  show(at) {
    const { figure, steps } = this;
    const step = steps[at];
    this.asking = null;
    const known = Object.assign({}, ...steps.slice(0, at + 1).map(({ shown }) => shown ?? {}));
    reveal(figure, known);
    figure.highlight([], "asked");
    const [target, reader, forward] = step.boxes ?? [];
    const lines = (step.lines ?? []).map(way);
    figure.highlight(
      [...(step.kind === "end" ? step.boxes : [target, reader]), ...lines],
      "active",
    );
    figure.highlight(forward && step.kind !== "end" ? [forward] : [], "near");
    this.moment.replaceChildren(card(step));
    figure.announce(step.text);
    lookAt(figure, [target, reader].filter(Boolean));
  }
}
