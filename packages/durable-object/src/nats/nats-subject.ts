/**
 * The subjects of the transport: one for each node, and one for the answers to each node's messages.
 *
 * A subject is what permissions are given on, and the parts of it are separated by dots; so whatever else a node is
 * called becomes a part without any sign that means something to NATS.
 */

import { createHash } from "node:crypto";

/** The longest part that a name becomes: a server takes lines of 4 KiB. */
const longestPart = 384;

/** Where all subjects of a namespace begin. */
export function subjectsOf(namespace: string): string {
  return `do.v1.${namespace}`;
}

/**
 * A name as one part of a subject. Letters, digits, `_` and `-` stay; every other byte becomes `=` and two digits. Two
 * names never become the same part.
 */
export function subjectPart(name: string): string {
  if (/^[\w-]{1,128}$/.test(name)) return name;
  const bytes = [...Buffer.from(name)];
  const part = bytes.map((byte) => (isPlain(byte) ? String.fromCharCode(byte) : hex(byte))).join("");
  // "==" begins no other part.
  if (part.length > longestPart) return `==${createHash("sha256").update(name).digest("hex")}`;
  return part === "" ? "=" : part;
}

function isPlain(byte: number): boolean {
  return /[\w-]/.test(String.fromCharCode(byte));
}

function hex(byte: number): string {
  return `=${byte.toString(16).padStart(2, "0")}`;
}
