import { assert, json, property, record, string } from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeMessage,
  encodeCall,
  encodeMessage,
  encodeParts,
  encodeResult,
  type WireCall,
} from "../../src/cluster/wire.ts";
import { DurableObjectError } from "../../src/core/errors.ts";

const address = { tenant: "t", type: "counter", id: "a" };

function call(parts: Partial<WireCall["request"]> = {}): WireCall {
  return {
    call: 7,
    timeoutMs: 5_000,
    request: { address, operation: "increment", args: [1], idempotency: null, chain: [], trace: null, ...parts },
  };
}

const there = (sent: WireCall): unknown => {
  const message = decodeMessage(encodeParts("calls", "me", [encodeCall(sent)]));
  return message.kind === "calls" ? message.calls[0] : null;
};

describe("wire", () => {
  test("a call arrives as it was sent, with places where nothing was given", () => {
    const link = { address, operation: "go", isRead: false, isActivating: true };
    const sent = call({
      args: [undefined, null, "ü\u2028", { a: [1, undefined] }, undefined],
      idempotency: { key: "k", fingerprint: "f" },
      chain: [link, { ...link, isRead: true }],
      trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 a=b",
    });
    expect(there(sent)).toEqual({
      ...sent,
      request: { ...sent.request, args: [undefined, null, "ü\u2028", { a: [1, null] }, undefined] },
    });
    expect(there({ ...sent, timeoutMs: null })).toMatchObject({ timeoutMs: null });
  });

  test("a call of a node that carries no context is read, and so is one with more than this node knows", () => {
    const sent = call();
    const older = JSON.parse(encodeCall(sent)) as unknown[];
    expect(older).toHaveLength(10);
    const [read, newer] = [older, [...older, { new: true }, 5]].map((parts) => {
      const message = decodeMessage(encodeParts("calls", "me", [JSON.stringify(parts)]));
      return message.kind === "calls" ? message.calls[0] : null;
    });
    expect([read, newer]).toEqual([sent, sent]);
  });

  test("whatever is JSON arrives as it is", () => {
    assert(
      property(record({ arg: json(), id: string({ unit: "binary" }), from: string() }), ({ arg, id, from }) => {
        const sent = call({ args: [JSON.parse(arg) as unknown], address: { ...address, id } });
        const message = decodeMessage(encodeParts("calls", from, [encodeCall(sent), encodeCall(sent)]));
        expect(message).toEqual(JSON.parse(JSON.stringify({ kind: "calls", from, calls: [sent, sent] })));
      }),
    );
  });

  test("results: values, nothing, errors with all they say, and where the object is now", () => {
    const error = new DurableObjectError("HANDLER_FAILED", "no", {
      address,
      reason: { code: 5 },
      outcome: "unknown",
      retryable: true,
    });
    const results = [
      encodeResult({ call: 1, reply: { kind: "value", value: { a: 1 } } }),
      encodeResult({ call: 2, reply: { kind: "value", value: undefined } }),
      encodeResult({ call: 3, reply: { kind: "error", error } }),
      encodeResult({ call: 4, moved: { node: "b", epoch: 9 } }),
      encodeResult({ call: 5, moved: null }),
    ];
    const message = decodeMessage(encodeParts("results", "me", results));
    if (message.kind !== "results") throw new Error("no results");
    const [value, nothing, failed, moved, lost] = message.results;
    expect([value, nothing, moved, lost]).toEqual([
      { call: 1, reply: { kind: "value", value: { a: 1 } } },
      { call: 2, reply: { kind: "value", value: undefined } },
      { call: 4, moved: { node: "b", epoch: 9 } },
      { call: 5, moved: null },
    ]);
    const arrived =
      failed !== undefined && "reply" in failed && failed.reply.kind === "error" ? failed.reply.error : null;
    expect(arrived).toMatchObject({
      code: "HANDLER_FAILED",
      message: "no",
      address,
      reason: { code: 5 },
      outcome: "unknown",
      retryable: true,
    });
    expect(arrived).toBeInstanceOf(DurableObjectError);
  });

  test("a code of a newer version stays an error that says what it said", () => {
    const text = JSON.stringify([1, 1, { code: "NEWER", message: "later", outcome: "unknown", retryable: false }]);
    const message = decodeMessage(encodeParts("results", "me", [text]));
    const [result] = message.kind === "results" ? message.results : [];
    expect(result).toMatchObject({
      reply: { error: { code: "HANDLER_CRASHED", message: "later", outcome: "unknown" } },
    });
  });

  test("what nodes tell each other about slots and calls", () => {
    const given = { kind: "given", from: "me", slots: [{ slot: 1, epoch: 2 }] } as const;
    const aborts = { kind: "aborts", from: "me", calls: [1, 2] } as const;
    expect([decodeMessage(encodeMessage(given)), decodeMessage(encodeMessage(aborts))]).toEqual([given, aborts]);
  });

  test.each([
    "",
    "nonsense",
    "{}",
    '{"v":2,"kind":"calls","from":"a","parts":[]}',
    '{"v":1,"kind":"x","from":"a","parts":[]}',
  ])("refuses what it does not understand: %s", (text) => {
    expect(() => decodeMessage(text)).toThrow(/JSON|version|kind|property/);
  });
});
