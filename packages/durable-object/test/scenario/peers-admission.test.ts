/** Who is let in by a node that others can connect to, and who is not. */

import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, get } from "node:http";
import { connect as connectTo, createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { headers, proofOf, protocol } from "../../src/peers/peer-handshake.ts";
import type { PeersOptions } from "../../src/peers/index.ts";
import { failureOf } from "../../src/testing/transport-case.ts";
import { certificate, lineTo, openPeer, secret, twoPeers } from "../support/peers-place.ts";
import type { TransportNode } from "../support/transport-node.ts";

const other = randomUUID();

describe("a secret", () => {
  test.each<[string, PeersOptions, PeersOptions]>([
    ["that differs", { secret }, { secret: other }],
    ["that only the caller has", { secret }, { insecure: true }],
    ["that only the other one has", { insecure: true }, { secret }],
  ])("%s keeps nodes apart; they say so, once", async (_, mine, theirs) => {
    const one = await openPeer(mine);
    const two = await openPeer(theirs);
    // At once, although there is all the time in the world.
    for (let round = 0; round < 3; round++) {
      expect(await failureOf(one.ask(two, "a"))).toBe("unreachable");
      expect(await failureOf(two.ask(one, "b"))).toBe("unreachable");
    }
    expect([one.heard, two.heard]).toEqual([[], []]);
    expect([one.warnings, two.warnings]).toEqual([["transport-refused"], ["transport-refused"]]);
    for (const said of [...one.said, ...two.said]) {
      expect(said).toContain("secret");
      expect(said).not.toContain(secret);
      expect(said).not.toContain(other);
    }
  });

  test("is changed node by node", async () => {
    const nodes = await Promise.all(
      [[secret], [secret, other], [other, secret], [other]].map((secrets) => openPeer({ secret: secrets })),
    );
    const reaches = async (from: number, to: number): Promise<boolean> => {
      const [one, two] = [nodes[from], nodes[to]];
      return one !== undefined && two !== undefined && (await failureOf(one.ask(two, `${from} to ${to}`))) === null;
    };
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 3],
    ] as const) {
      expect(await reaches(from, to)).toBe(true);
      expect(await reaches(to, from)).toBe(true);
    }
    expect(await reaches(0, 3)).toBe(false);
    expect(await reaches(3, 0)).toBe(false);
  });

  test("never goes over the line", async () => {
    const [one, two] = await twoPeers({ secret });
    const seen: Buffer[] = [];
    const eavesdropper = createServer((client) => {
      const server = new URL(two.peer.endpoint ?? "");
      const line = connectTo(Number(server.port));
      client.on("data", (data) => (seen.push(data), line.write(data))).on("error", () => {});
      line.on("data", (data) => (seen.push(data), client.write(data))).on("error", () => {});
      client.on("close", () => line.destroy());
      line.on("close", () => client.destroy());
    });
    const port = await listen(eavesdropper);
    expect(await one.ask({ node: two.name, endpoint: `ws://127.0.0.1:${port}` }, "hello")).toBe("answer to hello");
    const text = Buffer.concat(seen).toString("latin1");
    expect(text).toContain("hello");
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(secret).toString("base64"));
  });
});

