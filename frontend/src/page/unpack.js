/* From the packed text of a script (`packed` in tools/build_frontend.py) back to the script.
 *
 * Two characters hold 13 bits, low ones first, of a deflated text (RFC 1951), all of whose blocks
 * bring tables of their own: short texts might not, but scripts do, and a test unpacks them all.
 * The browser's own DecompressionStream, which unpacks the smallest script (dlgraph/draw/page.py), is
 * done some frames later, and those frames are spent on drawing the picture that the live figure is
 * about to cover: a large one takes as long as the figure itself. */

/** The text that was packed. */
export function unpack(packed) {
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  let at = 0;
  let held = 0;
  let count = 0;
  const digit = (code = packed.charCodeAt(at++)) =>
    code - 33 - (code > 34) - (code > 60) - (code > 92);
  const read = (bits) => {
    for (; count < bits; count += 13) held |= (digit() + 91 * digit()) << count;
    const value = held & ((1 << bits) - 1);
    held >>>= bits;
    count -= bits;
    return value;
  };
  // The symbols whose codes are 0, 1, 2… bits long; the codes follow from that.
  const rows = (lengths) =>
    order.map((_, bits) => lengths.flatMap((own, symbol) => (own === bits ? symbol : [])));
  const next = (table, bits = 1, code = read(1)) => {
    const past = code - table[bits].length;
    return past < 0 ? table[bits][code] : next(table, bits + 1, 2 * past + read(1));
  };
  // A length or a distance: each power of two is divided into 2 ** bits parts.
  const scaled = (symbol, bits, extra = Math.max(0, (symbol >> bits) - 1)) =>
    ((symbol - (extra << bits)) << extra) + read(extra);
  const out = [];
  for (let last = 0; !last; ) {
    last = read(3) & 1; // the other bits: what kind of block
    const symbols = read(5) + 257;
    const all = symbols + read(5) + 1;
    const short = Array(19).fill(0);
    for (let i = read(4) + 4, n = 0; n < i; n++) short[order[n]] = read(3);
    const lengths = [];
    for (const table = rows(short); lengths.length < all; ) {
      const symbol = next(table);
      const value = symbol < 16 ? symbol : symbol > 16 ? 0 : lengths.at(-1);
      let times = symbol < 16 ? 1 : symbol < 18 ? read(symbol - 14) + 3 : read(7) + 11;
      for (; times; times--) lengths.push(value);
    }
    const table = rows(lengths.slice(0, symbols));
    const distances = rows(lengths.slice(symbols));
    for (let symbol = next(table); symbol !== 256; symbol = next(table)) {
      if (symbol < 256) out.push(symbol);
      else {
        let length = symbol === 285 ? 258 : scaled(symbol - 257, 2) + 3;
        for (const back = scaled(next(distances), 1) + 1; length; length--) out.push(out.at(-back));
      }
    }
  }
  return new TextDecoder().decode(Uint8Array.from(out));
}
