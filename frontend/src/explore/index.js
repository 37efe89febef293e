/* `dg.explore`: a picture whose inputs can be moved; the running kernel computes what follows.
 *
 * `widget()` is called once for each widget and returns what anywidget wants.  The state lives in
 * Python; here is only what is shown of it.  Read next: talk.js, controls.js, tensor.js. */

import { h } from "../core/dom.js";
import { mountFull } from "../core/full.js";
import { setValues } from "../core/values.js";
import { CONTROLS, controls } from "./controls.js";
import { PLAY, player } from "./play.js";
import { talk } from "./talk.js";
import { TENSOR, tensor } from "./tensor.js";

export function widget() {
  return { render };
}

function render({ model, el }) {
  const payload = structuredClone(model.get("payload"));
  const host = el.appendChild(document.createElement("div"));
  const figure = mountFull(host, payload, { style: CONTROLS + PLAY + TENSOR });
  const words = h("div", { class: "account", role: "status", "aria-live": "polite" });
  const speech = talk(model, { onAnswer: show, onSilence: silence });
  const play = player(figure);
  const inputs = controls(figure, payload.leaves, set);
  const view = tensor(set);
  figure.bar.after(inputs.element);
  figure.caption.append(words);
  figure.panel.after(view.element);
  const back = figure.addButton({
    ...{ label: "Inputs back to their first values", text: "Reset", keys: "r" },
    action: () => speech.send({ kind: "reset" }),
  });
  figure.bar.firstChild.after(back);
  let chosen = null;
  let known = payload.leaves;
  figure.on("select", (key) => {
    if (key === chosen) return;
    chosen = key;
    speech.send({ kind: "select", key });
  });
  say(payload.reason && `No gradients: ${payload.reason}.`);

  /* A drag sends many values; only the newest one matters. */
  function set(node, value, at, ended) {
    speech.send({ kind: "set", node, value, ...(at && { at }) }, ended ? "last" : "drag");
  }

  function say(text, wrong) {
    words.textContent = text ?? "";
    words.classList.toggle("wrong", !!wrong);
  }

  /* What was not answered has not happened: the inputs show what is known. */
  function silence(text, lost) {
    say(text, lost);
    if (text) inputs.update(known, null, () => false);
  }

  function show(answer, buffers, sent) {
    known = answer.leaves;
    inputs.update(known, sent?.node, speech.pending);
    if (answer.kind === "refused") {
      say(answer.words, true);
    } else if (answer.kind !== "selected") {
      Object.assign(payload.facts, answer.facts);
      setValues(figure, answer.texts);
      if (figure.selected) figure.select(figure.selected); // its details
      if (answer.words) say(answer.words);
      play(answer, sent?.how === "drag");
    } else if (answer.selected !== chosen) {
      chosen = answer.selected; // chosen from Python
      figure.select(chosen);
    }
    if (answer.array !== undefined) view.show(answer.array, buffers, answer.selected);
    figure.answered = answer.number;
  }

  speech.send({ kind: "hello" });
  return () => {
    speech.end();
    play.end();
    figure.destroy();
  };
}
