/** Nodes that are connected directly, when lines are cut and processes are killed: what is said of each message is true. */

import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { peers } from "../../src/peers/index.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { failureOf } from "../../src/testing/transport-case.ts";
import { lineTo, openPeer, secret, twoPeers } from "../support/peers-place.ts";
import { TransportChild } from "../support/transport-child.ts";
import { timesHeard, TransportNode } from "../support/transport-node.ts";

describe("a line", () => {
  test("that is cut is replaced: what was under way is unanswered, what comes then arrives", async () => {
    const [one, two] = await twoPeers({ secret });
    const { line, far } = await lineTo(two);
    const gate = two.holdSlow();
    const underWay = Array.from({ length: 20 }, (_, index) => failureOf(one.ask(far, `slow ${index}`)));
    await two.hears(20);
    line.cut();
    expect(await Promise.all(underWay)).toEqual(Array(20).fill("unanswered"));
    gate.open();
    expect(await one.ask(far, "after")).toBe("answer to after");
    expect(await two.ask(one, "back")).toBe("answer to back");
    expect(two.heard).toHaveLength(21);
  });

  test("that is cut again and again: no message is delivered twice, and none that was said to be not delivered", async () => {
    const [one, two] = await twoPeers({ secret });
    const { line, far } = await lineTo(two);
    const asked = new Map<string, Promise<string | null>>();
    const over = new AbortController();
    const ask = async (caller: number): Promise<void> => {
      for (let index = 0; !over.signal.aborted; index++) {
        const message = `m${caller}-${index}`;
        const failure = failureOf(one.ask(far, message, 2_000));
        asked.set(message, failure);
        // What fails at once leaves time for the network.
        if ((await failure) !== null) await setImmediate();
      }
    };
    const callers = Array.from({ length: 8 }, (_, caller) => ask(caller));
    for (let cut = 0; cut < 20; cut++) {
      await two.hears(two.heard.length + 50);
      line.cut();
    }
    await two.hears(two.heard.length + 50);
    over.abort();
    await Promise.all(callers);
    const heard = new Set(two.heard);
    expect(two.heard).toHaveLength(heard.size);
    for (const [message, failing] of asked) {
      const failure = await failing;
      if (failure === null) expect(heard).toContain(message);
      else if (failure === "unreachable") expect(heard).not.toContain(message);
      else expect(failure).toBe("unanswered");
    }
  });

  test("that stalls delivers late, after the caller has given up, and once", async () => {
    const [one, two] = await twoPeers({ secret });
    const { line, far } = await lineTo(two);
    expect(await one.ask(far, "before")).toBe("answer to before");
    line.stall();
    expect(await failureOf(one.ask(far, "late", 50))).toBe("unanswered");
    expect(two.heard).toEqual(["before"]);
    line.resume();
    await two.hearsOf("late");
    expect(await one.ask(far, "after")).toBe("answer to after");
    expect(two.heard).toEqual(["before", "late", "after"]);
  });

  test("on which nothing comes any more is noticed and given up", async () => {
    const [one, two] = await twoPeers({ secret, pingInterval: 50 });
    const { line, far } = await lineTo(two);
    expect(await one.ask(far, "before")).toBe("answer to before");
    line.stall();
    // Not because of a deadline.
    expect(await failureOf(one.ask(far, "lost"))).toBe("unanswered");
    line.cut();
    expect(await one.ask(far, "after")).toBe("answer to after");
    expect(timesHeard(two, "lost")).toBe(0);
  });

  test("that is alive and slow is not given up", async () => {
    const [one, two] = await twoPeers({ secret, pingInterval: 20 });
    const gate = two.holdSlow();
    const slow = one.ask(two, "slow");
    await two.hears(1);
    // Many times the interval.
    await new Promise((resolve) => setTimeout(resolve, 400));
    gate.open();
    expect(await slow).toBe("answer to slow");
  });

  test("over which no connection comes about: nothing was sent, then or later", async () => {
    const [one, two] = await twoPeers({ secret, connectTimeout: "1m" });
    const { line, far } = await lineTo(two);
    line.stall();
    expect(await failureOf(one.ask(far, "not sent", 50))).toBe("unreachable");
    line.resume();
    expect(await one.ask(far, "after")).toBe("answer to after");
    expect(two.heard).toEqual(["after"]);
  });

  test("over which no connection comes about in time is not waited for", async () => {
    const [one, two] = await twoPeers({ secret, connectTimeout: 100 });
    const { line, far } = await lineTo(two);
    line.stall();
    expect(await failureOf(one.ask(far, "not sent"))).toBe("unreachable");
    expect(two.heard).toEqual([]);
  });

  test("that stalls does not fill the memory, and does not hold up closing", async () => {
    const [one, two] = await twoPeers({ secret });
    const { line, far } = await lineTo(two);
    expect(await one.ask(far, "before")).toBe("answer to before");
    line.stall();
    const large = "x".repeat(8_000_000);
    const asked = Array.from({ length: 12 }, () => failureOf(one.ask(far, large)));
    // What was handed to the system does not count, and it takes a part of what waits.
    expect(await asked[11]).toBe("unreachable");
    await one.close();
    const failures = await Promise.all(asked);
    expect(new Set(failures)).toEqual(new Set(["unanswered", "unreachable"]));
    expect(failures.filter((failure) => failure === "unanswered").length).toBeGreaterThanOrEqual(7);
  });

  test("is one for all messages of a node, and is given up when it is idle", async () => {
    const [one, two] = await twoPeers({ secret, pingInterval: 20, idleTimeout: 200 });
    const { line, far } = await lineTo(two);
    await Promise.all(Array.from({ length: 100 }, (_, index) => one.ask(far, `m${index}`)));
    expect(line.connections).toBe(1);
    await expect.poll(() => line.connections).toBe(0);
    expect(await one.ask(far, "after")).toBe("answer to after");
  });
});

