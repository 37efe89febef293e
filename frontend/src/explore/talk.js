/* The conversation with Python: one question at a time, the newest of a drag, silence in words.
 *
 * Messages, not traits: a trait waits until the kernel is idle.  The first message makes the kernel
 * open the thread in which later ones are answered, even while a cell runs. */

const PATIENCE = 2000; // ms without an answer until the reader is told

const GONE =
  "Python does not answer: its kernel has ended, was restarted, or is busy with another cell. " +
  "Run this cell again to go on; the picture can still be moved and looked at.";

/**
 * @param model of the widget.
 * @param {{onAnswer: Function, onSilence: Function}} listener `onAnswer(content, buffers, sent)`,
 *   `onSilence(words)`; silence that ends is told by empty words.
 * @returns `send(message, how)` (how is "drag" for one of many), `pending(node)` and `end()`.
 */
export function talk(model, { onAnswer, onSilence }) {
  let seq = 0;
  let asked = null; // what waits for its answer
  let waiting = []; // what is to be said next
  let timer = 0;
  let silent = false;

  function receive(content, buffers) {
    const mine = asked && content.seq === asked.seq; // else another view asked, or Python itself
    const sent = mine ? asked : null;
    if (mine) {
      clearTimeout(timer);
      asked = null;
    }
    if (silent) {
      silent = false;
      onSilence("");
    }
    onAnswer(content, buffers, sent);
    next();
  }

  function next() {
    if (asked || !waiting.length) return;
    asked = waiting.shift();
    const { how, ...message } = asked;
    const givenUp = () => {
      silent = true;
      asked = null; // a late answer is still taken, and the next question is asked
      onSilence(GONE);
      next();
    };
    timer = setTimeout(givenUp, PATIENCE);
    try {
      model.send(message);
    } catch {
      clearTimeout(timer);
      givenUp(); // the connection is closed for good
    }
  }

  model.on("msg:custom", receive);
  return {
    send(message, how) {
      seq += 1;
      waiting = waiting.filter((one) => one.how !== "drag" || one.node !== message.node);
      waiting.push({ ...message, seq: start + seq, how });
      next();
    },
    /** Is there a newer value of this node on its way? */
    pending: (node) => [asked, ...waiting].some((one) => one?.node === node),
    end() {
      clearTimeout(timer);
      model.off("msg:custom", receive);
    },
  };
}

/* Two views of one widget hear each other's answers: each counts from a place of its own. */
const start = Math.floor(Math.random() * 2 ** 30);