describe("a stranger", () => {
  test("that does not know the secret is sent away with its first word, and reported once", async () => {
    const node = await openPeer({ secret });
    for (const proof of ["", "x", "A".repeat(43), randomBytes(32).toString("base64url")]) {
      const stranger = await knock(node);
      stranger.send(frame(1, proof), () => stranger.send(frame(2, "let me in"), () => {}));
      await once(stranger, "close");
    }
    const impatient = await knock(node);
    impatient.send(frame(2, "let me in"));
    await once(impatient, "close");
    expect(node.heard).toEqual([]);
    expect(node.warnings).toEqual(["transport-refused"]);
  });

  test("that says again what somebody has proven is sent away", async () => {
    const node = await openPeer({ secret });
    const { socket, proof } = await introduce(node);
    socket.send(frame(1, proof));
    socket.send(frame(2, "a"));
    await node.hearsOf("a");
    const again = await introduce(node);
    again.socket.send(frame(1, proof));
    await once(again.socket, "close");
    expect(node.heard).toEqual(["a"]);
  });

  test("that gives a node's own proof back to it is sent away", async () => {
    const node = await openPeer({ secret });
    const { socket, given } = await introduce(node);
    socket.send(frame(1, given[headers.proof] ?? ""));
    await once(socket, "close");
    expect(node.warnings).toEqual(["transport-refused"]);
  });

  test("that says nothing is sent away", async () => {
    const node = await openPeer({ secret, connectTimeout: 100 });
    await once(await knock(node), "close");
  });

  test("that is not of our kind is sent away, and others do not notice", async () => {
    const [node, friend] = await twoPeers({ secret });
    expect(await friend.ask(node, "before")).toBe("answer to before");
    const nonsense = [
      Buffer.alloc(0),
      Buffer.of(1),
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.of(1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
      randomBytes(1_000),
    ];
    for (const bytes of nonsense.slice(1)) {
      const { socket, proof } = await introduce(node);
      // Before it was let in, and after.
      const early = await knock(node);
      early.send(bytes);
      socket.send(frame(1, proof));
      socket.send(bytes);
      await Promise.all([once(socket, "close"), once(early, "close")]);
    }
    const { socket, proof } = await introduce(node);
    socket.send(frame(1, proof));
    socket.send("a text");
    await once(socket, "close");
    expect(await friend.ask(node, "after")).toBe("answer to after");
    expect(node.heard).toEqual(["before", "after"]);
  });

  test("that sends more than anybody may is sent away", async () => {
    const node = await openPeer({ secret, maxMessageBytes: 1_024 });
    const { socket, proof } = await introduce(node);
    socket.send(frame(1, proof));
    socket.on("error", () => {});
    socket.send(frame(2, "x".repeat(200_000)));
    await once(socket, "close");
    expect(node.heard).toEqual([]);
  });

  test.each([
    ["a web page", { origin: "https://example.com" }, 403],
    ["one that means another node", { [headers.to]: "another" }, 421],
    ["one that does not say who it is", { [headers.from]: undefined }, 400],
    ["one without a number", { [headers.nonce]: "1" }, 400],
    ["one that takes nothing", { [headers.limit]: "a lot" }, 400],
    ["one of another protocol", { "sec-websocket-protocol": "chat" }, 400],
  ])("%s is refused", async (_, said, status) => {
    const node = await openPeer({ secret });
    expect(await refusalOf(node, said)).toBe(status);
  });

  test("that asks for a page gets none", async () => {
    const node = await openPeer({ secret });
    const url = new URL(node.peer.endpoint ?? "");
    url.protocol = "http:";
    const [response] = (await once(get(url), "response")) as [{ statusCode: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(426);
  });
});

describe("a place where no node is", () => {
  const ask = async (endpoint: string | null): Promise<unknown> => {
    const one = await openPeer({ secret });
    return await failureOf(one.ask({ node: "two", endpoint }, "a"));
  };

  test("but a web server", async () => {
    const port = await listen(createHttpServer((_, response) => response.end("hello")));
    expect(await ask(`ws://127.0.0.1:${port}`)).toBe("unreachable");
  });

  test("but other sockets", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => protocol });
    onTestFinished(() => server.close());
    await once(server, "listening");
    const heard: unknown[] = [];
    server.on("connection", (socket) => socket.on("message", (message) => heard.push(message)));
    expect(await ask(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)).toBe("unreachable");
    expect(heard).toEqual([]);
  });

  test("but something else", async () => {
    const port = await listen(createServer((socket) => socket.on("error", () => {}).end("220 mail ready\r\n")));
    expect(await ask(`ws://127.0.0.1:${port}`)).toBe("unreachable");
  });

  test.each([null, "", "two", "http://127.0.0.1:1", "ws://", "ws://127.0.0.1:1"])("but %j", async (endpoint) => {
    expect(await ask(endpoint)).toBe("unreachable");
  });
});

