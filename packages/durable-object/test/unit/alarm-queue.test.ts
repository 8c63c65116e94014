/** The queue of a scheduler: each alarm once, in turn by type and tenant, revoked when it was changed. */

import { expect, test } from "vitest";
import { AlarmQueue } from "../../src/alarms/alarm-queue.ts";
import type { AddressedAlarm } from "../../src/ports/object-store.ts";
import { address, storedAlarm } from "../../src/testing/object-store-case.ts";

function alarm(id: string, name = "ring", tenant = "", type = "counter"): AddressedAlarm {
  return { ...storedAlarm({ name, dueAt: 1, generation: 1 }), address: address(id, type, tenant), suspect: false };
}

/** Takes all that wait. */
function drain(queue: AlarmQueue): string[] {
  const taken: string[] = [];
  for (let known = queue.next(); known !== null; known = queue.next()) taken.push(known.alarm.address.id);
  return taken;
}

test("hands out alarms in the order in which they came", () => {
  const queue = new AlarmQueue();
  for (const id of ["a", "b", "c"]) queue.add(alarm(id));
  expect([queue.size, queue.ready]).toEqual([3, 3]);
  expect(drain(queue)).toEqual(["a", "b", "c"]);
  expect([queue.size, queue.ready]).toEqual([3, 0]);
});

test("knows an alarm until it is forgotten", () => {
  const queue = new AlarmQueue();
  queue.add(alarm("a"));
  queue.add(alarm("a"));
  const known = queue.next();
  queue.add(alarm("a"));
  expect(drain(queue)).toEqual([]);
  if (known !== null) queue.forget(known);
  queue.add(alarm("a"));
  expect(drain(queue)).toEqual(["a"]);
});

test("hands out one alarm of an object at a time", () => {
  const queue = new AlarmQueue();
  for (const name of ["ring", "chime", "tick"]) queue.add(alarm("a", name));
  queue.add(alarm("b"));
  expect([queue.size, queue.ready]).toEqual([4, 2]);
  const first = queue.next();
  expect(drain(queue)).toEqual(["b"]);
  // It comes back to the end of the line of its object, and those behind it are not held up.
  if (first !== null) queue.rest(first);
  const second = queue.next();
  expect([second?.alarm.name, drain(queue)]).toEqual(["chime", []]);
  if (first !== null) queue.forget(first);
  expect(drain(queue)).toEqual([]);
  queue.add(alarm("a"));
  if (second !== null) queue.forget(second);
  const third = queue.next();
  if (third !== null) queue.forget(third);
  expect([third?.alarm.name, queue.next()?.alarm.name, queue.size]).toEqual(["tick", "ring", 2]);
});

test("an object goes behind the others when one of its alarms is over", () => {
  const queue = new AlarmQueue();
  for (const name of ["ring", "chime"]) queue.add(alarm("a", name));
  for (const id of ["b", "c"]) queue.add(alarm(id));
  const first = queue.next();
  if (first !== null) queue.forget(first);
  expect(drain(queue)).toEqual(["b", "c", "a"]);
});

test("takes turns by type and tenant", () => {
  const queue = new AlarmQueue();
  for (let index = 0; index < 4; index++) queue.add(alarm(`flood${index}`));
  queue.add(alarm("t", "ring", "tenant"));
  queue.add(alarm("u", "ring", "", "other"));
  queue.add(alarm("t2", "ring", "tenant"));
  expect(drain(queue)).toEqual(["flood0", "t", "u", "flood1", "t2", "flood2", "flood3"]);
});

test("what was changed is forgotten, and what was delivered of it is revoked", () => {
  const queue = new AlarmQueue();
  queue.add(alarm("a"));
  queue.add(alarm("a", "chime"));
  queue.add(alarm("b"));
  const known = queue.next();
  let revoked = 0;
  const over = Promise.resolve(null);
  if (known !== null) known.delivery = { revoke: () => void (revoked += 1), over };
  queue.revoke(address("a"), ["ring", "unknown"]);
  expect(revoked).toBe(1);
  expect([queue.size, queue.ready]).toEqual([2, 2]);
  // The new setting is another alarm; what becomes of the old one does not touch it.
  queue.add(alarm("a"));
  if (known !== null) queue.forget(known);
  expect(queue.size).toBe(3);
  queue.revoke(address("a"), null);
  expect(drain(queue)).toEqual(["b"]);
  queue.revoke(address("nobody"), null);
  expect(queue.size).toBe(1);
});

test("objects whose names run into each other are not mixed up", () => {
  const queue = new AlarmQueue();
  queue.add(alarm("c", "ring", "a", "b"));
  queue.add(alarm("bc", "ring", "a", ""));
  queue.add(alarm("c", "ring", "ab", ""));
  expect(queue.size).toBe(3);
  queue.revoke(address("c", "b", "a"), null);
  expect(drain(queue).toSorted()).toEqual(["bc", "c"]);
});

test("when nothing may wait any more, what was delivered is still known", () => {
  const queue = new AlarmQueue();
  queue.add(alarm("a"));
  queue.add(alarm("b"));
  queue.next();
  queue.clearWaiting();
  expect(queue.next()).toBe(null);
  expect(queue.ready).toBe(0);
});
