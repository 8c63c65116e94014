/** Messages and their answers: who gets them, and that they arrive whole. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { closedGate } from "./gate.ts";
import { assertFailsAs, failureOf, type TransportCase } from "./transport-case.ts";

const texts = [
  "",
  " ",
  "plain",
  `quotes ' " \` and \\ backslashes`,
  "line\nbreak\r\n\r\ntab\t",
  "\u0000 \u0001 \u001f \u007f \u0080",
  "grüße, 東京, עברית, \u202Eright to left\u202C, e\u0301",
  "\u{1F468}\u200D\u{1F469}\u200D\u{1F467} \u{10FFFF} \uFFFD \uFEFF \u2028",
  '{"json":true}',
  "PUB a 1\r\nx\r\n",
];

/** Larger than what a transport may be asked for without taking long. */
const hugeBytes = 64 * 1024 * 1024;

export const messageCases: readonly TransportCase[] = [
  {
    name: "carries a message to a node, and its answer back",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      assert.equal(await one.ask(two, "a"), "answer to a");
      assert.equal(await two.ask(one, "b"), "answer to b");
      assert.deepEqual([one.heard, two.heard], [["b"], ["a"]]);
    },
  },
  {
    name: "carries a message to the node it is for, and to no other",
    async run(tested) {
      const nodes = [await tested.open(), await tested.open(), await tested.open(), await tested.open()];
      for (const node of nodes) node.reply = (message) => `${node.name} heard ${message}`;
      await Promise.all(
        nodes.flatMap((from) =>
          nodes
            .filter((to) => to !== from)
            .map(async (to) => {
              const message = `${from.name} to ${to.name}`;
              assert.equal(await from.ask(to, message), `${to.name} heard ${message}`);
            }),
        ),
      );
      for (const node of nodes) {
        assert.equal(node.heard.length, 3);
        assert.ok(node.heard.every((message) => message.endsWith(`to ${node.name}`)));
      }
    },
  },
  {
    name: "gives each of many messages its own answer, in whatever order they are answered",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const answers: (() => void)[] = [];
      two.reply = (message) => new Promise((resolve) => answers.push(() => resolve(`answer to ${message}`)));
      const messages = Array.from({ length: 200 }, (_, index) => `m${index}`);
      const asked = messages.map((message) => one.ask(two, message));
      await two.hears(messages.length);
      // The last one first, and then from both ends.
      answers.reverse();
      while (answers.length > 0) {
        answers.shift()?.();
        answers.pop()?.();
      }
      assert.deepEqual(
        await Promise.all(asked),
        messages.map((message) => `answer to ${message}`),
      );
      assert.deepEqual(new Set(two.heard), new Set(messages));
    },
  },
  {
    name: "does not hold up messages behind one whose answer takes long",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const gate = closedGate();
      two.reply = async (message) => {
        if (message === "slow") await gate.passed;
        return `answer to ${message}`;
      };
      const slow = one.ask(two, "slow");
      await two.hears(1);
      for (let index = 0; index < 20; index++) assert.equal(await one.ask(two, `m${index}`), `answer to m${index}`);
      assert.equal(await two.ask(one, "back"), "answer to back");
      gate.open();
      assert.equal(await slow, "answer to slow");
    },
  },
  {
    name: "lets nodes ask each other while they answer",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const three = await tested.open();
      two.reply = async (message) => `two(${await three.ask(one, message + " by two")})`;
      one.reply = async (message) => `one(${await one.ask(three, message + " by one")})`;
      const asked = Array.from({ length: 20 }, (_, index) => one.ask(two, `m${index}`));
      assert.deepEqual(
        await Promise.all(asked),
        asked.map((_, index) => `two(one(answer to m${index} by two by one))`),
      );
    },
  },
  {
    name: "carries texts to the last character, both ways",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      two.reply = (message) => message;
      for (const text of texts) assert.equal(await one.ask(two, text), text);
      assert.deepEqual(two.heard, texts);
    },
  },
  {
    name: "carries large texts whole, many at a time",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      two.reply = (message) => message;
      const bytes = Math.min(one.maxMessageBytes, 512 * 1024);
      const large = Array.from({ length: 8 }, (_, index) => textOf(bytes - index, `${index}: ä東\u{1F600}x`));
      const answers = await Promise.all(large.map((text) => one.ask(two, text)));
      answers.forEach((answer, index) => assert.ok(answer === large[index], "the answer is the text that was sent"));
    },
  },
  {
    name: "carries a message of the greatest length, and sends none that is longer",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const most = one.maxMessageBytes;
      assert.ok(most >= 1, "there is a greatest length");
      two.reply = (message) => `${message.length}`;
      if (most > hugeBytes) return;
      for (const text of [textOf(most, "x"), textOf(most, "ä"), textOf(most, "東\u{1F600}")]) {
        assert.equal(await one.ask(two, text), `${text.length}`);
      }
      const heard = two.heard.length;
      // The bytes count, not the characters.
      for (const text of [textOf(most + 1, "x"), textOf(most + 1, "ä"), textOf(most * 2, "東\u{1F600}")]) {
        await assertFailsAs(one.ask(two, text), "too large");
      }
      assert.equal(await one.ask(two, "after"), "5");
      assert.equal(two.heard.length, heard + 1, "what is too large is not sent");
    },
  },
  {
    name: "does not say of a message whose answer is too large that it was not delivered",
    async run(tested) {
      const one = await tested.open();
      const two = await tested.open();
      const most = two.maxMessageBytes;
      if (most > hugeBytes) return;
      two.reply = (message) => (message === "ask for much" ? textOf(most + 1, "x") : message);
      const failure = await failureOf(one.ask(two, "ask for much", 2_000));
      assert.ok(failure === null || failure === "unanswered", `it was delivered, and not "${failure}"`);
      assert.equal(await one.ask(two, "after"), "after");
      assert.deepEqual(two.heard, ["ask for much", "after"]);
    },
  },
];

/** A text of so many bytes, made of a pattern and filled up. */
function textOf(bytes: number, pattern: string): string {
  const times = Math.floor(bytes / Buffer.byteLength(pattern));
  const text = pattern.repeat(times);
  return text + "-".repeat(bytes - Buffer.byteLength(text));
}
