/**
 * The slot of an object: which of 1,024 parts of all objects it belongs to. In a cluster a node owns slots,
 * not single objects, so the slot is stored beside each object and each alarm.
 *
 * The hash is frozen: rows of every database hold its results, and two nodes must always agree on it. It is
 * MurmurHash3 (x86, 32 bits, seed 0) of the UTF-8 bytes of tenant, type and id, with a zero byte between
 * them, and of that the lowest 10 bits. None of the three can contain a zero byte, so no two addresses are
 * one text.
 */

import type { Address } from "./address.ts";

/** How many slots there are. */
export const slotCount = 1_024;

/** The slot of an object, from 0 to 1,023. */
export function slotOf({ tenant, type, id }: Address): number {
  return murmur3(`${tenant}\u0000${type}\u0000${id}`) & (slotCount - 1);
}

/** MurmurHash3 for x86, 32 bits, with the seed 0, of a text's UTF-8 bytes; not negative. */
export function murmur3(text: string): number {
  let hash = 0;
  let block = 0;
  let bytes = 0;
  const add = (byte: number): void => {
    block |= byte << ((bytes & 3) << 3);
    bytes += 1;
    if ((bytes & 3) !== 0) return;
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    block = 0;
  };
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) {
      add(code);
    } else if (code < 0x800) {
      add(0xc0 | (code >> 6));
      add(0x80 | (code & 0x3f));
    } else if (isSurrogate(code)) {
      const point = text.codePointAt(index) ?? 0;
      // One that stands alone is not part of any address; it counts as the replacement character.
      index += point > 0xffff ? 1 : 0;
      addPoint(point > 0xffff ? point : 0xfffd, add);
    } else {
      addPoint(code, add);
    }
  }
  // `scramble` of an empty rest is 0.
  hash ^= scramble(block);
  hash ^= bytes;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}

/** A code point that takes three bytes or four. */
function addPoint(point: number, add: (byte: number) => void): void {
  if (point > 0xffff) {
    add(0xf0 | (point >> 18));
    add(0x80 | ((point >> 12) & 0x3f));
  } else {
    add(0xe0 | (point >> 12));
  }
  add(0x80 | ((point >> 6) & 0x3f));
  add(0x80 | (point & 0x3f));
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
