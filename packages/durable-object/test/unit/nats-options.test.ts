/** The options of `nats()`, and the subjects that it makes of names. */

import { describe, expect, test } from "vitest";
import { nats, type NatsOptions } from "../../src/nats/index.ts";
import { describe as described, resolveOptions } from "../../src/nats/nats-options.ts";
import { subjectPart } from "../../src/nats/nats-subject.ts";

function refusal(options: unknown): unknown {
  try {
    nats(options as NatsOptions);
    return null;
  } catch (error) {
    return error;
  }
}

describe("options", () => {
  test.each([
    ["a text", "localhost:4222", "object"],
    ["a name that is none", { server: "localhost" }, `"server"`],
    ["no server", { servers: [] }, "servers"],
    ["a server that is missing", { servers: undefined, namespace: "" }, "namespace"],
    ["an empty server", { servers: "" }, "environment variable"],
    ["a namespace with a dot", { namespace: "a.b" }, `"a.b"`],
    ["a namespace with a star", { namespace: "*" }, "namespace"],
    ["a duration that is none", { connectTimeout: "soon" }, "connectTimeout"],
    ["a driver that is none", { driver: "fast" }, "driver"],
    ["servers for the driver", { driver: { servers: "localhost" } }, "beside driver"],
    ["a driver that gives up", { driver: { maxReconnectAttempts: 3 } }, "never gives up"],
    ["a connection that is none", { connection: {} }, "connection"],
    ["a connection and servers", { connection: { subscribe() {} }, servers: "localhost" }, "not both"],
  ])("%s is refused", (_, options, hint) => {
    expect(refusal(options)).toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining(hint) });
  });

  test("have defaults", () => {
    expect(resolveOptions({})).toEqual({
      servers: ["127.0.0.1:4222"],
      driver: {},
      connection: null,
      namespace: "default",
      connectTimeoutMs: 10_000,
    });
  });

  test("are not shown with credentials", () => {
    expect(described(resolveOptions({ servers: ["nats://me:secret@host:4222", "b"] }))).toBe("NATS at host:4222, b");
  });
});

describe("a part of a subject", () => {
  test.each([
    ["0a1b2c", "0a1b2c"],
    ["web-1_b", "web-1_b"],
    ["", "="],
    ["a.b", "a=2eb"],
    ["a*>", "a=2a=3e"],
    ["=2e", "=3d2e"],
    ["ä", "=c3=a4"],
  ])("of %j is %j", (name, part) => expect(subjectPart(name)).toBe(part));

  test("is short, and different for names that are different", () => {
    const names = ["", "=", "==", "a", "a.", "A", "a.b", "a=2eb", "ü".repeat(100), "ü".repeat(101), "x".repeat(9_999)];
    const parts = names.map(subjectPart);
    expect(new Set(parts).size).toBe(names.length);
    for (const part of parts) expect(part).toMatch(/^[\w=-]{1,384}$/);
  });
});
