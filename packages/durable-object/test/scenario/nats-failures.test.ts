/** Nodes on NATS, when servers die, lines are cut and processes are killed: what is said of each message is true. */

import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { connect, type TokenAuth } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { closedGate } from "../../src/testing/gate.ts";
import { failureOf } from "../../src/testing/transport-case.ts";
import { hasNats, lineTo, openNode, ownServer, twoNodes, urlOf } from "../support/nats-place.ts";
import { TransportChild } from "../support/transport-child.ts";
import { timesHeard } from "../support/transport-node.ts";

describe.skipIf(!hasNats)("a server that is killed", () => {
  test("is waited for: what was under way is unanswered, what comes meanwhile is not sent, and all is well again", async () => {
    const server = await ownServer();
    const [one, two] = await twoNodes({ servers: server.url });
    two.holdSlow();
    const underWay = Array.from({ length: 20 }, (_, index) => failureOf(one.ask(two, `slow ${index}`)));
    await two.hears(20);
    await server.kill();
    expect(await Promise.all(underWay)).toEqual(Array(20).fill("unanswered"));
    // At once, although there is all the time in the world.
    expect(await failureOf(one.ask(two, "meanwhile"))).toBe("unreachable");
    await server.start();
    await Promise.all([one.warns("transport-regained"), two.warns("transport-regained")]);
    expect(await one.ask(two, "after")).toBe("answer to after");
    expect(await two.ask(one, "back")).toBe("answer to back");
    expect(two.heard.toSorted()).toEqual([...Array.from({ length: 20 }, (_, n) => `slow ${n}`), "after"].toSorted());
    expect(one.warnings).toEqual(["transport-lost", "transport-regained"]);
  });

  test("amid many messages: none is delivered twice, and none that was said to be not delivered", async () => {
    const server = await ownServer();
    const [one, two] = await twoNodes({ servers: server.url });
    const asked = new Map<string, Promise<string | null>>();
    const over = new AbortController();
    const ask = async (caller: number): Promise<void> => {
      for (let index = 0; !over.signal.aborted; index++) {
        const message = `m${caller}-${index}`;
        const failure = failureOf(one.ask(two, message, 2_000));
        asked.set(message, failure);
        // What fails at once leaves time for the network.
        if ((await failure) !== null) await setImmediate();
      }
    };
    const callers = Array.from({ length: 8 }, (_, caller) => ask(caller));
    for (let restart = 1; restart <= 3; restart++) {
      await two.hears(two.heard.length + 100);
      await server.kill();
      await server.start();
      await Promise.all([one.warns("transport-regained", restart), two.warns("transport-regained", restart)]);
    }
    await two.hears(two.heard.length + 100);
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

  test("may come back with a lower limit, which is the limit then", async () => {
    const server = await ownServer("max_payload: 100000");
    const [one, two] = await twoNodes({ servers: server.url });
    expect(one.maxMessageBytes).toBe(100_000);
    await server.kill();
    server.configure("max_payload: 50000");
    await server.start();
    await Promise.all([one.warns("transport-regained"), two.warns("transport-regained")]);
    expect(one.maxMessageBytes).toBe(50_000);
    expect(await failureOf(one.ask(two, "x".repeat(50_001)))).toBe("too large");
    expect(await one.ask(two, "x".repeat(40_000))).toHaveLength(40_010);
  });

  test("may come back with another password, and be left alone until it is right again", async () => {
    const server = await ownServer("authorization { token: first }");
    const [one, two] = await twoNodes({ servers: server.url, driver: { token: "first" } });
    await server.kill();
    server.configure("authorization { token: second }");
    await server.start();
    await one.warns("transport-lost");
    // It is refused more often than the driver would take by itself.
    const stranger = await connect({ servers: server.url, token: "second" });
    onTestFinished(() => stranger.close());
    expect(await failureOf(one.ask(two, "meanwhile"))).toBe("unreachable");
    await server.kill();
    server.configure("authorization { token: first }");
    await server.start();
    await Promise.all([one.warns("transport-regained"), two.warns("transport-regained")]);
    expect(await one.ask(two, "after")).toBe("answer to after");
  });
});

describe.skipIf(!hasNats)("a line", () => {
  test("that is cut is replaced, and others do not notice", async () => {
    const server = await ownServer();
    const line = await lineTo(server);
    const namespace = randomUUID();
    const one = await openNode({ servers: urlOf(line), namespace });
    const two = await openNode({ servers: server.url, namespace });
    const gate = two.holdSlow();
    const underWay = failureOf(one.ask(two, "slow"));
    await two.hearsOf("slow");
    line.cut();
    expect(await underWay).toBe("unanswered");
    await one.warns("transport-regained");
    gate.open();
    expect(await one.ask(two, "after")).toBe("answer to after");
    expect(await two.ask(one, "back")).toBe("answer to back");
    expect(two.warnings).toEqual([]);
    expect(two.heard).toEqual(["slow", "after"]);
  });

  test("that stalls delivers late, after the caller has given up, and once", async () => {
    const server = await ownServer();
    const line = await lineTo(server);
    const namespace = randomUUID();
    const one = await openNode({ servers: urlOf(line), namespace });
    const two = await openNode({ servers: server.url, namespace });
    expect(await one.ask(two, "before")).toBe("answer to before");
    line.stall();
    expect(await failureOf(one.ask(two, "late", 50))).toBe("unanswered");
    expect(two.heard).toEqual(["before"]);
    line.resume();
    await two.hearsOf("late");
    expect(await one.ask(two, "after")).toBe("answer to after");
    expect(two.heard).toEqual(["before", "late", "after"]);
    expect(one.warnings).toEqual([]);
  });

  test("on which nothing comes any more is noticed and given up", async () => {
    const server = await ownServer();
    const line = await lineTo(server);
    const namespace = randomUUID();
    const one = await openNode({ servers: urlOf(line), namespace, driver: { pingInterval: 100, maxPingOut: 1 } });
    const two = await openNode({ servers: server.url, namespace });
    line.stall();
    expect(await failureOf(one.ask(two, "lost"))).toBe("unanswered");
    expect(one.warnings).toEqual(["transport-lost"]);
    expect(await failureOf(one.ask(two, "meanwhile"))).toBe("unreachable");
    line.cut();
    await one.warns("transport-regained");
    expect(await one.ask(two, "after")).toBe("answer to after");
    expect(timesHeard(two, "lost")).toBeLessThanOrEqual(1);
    expect(two.heard).not.toContain("meanwhile");
  });

  test("that stalls does not hold up closing for ever", async () => {
    const server = await ownServer();
    const line = await lineTo(server);
    const one = await openNode({ servers: urlOf(line) });
    line.stall();
    const asked = failureOf(one.ask({ node: "two", endpoint: null }, "a"));
    await one.close();
    expect(await asked).toBe("unanswered");
  });
});

describe.skipIf(!hasNats)("a node", () => {
  test("whose process is killed is unreachable, and what it was doing is unanswered", async () => {
    const server = await ownServer();
    const options = { servers: server.url, namespace: randomUUID() };
    const one = await openNode(options);
    const child = await TransportChild.start("nats", options);
    expect(await one.ask(child.peer, "a")).toBe("answer to a");
    const underWay = failureOf(one.ask(child.peer, "slow", 1_000));
    await child.hearsOf("slow");
    await child.crash();
    // The server hears of it a moment later.
    while ((await failureOf(one.ask(child.peer, "after", 1_000))) !== "unreachable");
    expect(await underWay).toBe("unanswered");
  });

  test("that closes fails at once what it is asked and has not answered", async () => {
    const server = await ownServer();
    const [one, two] = await twoNodes({ servers: server.url });
    two.holdSlow();
    const underWay = Array.from({ length: 10 }, (_, index) => failureOf(one.ask(two, `slow ${index}`)));
    await two.hears(10);
    const back = failureOf(two.ask(one, "back"));
    await two.close();
    // Not because of a deadline: there is none that a test would live to see.
    expect(await Promise.all(underWay)).toEqual(Array(10).fill("unanswered"));
    expect([null, "unanswered"]).toContain(await back);
    expect(await failureOf(one.ask(two, "after"))).toBe("unreachable");
  });

  test("that closes while it is not connected is closed", async () => {
    const server = await ownServer();
    const [one, two] = await twoNodes({ servers: server.url });
    await server.kill();
    await one.warns("transport-lost");
    await one.close();
    await server.start();
    await two.warns("transport-regained");
    expect(await failureOf(two.ask(one, "a"))).toBe("unreachable");
  });

  test("answers a thousand messages at once", async () => {
    const server = await ownServer();
    const [one, two] = await twoNodes({ servers: server.url });
    const messages = Array.from({ length: 1_000 }, (_, index) => `m${index}`);
    const answers = await Promise.all(messages.map((message) => one.ask(two, message)));
    expect(answers).toEqual(messages.map((message) => `answer to ${message}`));
    expect(two.heard).toHaveLength(1_000);
  });

  test("says at once that an answer cannot be carried", async () => {
    const server = await ownServer("max_payload: 10000");
    const [one, two] = await twoNodes({ servers: server.url });
    two.reply = () => "x".repeat(10_001);
    await expect(one.ask(two, "much")).rejects.toMatchObject({
      kind: "unanswered",
      message: expect.stringContaining("10001 bytes"),
    });
  });

  test("does not fill the memory with what nobody answers", async () => {
    const server = await ownServer("max_payload: 8000000");
    const [one, two] = await twoNodes({ servers: server.url });
    two.holdSlow();
    const large = `slow ${"x".repeat(7_999_000)}`;
    const asked = Array.from({ length: 9 }, () => failureOf(one.ask(two, large)));
    expect(await asked[8]).toBe("unreachable");
    await two.hears(8);
    await one.close();
    expect(await Promise.all(asked)).toEqual([...Array(8).fill("unanswered"), "unreachable"]);
  });

  test("gets another connection when the driver gives one up for good", async () => {
    const server = await ownServer();
    let isBroken = false;
    const givenUp = closedGate();
    let refusals = 0;
    const authenticator = (): TokenAuth => {
      if (!isBroken) return { auth_token: "any" };
      // Both nodes, and once more by a connection that is to replace one.
      if (++refusals > 2) givenUp.open();
      throw new Error("no credentials today");
    };
    const [one, two] = await twoNodes({ servers: server.url, driver: { authenticator } });
    isBroken = true;
    await server.kill();
    await server.start();
    await givenUp.passed;
    expect(await failureOf(one.ask(two, "meanwhile"))).toBe("unreachable");
    isBroken = false;
    await Promise.all([one.warns("transport-regained"), two.warns("transport-regained")]);
    expect(await one.ask(two, "after")).toBe("answer to after");
    expect(await two.ask(one, "back")).toBe("answer to back");
  });
});
