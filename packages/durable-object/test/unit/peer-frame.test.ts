/** Frames between peers: what goes in comes out, and nothing that somebody makes up does harm. */

import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrame, kinds, readFrame, recordHeaderBytes, type OutgoingRecord } from "../../src/peers/peer-frame.ts";
import { headerOf, isNonce, freshNonce, proofOf, secretOf } from "../../src/peers/peer-handshake.ts";

const record: fc.Arbitrary<OutgoingRecord> = fc
  .record({
    kind: fc.constantFrom(...Object.values(kinds)),
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    text: fc.string({ unit: "grapheme" }),
  })
  .map((some) => ({ ...some, bytes: Buffer.byteLength(some.text) }));

/** What stands in a frame; null if it is none. */
function recordsIn(frame: Buffer): unknown[] | null {
  const records: unknown[] = [];
  const isFrame = readFrame(frame, (kind, id, text) => void records.push({ kind, id, text }));
  return isFrame ? records : null;
}

function frameOf(records: readonly OutgoingRecord[]): Buffer {
  return encodeFrame(
    records,
    records.reduce((sum, { bytes }) => sum + recordHeaderBytes + bytes, 0),
  );
}

test("a frame holds its records", () => {
  fc.assert(
    fc.property(fc.array(record), (records) => {
      expect(recordsIn(frameOf(records))).toEqual(records.map(({ kind, id, text }) => ({ kind, id, text })));
    }),
  );
});

test("half a frame is none", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1 }), fc.nat(), (records, cut) => {
      const frame = frameOf(records);
      const part = recordsIn(frame.subarray(0, cut % frame.length));
      // Unless it was cut between two records.
      expect(part === null || part.length < records.length).toBe(true);
    }),
  );
});

test("bytes are read without reading beyond them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const records = recordsIn(Buffer.from(bytes));
      if (records !== null) expect(records.length * recordHeaderBytes).toBeLessThanOrEqual(bytes.length);
    }),
  );
});

test("a proof is good for its secret, its side and its connection only", () => {
  const known = { from: "one", to: "two", callerNonce: freshNonce(), listenerNonce: freshNonce() };
  const proof = proofOf("right", "caller", known);
  expect(secretOf(["wrong", "right"], "caller", known, proof)).toBe("right");
  expect(secretOf([], "caller", known, proof)).toBe(null);
  expect(secretOf(["wrong"], "caller", known, proof)).toBe(null);
  expect(secretOf(["right"], "listener", known, proof)).toBe(null);
  for (const part of ["from", "to", "callerNonce", "listenerNonce"] as const) {
    expect(secretOf(["right"], "caller", { ...known, [part]: "else" }, proof)).toBe(null);
  }
  // Where one part ends and the next begins is part of it.
  expect(secretOf(["right"], "caller", { ...known, from: "onet", to: "wo" }, proof)).toBe(null);
  expect(secretOf(["right"], "caller", known, "")).toBe(null);
});

test("what travels in headers is fit for them", () => {
  expect(isNonce(freshNonce())).toBe(true);
  for (const text of ["", "a", "ä".repeat(32), `${"a".repeat(31)}\n`, null]) expect(isNonce(text)).toBe(false);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (name) => {
      expect(headerOf(name)).toMatch(/^[\x21-\x7e]*$/);
    }),
  );
});
