/* Long work in slices: between two of them the page scrolls, draws and takes keys. */

const SLICE = 40; // ms; with the step that ends late still far from what is felt as standing still

/**
 * Run a generator, a slice at a time.
 *
 * @param {Iterator} steps yields as often as it can.
 * @param {object} [options]
 * @param {() => boolean} [options.wanted] false: stop; the same steps can be taken up again.
 * @param {number} [options.slice] ms; infinite: all at once, before this returns.
 * @returns a function that stops it.
 */
export function inSlices(steps, { wanted = () => true, slice = SLICE } = {}) {
  let timer;
  const run = () => {
    if (!wanted()) return;
    const end = performance.now() + slice;
    while (!steps.next().done) {
      if (performance.now() < end) continue;
      timer = setTimeout(run);
      return;
    }
  };
  run();
  return () => clearTimeout(timer);
}
