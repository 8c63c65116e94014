/** Failures: what is said of a message that was not answered is true. */

import assert from "node:assert/strict";
import { closedGate } from "./gate.ts";
import { assertFailsAs, failureOf, type TestedPeer, type TransportCase } from "./transport-case.ts";

export const failureCases: readonly TransportCase[] = [
  {
    name: "says at once that a node that never was is unreachable",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      for (let round = 0; round < 3; round++) {
        // Somebody else may be where it would be.
        for (const { endpoint } of [two.peer, one.peer]) {
          await assertFailsAs(one.ask({ node: tested.freeName(), endpoint }, `m${round}`), "unreachable");
        }
      }
      assert.deepEqual([one.heard, two.heard], [[], []]);
      assert.equal(await one.ask(two, "a"), "answer to a");
    },
  },
  {
    name: "says at once that a node that has closed is unreachable",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const three = await tested.open();
      assert.equal(await one.ask(two, "before"), "answer to before");
      await two.close();
      for (const node of [one, three]) {
        for (let round = 0; round < 3; round++)
          await assertFailsAs(node.ask(two, `${node.name} ${round}`), "unreachable");
      }
      assert.deepEqual(two.heard, ["before"]);
      assert.equal(await one.ask(three, "others go on"), "answer to others go on");
    },
  },
  {
    name: "does not take a node that opens again under a new name for the old one",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      assert.equal(await one.ask(two, "a"), "answer to a");
      const { peer } = two;
      await two.close();
      const again = await tested.open(two.transport);
      await assertFailsAs(one.ask(peer, "to the old one"), "unreachable");
      await assertFailsAs(one.ask({ ...again.peer, node: peer.node }, "to the old name"), "unreachable");
      assert.equal(await one.ask(again, "b"), "answer to b");
      assert.equal(await again.ask(one, "c"), "answer to c");
      assert.deepEqual([two.heard, again.heard], [["a"], ["b"]]);
    },
  },
  {
    name: "says that a message is unanswered when there is no answer in time, and drops one that comes late",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const gate = closedGate();
      two.reply = async (message) => {
        if (message.startsWith("slow")) await gate.passed;
        return `answer to ${message}`;
      };
      const notSent = await giveUpOn(one, two);
      const waiting = one.ask(two, "slow, but awaited");
      await two.hearsOf("slow, but awaited");
      gate.open();
      // Late answers arrive before these, between them, or after them, and are nobody's.
      for (let index = 0; index < 20; index++) assert.equal(await one.ask(two, `m${index}`), `answer to m${index}`);
      assert.equal(await waiting, "answer to slow, but awaited");
      for (const message of notSent) assert.ok(!two.heard.includes(message), `${message} was delivered`);
    },
  },
  {
    name: "leaves nobody waiting when a node closes",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const gate = closedGate();
      two.reply = async (message) => {
        await gate.passed;
        return message;
      };
      const asked = ["a", "b", "c"].map((message) => failureOf(one.ask(two, message)));
      await two.hears(3);
      await one.close();
      assert.deepEqual(await Promise.all(asked), ["unanswered", "unanswered", "unanswered"]);
      gate.open();
      await assertFailsAs(one.ask(two, "d", 1_000), "unreachable");
      await assertFailsAs(two.ask(one, "e"), "unreachable");
      assert.deepEqual([one.heard, new Set(two.heard)], [[], new Set(["a", "b", "c"])]);
    },
  },
  {
    name: "can be closed twice, and while it closes",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      await Promise.all([one.close(), one.close()]);
      await one.close();
      await assertFailsAs(two.ask(one, "a"), "unreachable");
    },
  },
  {
    name: "does not say of a message that it was not delivered if its node closes while it answers",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const gate = closedGate();
      two.reply = async (message) => {
        await gate.passed;
        return message;
      };
      const asked = failureOf(one.ask(two, "a", 2_000));
      await two.hears(1);
      const closed = two.close();
      gate.open();
      await closed;
      const failure = await asked;
      assert.ok(failure === null || failure === "unanswered", `it was delivered, and not "${failure}"`);
    },
  },
  {
    name: "says of no message that it was not delivered if it was, when a node closes amid many",
    async run(tested) {
      const one = await tested.open();
      for (let round = 0; round < 3; round++) {
        const two = await tested.open();
        const messages = Array.from({ length: 60 }, (_, index) => `m${round}-${index}`);
        const before = messages.slice(0, 30).map((message) => failureOf(one.ask(two, message, 1_000)));
        await two.hears(1);
        const closed = two.close();
        const after = messages.slice(30).map((message) => failureOf(one.ask(two, message, 1_000)));
        const failures = await Promise.all([...before, ...after]);
        await closed;
        const heard = new Set(two.heard);
        failures.forEach((failure, index) => {
          const message = messages[index] ?? "";
          if (failure === null) assert.ok(heard.has(message), `${message} was answered, and never heard`);
          else if (failure === "unreachable") assert.ok(!heard.has(message), `${message} was delivered`);
          else assert.equal(failure, "unanswered");
        });
      }
    },
  },
];

/**
 * Has a message go unanswered although it was delivered, however slow everything is.
 *
 * @returns those that were not sent in time: a transport that knows so may say that they were not delivered
 */
async function giveUpOn(from: TestedPeer, to: TestedPeer): Promise<string[]> {
  const notSent: string[] = [];
  for (let timeoutMs = 50; to.heard.length === 0; timeoutMs *= 4) {
    const message = `slow, for ${timeoutMs} ms`;
    const failure = await failureOf(from.ask(to, message, timeoutMs));
    if (failure === "unreachable") notSent.push(message);
    else assert.equal(failure, "unanswered");
  }
  return notSent;
}
