/* The conversation with Python: one question at a time, the newest of a drag, silence in words.
 *
 * Messages, not traits: a trait waits until the kernel is idle.  The first message makes the kernel
 * open the thread in which later ones are answered, even while a cell runs; until it is open,
 * messages wait behind the cells, and where a machine is busy one can be lost.  So what is not
 * answered soon is followed by a hello, which costs little.  An answer to that alone says that the
 * question was lost: it is asked once more. */

const PATIENCE = 2000; // ms without an answer until the reader is told
const LONGEST = 130_000; // ms between two hellos to a silent kernel, before they end

const GONE =
  "Python does not answer. If it is busy with another cell, this goes on when that is done; if its " +
  "kernel has ended or was restarted, run this cell again. The picture can still be moved and " +
  "looked at.";

/**
 * @param model of the widget.
 * @param {{onAnswer: Function, onSilence: Function}} listener `onAnswer(content, buffers, sent)`,
 *   `onSilence(words, lost)` (has the reader done something that is lost?); silence that ends is
 *   told by empty words.
 * @returns `send(message, how)` (how is "drag" for one of many), `pending(node)` and `end()`.
 */
export function talk(model, { onAnswer, onSilence }) {
  // Two views of one widget hear each other's answers: each counts from a place of its own.
  let seq = Math.floor(Math.random() * 2 ** 30);
  let asked = null; // what waits for its answer
  let waiting = []; // what is to be said next
  let timer = 0; // until patience with what was asked ends, or until the next hello
  let silent = false;

  function receive(content, buffers) {
    const hello = asked && content.seq === asked.hello;
    const mine = asked && (content.seq === asked.seq || (hello && asked.kind === "hello"));
    const sent = mine ? asked : null; // else another view asked, or Python itself
    if (mine) asked = null;
    if (!asked) clearTimeout(timer);
    if (silent) {
      silent = false;
      onSilence("");
    }
    onAnswer(content, buffers, sent);
    if (hello && !mine && !asked.again) ask({ ...asked, again: true });
    next();
  }

  function next() {
    if (!asked && waiting.length) ask(waiting.shift());
  }

  function ask(message) {
    asked = { ...message, seq: deliver(message) };
    clearTimeout(timer);
    if (!asked.seq) return giveUp(false); // the connection is closed for good
    timer = setTimeout(() => {
      asked.hello = deliver({ kind: "hello" });
      timer = setTimeout(giveUp, PATIENCE / 2, true);
    }, PATIENCE / 2);
  }

  /* The number under which a message was sent; 0 where it could not be. */
  function deliver({ how, again, hello, ...message }) {
    seq += 1;
    try {
      model.send({ ...message, seq });
      return seq;
    } catch {
      return 0;
    }
  }

  function giveUp(open) {
    const lost = asked.kind !== "hello";
    asked = null; // a late answer is still taken, and the next question is asked
    if (!silent || lost) onSilence(GONE, lost);
    silent = true;
    if (open) knock(2 * PATIENCE);
    next();
  }

  /* More and more rarely: each hello waits in a kernel that is busy. */
  function knock(wait) {
    if (wait > LONGEST) return;
    timer = setTimeout(() => deliver({ kind: "hello" }) && knock(2 * wait), wait);
  }

  model.on("msg:custom", receive);
  return {
    send(message, how) {
      waiting = waiting.filter((one) => one.how !== "drag" || one.node !== message.node);
      waiting.push({ ...message, how });
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