describe("TLS", () => {
  const ca = certificate("ca.pem");
  const good = { cert: certificate("node.pem"), key: certificate("node-key.pem"), ca };
  const strange = { cert: certificate("stranger.pem"), key: certificate("stranger-key.pem"), ca };

  test("with a secret carries messages", async () => {
    const [one, two] = await twoPeers({ tls: good, secret });
    expect(one.peer.endpoint).toMatch(/^wss:/);
    expect(await one.ask(two, "a")).toBe("answer to a");
    expect(await two.ask(one, "b")).toBe("answer to b");
  });

  test("does not trust another authority; that is said", async () => {
    const one = await openPeer({ tls: good, secret });
    const two = await openPeer({ tls: strange, secret });
    expect(await failureOf(one.ask(two, "a"))).toBe("unreachable");
    expect(one.warnings).toEqual(["transport-refused"]);
    expect(two.heard).toEqual([]);
  });

  test("can let in those only who have a certificate of the right authority", async () => {
    const [one, two] = await twoPeers({ tls: { ...good, requestCert: true } });
    expect(await one.ask(two, "a")).toBe("answer to a");
    const stranger = await openPeer({ tls: { ...strange, requestCert: true } });
    const nobody = await openPeer({ tls: { ...good, cert: undefined, key: undefined, ca }, insecure: true });
    expect(await failureOf(stranger.ask(two, "b"))).toBe("unreachable");
    expect(await failureOf(nobody.ask(two, "c"))).toBe("unreachable");
    expect(two.heard).toEqual(["a"]);
  });

  test("is not left out", async () => {
    const one = await openPeer({ tls: good, secret });
    const plain = await openPeer({ secret });
    expect(await failureOf(one.ask(plain, "a"))).toBe("unreachable");
    expect(await failureOf(plain.ask(one, "b"))).toBe("unreachable");
    const { far } = await lineTo(one);
    expect(await failureOf(plain.ask({ ...far, endpoint: (far.endpoint ?? "").replace("wss:", "ws:") }, "c"))).toBe(
      "unreachable",
    );
    expect([one.heard, plain.heard]).toEqual([[], []]);
  });

  test("that cannot work is said when the node starts", async () => {
    await expect(openPeer({ tls: { cert: "none", key: "none" }, secret })).rejects.toMatchObject({
      kind: "unreachable",
    });
  });
});

/** A frame of one record. */
function frame(kind: number, text: string): Buffer {
  const header = Buffer.alloc(9);
  header[0] = kind;
  header.writeUInt32BE(1, 1);
  header.writeUInt32BE(Buffer.byteLength(text), 5);
  return Buffer.concat([header, Buffer.from(text)]);
}

/** What one says who connects to a node. */
function greeting(node: TransportNode): Record<string, string> {
  const nonce = randomBytes(24).toString("base64url");
  return { [headers.from]: "stranger", [headers.to]: node.name, [headers.nonce]: nonce, [headers.limit]: "1024" };
}

/** Connects to a node as somebody who knows how, and does not know the secret. */
async function knock(node: TransportNode): Promise<WebSocket> {
  return (await introduce(node)).socket;
}

/** The same, with what the node has said, and what it wants to hear. */
async function introduce(
  node: TransportNode,
): Promise<{ socket: WebSocket; proof: string; given: Record<string, string> }> {
  const said = greeting(node);
  const socket = new WebSocket(node.peer.endpoint ?? "", protocol, { headers: said });
  onTestFinished(() => socket.terminate());
  const [[response]] = await Promise.all([once(socket, "upgrade"), once(socket, "open")]);
  const { headers: given } = response as { headers: Record<string, string> };
  const known = {
    from: said[headers.from] ?? "",
    to: said[headers.to] ?? "",
    callerNonce: said[headers.nonce] ?? "",
    listenerNonce: given[headers.nonce] ?? "",
  };
  return { socket, given, proof: proofOf(secret, "caller", known) };
}

/** The status with which a node refuses a connection. */
async function refusalOf(node: TransportNode, said: Record<string, string | undefined>): Promise<number> {
  const upgrade = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    "sec-websocket-protocol": protocol,
  };
  const url = new URL(node.peer.endpoint ?? "");
  url.protocol = "http:";
  const all = Object.entries({ ...upgrade, ...greeting(node), ...said });
  const given = Object.fromEntries(all.filter(([, value]) => value !== undefined));
  const [response] = (await once(get(url, { headers: given }), "response")) as [{ statusCode: number; resume(): void }];
  response.resume();
  return response.statusCode;
}

/** The port that a server listens on until the test is over. */
async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
