/**
 * The slot of an object. Frozen: stores keep it in their rows, and all nodes of a cluster must agree on it.
 *
 * It is the lower ten bits of MurmurHash3 (32 bits, seed 0) of the UTF-8 bytes of tenant, type and id, with a
 * zero byte between them, which none of the three can contain.
 */

import type { Address } from "../core/address.ts";
import { slotCount } from "./ownership-store.ts";

const encoder = new TextEncoder();

/** The slot that an object belongs to: from 0 to 1,023. */
export function slotOf({ tenant, type, id }: Address): number {
  return murmur3(encoder.encode(`${tenant}\u0000${type}\u0000${id}`)) % slotCount;
}

/** MurmurHash3 of bytes, 32 bits, with the seed 0. */
export function murmur3(bytes: Uint8Array): number {
  const whole = bytes.length & ~3;
  let hash = 0;
  for (let at = 0; at < whole; at += 4) {
    hash ^= scrambled(
      byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24),
    );
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  let rest = 0;
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8) | byte(bytes, at);
  hash ^= scrambled(rest) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
