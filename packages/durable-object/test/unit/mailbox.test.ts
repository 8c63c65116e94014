/** The mailbox: first in, first out, bounded, and open in the middle. */

import { expect, test } from "vitest";
import { Call } from "../../src/runtime/call.ts";
import { Mailbox } from "../../src/runtime/mailbox.ts";
import type { Operation } from "../../src/runtime/operation.ts";

function call(name: string, isRead = false): Call {
  const operation: Operation = { name, isRead, isSystem: false, schema: null, pace: "sync", run: () => null };
  return new Call({ tenant: "", type: "box", id: "a" }, operation, [], Infinity, null, { settled() {} });
}

test("calls leave in the order they came", () => {
  const mailbox = new Mailbox(10);
  const calls = ["a", "b", "c"].map((name) => call(name));
  for (const each of calls) mailbox.push(each);
  const left: string[] = [];
  for (let first = mailbox.first(); first !== null; first = mailbox.first()) {
    left.push(first.operation.name);
    mailbox.remove(first);
  }
  expect(left).toEqual(["a", "b", "c"]);
  expect(mailbox.first()).toBeNull();
});

test("it is full at its limit, and has room again when one leaves", () => {
  const mailbox = new Mailbox(2);
  const [a, b] = [call("a"), call("b")];
  mailbox.push(a);
  expect(mailbox.isFull).toBe(false);
  mailbox.push(b);
  expect(mailbox.isFull).toBe(true);
  mailbox.remove(a);
  expect(mailbox.isFull).toBe(false);
  expect(mailbox.first()).toBe(b);
});

test("a call can leave from the middle, and one that is not there changes nothing", () => {
  const mailbox = new Mailbox(10);
  const [a, b, c] = [call("a"), call("b"), call("c")];
  for (const each of [a, b, c]) mailbox.push(each);
  mailbox.remove(b);
  mailbox.remove(call("b"));
  expect(mailbox.size).toBe(2);
  expect(mailbox.drain()).toEqual([a, c]);
});

test("reads are found in order and stay; draining takes everything", () => {
  const mailbox = new Mailbox(10);
  const calls = [call("a"), call("b", true), call("c"), call("d", true)];
  for (const each of calls) mailbox.push(each);
  expect(mailbox.reads().map(({ operation }) => operation.name)).toEqual(["b", "d"]);
  expect(mailbox.size).toBe(4);
  expect(mailbox.drain()).toEqual(calls);
  expect(mailbox.size).toBe(0);
});
