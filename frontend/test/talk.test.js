import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { talk } from "../src/explore/talk.js";

/* In small steps: a timer that a timer starts counts from the end of a step. */
function seconds(count) {
  for (let past = 0; past < count; past += 0.1) mock.timers.tick(100);
}

/* A kernel that keeps what it was sent, and answers when told. */
function conversation() {
  const model = {
    sent: [],
    on: (_, listener) => {
      model.answer = (content) => listener(content, []);
    },
    off: () => {
      model.answer = () => assert.fail("an answer after the end");
    },
    send: (message) => model.sent.push(message),
  };
  const heard = { answers: [], words: "" };
  const speech = talk(model, {
    onAnswer: (content, _, sent) => heard.answers.push([content.seq, sent?.how]),
    onSilence: (words, lost) => {
      heard.words = words;
      heard.lost = lost;
    },
  });
  const kinds = () => model.sent.map((one) => one.kind).join(" ");
  return { model, heard, speech, kinds, last: () => model.sent.at(-1) };
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("one question, one answer, and then nothing is said", () => {
  const { model, heard, speech, kinds, last } = conversation();
  speech.send({ kind: "hello" });
  model.answer({ seq: last().seq });
  seconds(1000);
  assert.equal(kinds(), "hello");
  assert.equal(heard.words, "");
});

test("a first hello that is lost is said again before anybody is told", () => {
  const { model, heard, speech, kinds, last } = conversation();
  speech.send({ kind: "hello" });
  seconds(1.5);
  assert.equal(kinds(), "hello hello");
  model.answer({ seq: last().seq });
  seconds(1000);
  assert.equal(kinds(), "hello hello");
  assert.equal(heard.words, "");
});

test("a question that is lost is asked once more, as soon as Python is heard", () => {
  const { model, heard, speech, kinds, last } = conversation();
  speech.send({ kind: "set", node: 3, value: 5 }, "last");
  seconds(1.5);
  assert.equal(kinds(), "set hello");
  model.answer({ seq: last().seq });
  assert.equal(kinds(), "set hello set");
  assert.ok(speech.pending(3));
  model.answer({ seq: last().seq });
  assert.equal(last().value, 5);
  assert.deepEqual(heard.answers.at(-1), [last().seq, "last"]);
  seconds(1000);
  assert.equal(kinds(), "set hello set");
  assert.equal(heard.words, "");
});

test("a question that Python cannot answer is not asked for ever", () => {
  const { model, heard, speech, kinds } = conversation();
  const silence = [];
  const listen = model.send;
  model.send = (message) => {
    listen(message);
    if (message.kind === "hello") setTimeout(() => model.answer({ seq: message.seq }), 10);
  };
  speech.send({ kind: "set", node: 3, value: 5 }, "last");
  for (let k = 0; k < 100; k++) {
    seconds(1);
    silence.push(heard.words);
  }
  assert.equal(kinds().match(/set/g).length, 2);
  assert.ok(model.sent.length < 7, kinds());
  assert.ok(
    silence.some((words) => words),
    "nobody was told",
  );
  assert.equal(silence.at(-1), "");
});

test("a slow answer is an answer: nothing is computed twice", () => {
  const { model, heard, speech, kinds } = conversation();
  speech.send({ kind: "set", node: 3, value: 5 }, "last");
  seconds(1.5);
  const [set, hello] = model.sent;
  model.answer({ seq: set.seq });
  model.answer({ seq: hello.seq });
  seconds(1000);
  assert.equal(kinds(), "set hello");
  assert.deepEqual(
    heard.answers.map(([, how]) => how),
    ["last", undefined],
  );
});

test("a kernel that stays silent is asked more and more rarely, and then no more", () => {
  const { heard, speech, kinds, model } = conversation();
  speech.send({ kind: "set", node: 3, value: 5 }, "last");
  seconds(2.5);
  assert.match(heard.words, /does not answer/);
  const counts = [5, 10, 20, 40, 80, 160, 1000].map((wait) => {
    const before = model.sent.length;
    seconds(wait);
    return model.sent.length - before;
  });
  assert.ok(counts.slice(0, 5).every((count) => count >= 1));
  assert.ok(model.sent.length < 12, kinds());
  assert.equal(counts.at(-1), 0);
  // What the reader was told has not happened is not repeated: it would happen unlooked for.
  assert.match(kinds(), /^set( hello)+$/);
  assert.match(heard.words, /does not answer/);
});

test("a kernel that wakes up is found again, and is not asked any more", () => {
  const { model, heard, speech, last } = conversation();
  speech.send({ kind: "hello" });
  seconds(30);
  assert.match(heard.words, /does not answer/);
  assert.equal(heard.lost, false, "nothing that the reader did is lost");
  model.answer({ seq: last().seq });
  assert.equal(heard.words, "");
  const count = model.sent.length;
  seconds(1000);
  assert.equal(model.sent.length, count);
});

test("a late answer is taken, though the question was given up", () => {
  const { model, heard, speech } = conversation();
  speech.send({ kind: "set", node: 3, value: 5 }, "last");
  seconds(2.5);
  model.answer({ seq: model.sent[0].seq });
  assert.equal(heard.words, "");
  const count = model.sent.length;
  seconds(1000);
  assert.equal(model.sent.length, count);
});

test("who touches something is asked for at once, and the waiting begins afresh", () => {
  const { model, heard, speech, last } = conversation();
  speech.send({ kind: "hello" });
  seconds(1000);
  const count = model.sent.length;
  speech.send({ kind: "set", node: 3, value: 5 }, "drag");
  assert.equal(model.sent.length, count + 1);
  assert.equal(last().kind, "set");
  seconds(2.5);
  assert.equal(heard.lost, true);
  seconds(6);
  assert.ok(model.sent.length > count + 2);
  model.answer({ seq: last().seq });
  assert.equal(heard.words, "");
});

test("of a drag only the newest value waits, and the others follow in order", () => {
  const { model, speech, kinds, last } = conversation();
  speech.send({ kind: "hello" });
  for (const value of [1, 2, 3]) speech.send({ kind: "set", node: 3, value }, "drag");
  speech.send({ kind: "reset" });
  assert.ok(speech.pending(3));
  model.answer({ seq: last().seq });
  assert.equal(last().value, 3);
  model.answer({ seq: last().seq });
  assert.equal(kinds(), "hello set reset");
  assert.ok(!speech.pending(3));
});

test("two views of one widget do not take each other's answers for theirs", () => {
  const [one, two] = [conversation(), conversation()];
  one.speech.send({ kind: "set", node: 3, value: 5 }, "last");
  two.speech.send({ kind: "hello" });
  two.model.answer({ seq: one.last().seq });
  assert.deepEqual(two.heard.answers, [[one.last().seq, undefined]]);
  seconds(1.5);
  assert.equal(two.kinds(), "hello hello", "it still waits for its own");
});

test("a closed connection is told at once, and is not asked again", () => {
  const { model, heard, speech } = conversation();
  let tried = 0;
  model.send = () => {
    tried += 1;
    throw new Error("closed");
  };
  speech.send({ kind: "hello" });
  assert.match(heard.words, /does not answer/);
  seconds(1000);
  assert.equal(tried, 1);
});

test("what was ended asks nothing more", () => {
  for (const wait of [0, 1.5, 3]) {
    const { model, speech } = conversation();
    speech.send({ kind: "hello" });
    seconds(wait);
    const count = model.sent.length;
    speech.end();
    seconds(1000);
    assert.equal(model.sent.length, count);
  }
});