describe("a node", () => {
  test("whose process is killed is unreachable, and what it was doing is unanswered at once", async () => {
    const one = await openPeer({ secret });
    const child = await TransportChild.start("peers", { secret });
    expect(await one.ask(child.peer, "a")).toBe("answer to a");
    const underWay = failureOf(one.ask(child.peer, "slow"));
    await child.hearsOf("slow");
    await child.crash();
    expect(await underWay).toBe("unanswered");
    expect(await failureOf(one.ask(child.peer, "after"))).toBe("unreachable");
  });

  test("whose process is suspended is given up; it may hear later what was sent before, and hears nothing that was not", async () => {
    const one = await openPeer({ secret, pingInterval: 50, connectTimeout: 200 });
    const child = await TransportChild.start("peers", { secret });
    expect(await one.ask(child.peer, "a")).toBe("answer to a");
    child.signal("SIGSTOP");
    expect(await failureOf(one.ask(child.peer, "before"))).toBe("unanswered");
    expect(await failureOf(one.ask(child.peer, "meanwhile"))).toBe("unreachable");
    child.signal("SIGCONT");
    while ((await failureOf(one.ask(child.peer, "after"))) === "unreachable") await setImmediate();
    expect(child.heard.filter((message) => message !== "before")).toEqual(["a", "after"]);
    expect(child.heard.filter((message) => message === "before").length).toBeLessThanOrEqual(1);
  });

  test("that closes fails at once what it is asked and has not answered", async () => {
    const [one, two] = await twoPeers({ secret });
    two.holdSlow();
    const underWay = Array.from({ length: 10 }, (_, index) => failureOf(one.ask(two, `slow ${index}`)));
    await two.hears(10);
    const told = one.ask(two, "slow, too").catch(String);
    await two.hears(11);
    const back = failureOf(two.ask(one, "back"));
    await two.close();
    expect(await told).toContain(`The transport of ${two.name} was closed.`);
    expect(await Promise.all(underWay)).toEqual(Array(10).fill("unanswered"));
    expect(["unanswered", "unreachable"]).toContain(await back);
    expect(await failureOf(one.ask(two, "after"))).toBe("unreachable");
  });

  test("that closes says of everything that comes meanwhile whether it was delivered", async () => {
    const [one, two] = await twoPeers({ secret });
    for (let index = 0; index < 50; index++) await one.ask(two, `before ${index}`);
    const messages = Array.from({ length: 200 }, (_, index) => `m${index}`);
    const asked = messages.map((message) => failureOf(one.ask(two, message)));
    const closed = two.close();
    const later = messages.map((message) => failureOf(one.ask(two, `late ${message}`)));
    await closed;
    // It was told so, of each: no line was cut, so nothing is in doubt that was not heard.
    const failures = await Promise.all([...asked, ...later]);
    [...messages, ...messages.map((message) => `late ${message}`)].forEach((message, index) => {
      expect(failures[index]).toBe(two.heard.includes(message) ? "unanswered" : "unreachable");
    });
  });

  test("that closes tells the others, and goes when they have heard it: no deadline has to pass", async () => {
    const timeless = { ...systemEnvironment, after: () => ({ cancel: () => {} }) };
    const open = () => TransportNode.open(peers({ secret }), undefined, timeless);
    const [one, two] = [await open(), await open()];
    expect(await one.ask(two, "a")).toBe("answer to a");
    expect(await two.ask(one, "b")).toBe("answer to b");
    await two.close();
    await one.close();
  });

  test("that starts again where another one was is not taken for it", async () => {
    const one = await openPeer({ secret });
    const before = await openPeer({ secret });
    const port = Number(new URL(before.peer.endpoint ?? "").port);
    expect(await one.ask(before, "a")).toBe("answer to a");
    await before.close();
    const after = await openPeer({ secret, port });
    expect(after.peer.endpoint).toBe(before.peer.endpoint);
    expect(await failureOf(one.ask(before, "b"))).toBe("unreachable");
    expect(await one.ask(after, "c")).toBe("answer to c");
    expect(after.heard).toEqual(["c"]);
    expect(one.warnings).toEqual([]);
  });

  test("answers a thousand messages at once", async () => {
    const [one, two] = await twoPeers({ secret });
    const messages = Array.from({ length: 1_000 }, (_, index) => `m${index}`);
    const answers = await Promise.all(messages.map((message) => one.ask(two, message)));
    expect(answers).toEqual(messages.map((message) => `answer to ${message}`));
    expect(two.heard).toEqual(messages);
  });

  test("that takes less than another one is not sent more", async () => {
    const one = await openPeer({ secret, maxMessageBytes: 20_000 });
    const two = await openPeer({ secret, maxMessageBytes: 10_000 });
    two.reply = (message) => (message === "much" ? "x".repeat(10_001) : `${message.length}`);
    // Before it is connected, and after.
    expect(await failureOf(one.ask(two, "x".repeat(10_001)))).toBe("too large");
    expect(await failureOf(one.ask(two, "x".repeat(10_001)))).toBe("too large");
    expect(await one.ask(two, "x".repeat(10_000))).toBe("10000");
    one.reply = () => "x".repeat(10_001);
    await expect(two.ask(one, "a")).rejects.toMatchObject({
      kind: "unanswered",
      message: expect.stringContaining("10001 bytes"),
    });
    expect(await failureOf(one.ask(two, "much"))).toBe("unanswered");
    expect(two.heard).toEqual(["x".repeat(10_000), "much"]);
  });

  test("that cannot listen says so", async () => {
    const one = await openPeer({ secret });
    const port = Number(new URL(one.peer.endpoint ?? "").port);
    await expect(openPeer({ secret, port })).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  test("is where it says, with the port it listens on", async () => {
    const one = await openPeer({ secret, host: "0.0.0.0", url: "ws://localhost:0/nodes" });
    expect(one.peer.endpoint).toMatch(/^ws:\/\/localhost:[1-9]\d+\/nodes$/);
    const two = await openPeer({ secret }, `node of ${randomUUID()}, "ä" / %`);
    expect(await two.ask(one, "a")).toBe("answer to a");
    expect(await one.ask(two, "b")).toBe("answer to b");
  });
});
