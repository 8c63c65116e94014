/**
 * The order of texts by their UTF-8 bytes, which is the order of their code points: the one order that
 * every database agrees on. JavaScript's own `<` compares UTF-16 units and puts an emoji before U+FF5E.
 */

/**
 * Compares two well-formed texts.
 *
 * @returns a negative number if `left` comes first, a positive one if `right` does, 0 if they are equal
 */
export function compareUtf8(left: string, right: string): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return rank(a) - rank(b);
  }
  return left.length - right.length;
}

/** Where a UTF-16 unit belongs among code points: surrogates stand for the code points above all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
