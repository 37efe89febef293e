/* Is a predicted gradient right, and if not, which thought led there?  Pure: no page needed. */

const NEAR = 0.01; // what counts as the same number: one hundredth of it
const ROUGH = 0.1;

/** A number as people type it: 0.5, 0,5, -3, 1/3, 2e-3; NaN for anything else. */
function readNumber(text) {
  const plain = text
    .trim()
    .replaceAll("−", "-")
    .replace(/^([^.]*),([^,]*)$/, "$1.$2");
  const [above, below, ...rest] = plain.split("/");
  const one = (part) =>
    /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(part) ? Number(part) : NaN;
  if (below === undefined) return one(above);
  return rest.length ? NaN : one(above) / one(below);
}

/**
 * @param {string} text what was typed.
 * @param {object} quiz `answer`, and where they are known `upstream`, `local`, `held` as numbers;
 *   `shown`: the same as texts; `from`, `to`, `label`, `rule`.
 * @returns {{right: boolean, words: string}}
 */
export function judge(text, quiz) {
  const { answer, upstream, local, held, shown } = quiz;
  const typed = readNumber(text);
  if (!Number.isFinite(typed)) {
    return no("That is not a number. Type one, for example 0.5, -3 or 1/3.");
  }
  if (same(typed, answer) || roundsTo(text, typed, answer)) {
    const product = local == null ? "" : `: ${shown.upstream} × ${shown.local} = ${shown.answer}`;
    return { right: true, words: `Right${product}.` };
  }
  if (answer && same(typed, -answer)) return no("The size is right, the sign is not.");
  if (held != null && same(typed, held + answer)) {
    return no(
      `That is the sum with the ${shown.held} from before. What does this edge alone bring?`,
    );
  }
  if (local != null) {
    if (same(typed, upstream)) {
      return no(
        `That is the upstream gradient. Multiply it by the local derivative of ${quiz.label}.`,
      );
    }
    if (same(typed, local)) {
      return no(
        `That is the local derivative. Multiply it by the upstream gradient, ${shown.upstream}.`,
      );
    }
    if (same(typed, upstream + local)) {
      return no("Upstream and local derivative are multiplied, not added.");
    }
    if (same(typed, upstream / local))
      return no("Multiply by the local derivative, do not divide.");
  }
  if (Math.abs(typed - answer) <= ROUGH * Math.abs(answer)) {
    return no("Nearly. Compute it a little more exactly.");
  }
  if (local != null) {
    return no(
      `Not yet. How much does ${quiz.from} change per unit change of ${quiz.to}? ` +
        `Multiply that by the upstream ${shown.upstream}.`,
    );
  }
  return no(
    quiz.rule ? `Not yet. The rule is ${quiz.rule}, where g is the upstream gradient.` : "Not yet.",
  );
}

const no = (words) => ({ right: false, words });

function same(a, b) {
  return b === 0 ? Math.abs(a) < 1e-9 : Math.abs(a - b) <= NEAR * Math.abs(b);
}

/* The answer rounded to the decimals that were typed, if these are at least two digits. */
function roundsTo(text, typed, answer) {
  const digits = text.replace(/e.*/i, "").replace(/[^\d]/g, "").replace(/^0+/, "");
  if (digits.length < 2 || /[/e]/i.test(text)) return false;
  const decimals = /[.,](\d*)\s*$/.exec(text)?.[1].length ?? 0;
  return Math.abs(typed - answer) <= 0.5 * 10 ** -decimals + 1e-12;
}
