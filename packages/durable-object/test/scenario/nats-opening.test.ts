/** A node comes to a NATS server: what it needs for that, and what it is told if that is not there. */

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { failureOf } from "../../src/testing/transport-case.ts";
import { hasNats, openNode, ownServer, twoNodes } from "../support/nats-place.ts";

const certificates = join(import.meta.dirname, "../fixtures/tls");
const tls = `tls { cert_file: "${certificates}/node.pem", key_file: "${certificates}/node-key.pem" }`;

describe("without a server", () => {
  test("opening fails when its time is over", async () => {
    const servers = `127.0.0.1:${await freePort()}`;
    await expect(openNode({ servers, connectTimeout: 0 })).rejects.toMatchObject({
      name: "TransportFailure",
      kind: "unreachable",
      message: expect.stringContaining(servers),
    });
    await expect(openNode({ servers, connectTimeout: "1s" })).rejects.toMatchObject({ kind: "unreachable" });
  });

  test.skipIf(!hasNats)("opening waits for one", async () => {
    const server = await ownServer();
    await server.kill();
    const opening = openNode({ servers: server.url, connectTimeout: "1m" });
    await setTimeout(300);
    await server.start();
    expect((await opening).maxMessageBytes).toBe(1_048_576);
  });
});

describe.skipIf(!hasNats)("a server that asks who one is", () => {
  test("lets in those who know", async () => {
    const server = await ownServer("authorization { user: app, password: knock }");
    const [one, two] = await twoNodes({ servers: server.url, driver: { user: "app", pass: "knock" } });
    expect(await one.ask(two, "a")).toBe("answer to a");
  });

  test("and nobody else; they hear it at once, and nobody sees the password", async () => {
    const server = await ownServer("authorization { user: app, password: knock }");
    const driver = { user: "app", pass: "something else" };
    const opening = openNode({ servers: server.url, driver, connectTimeout: "1h" });
    const error: unknown = await opening.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: "unreachable", message: expect.stringMatching(/authorization/i) });
    expect(String(error)).not.toContain("something else");
  });

  test("over TLS, whose authority is named", async () => {
    const server = await ownServer(tls);
    const driver = { tls: { caFile: join(certificates, "ca.pem") } };
    const [one, two] = await twoNodes({ servers: server.url, driver });
    expect(await one.ask(two, "a")).toBe("answer to a");
  });

  test("over TLS that cannot be trusted is refused at once", async () => {
    const server = await ownServer(tls);
    const opening = openNode({ servers: server.url, connectTimeout: "1h" });
    await expect(opening).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringMatching(/certificate/i),
    });
    const plain = await ownServer();
    const demanding = openNode({ servers: plain.url, driver: { tls: {} }, connectTimeout: "1h" });
    await expect(demanding).rejects.toMatchObject({ kind: "unreachable", message: expect.stringContaining("tls") });
  });

  test("and gives each only some subjects: what is missing is said", async () => {
    const server = await ownServer(`authorization { users: [
      { user: deaf, password: p, permissions: { publish: ">", subscribe: "other.>" } }
      { user: mute, password: p, permissions: { publish: "do.v1.app.r.>", subscribe: "do.v1.app.>" } }
      { user: fine, password: p, permissions: { publish: "do.v1.app.>", subscribe: "do.v1.app.>" } }
    ] }`);
    const open = (user: string) => openNode({ servers: server.url, namespace: "app", driver: { user, pass: "p" } });
    await expect(open("deaf")).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("do.v1.app.>"),
    });
    const mute = await open("mute");
    const fine = await open("fine");
    expect(await fine.ask(mute, "a")).toBe("answer to a");
    // Not because of a deadline.
    expect(await failureOf(mute.ask(fine, "b"))).toBe("unanswered");
    expect(mute.warnings).toEqual(["transport-refused"]);
    expect(fine.heard).toEqual([]);
  });
});

describe.skipIf(!hasNats)("a server that several clusters share", () => {
  test("keeps them apart by their namespaces", async () => {
    const server = await ownServer();
    const one = await openNode({ servers: server.url, namespace: "a" }, "node");
    const other = await openNode({ servers: server.url, namespace: "b" }, "other");
    expect(await failureOf(one.ask(other, "a"))).toBe("unreachable");
    expect(other.heard).toEqual([]);
  });

  test("keeps nodes apart, whatever they are called", async () => {
    const server = await ownServer();
    const names = ["a.b", "a", "b", "a.*", "a.>", ">", "*", "a b", "ä", "=c3=a4", "", "x".repeat(4_000), "PUB x 1\r\n"];
    const nodes = await Promise.all(names.map((name) => openNode({ servers: server.url }, name)));
    const [asking] = nodes;
    for (const [index, node] of nodes.entries())
      expect(await asking?.ask(node, `m${index}`)).toBe(`answer to m${index}`);
    expect(nodes.map((node) => node.heard)).toEqual(names.map((_, index) => [`m${index}`]));
  });

  test("has others on it: a node hears only what asks for an answer where answers go", async () => {
    const server = await ownServer();
    const namespace = randomUUID();
    const node = await openNode({ servers: server.url, namespace }, "node");
    const stranger = await connect({ servers: server.url });
    onTestFinished(() => stranger.close());
    const subject = `do.v1.${namespace}.n.node`;
    stranger.publish(subject, "no answer wanted");
    await expect(stranger.request(subject, "answer elsewhere", { timeout: 200 })).rejects.toThrow("timeout");
    expect(node.heard).toEqual([]);
  });
});

describe.skipIf(!hasNats)("a connection of the application", () => {
  test("is used, and stays open", async () => {
    const server = await ownServer();
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    const [one, two] = await twoNodes({ connection });
    expect(await one.ask(two, "a")).toBe("answer to a");
    await two.close();
    expect(connection.isClosed()).toBe(false);
    expect(await failureOf(one.ask(two, "b"))).toBe("unreachable");
    await one.close();
    await connection.flush();
  });

  test("that it closes takes the nodes with it", async () => {
    const server = await ownServer();
    const connection = await connect({ servers: server.url });
    const [one] = await twoNodes({ connection });
    const two = await openNode({ servers: server.url });
    two.holdSlow();
    await connection.close();
    await one.warns("transport-lost");
    expect(await failureOf(one.ask(two, "a"))).toBe("unreachable");
    await one.close();
  });

  test("that is closed already is of no use", async () => {
    const server = await ownServer();
    const connection = await connect({ servers: server.url });
    await connection.close();
    await expect(openNode({ connection })).rejects.toMatchObject({ kind: "unreachable" });
  });
});

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
