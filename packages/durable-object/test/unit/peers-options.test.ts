/** The options of `peers()`: above all, that nobody is let in by oversight. */

import { describe, expect, test } from "vitest";
import { peers, type PeersOptions } from "../../src/peers/index.ts";
import { resolveOptions } from "../../src/peers/peers-options.ts";

const secret = "a secret of some length";
const mutual = { requestCert: true, ca: "…", cert: "…", key: "…" };

function refusal(options: unknown): unknown {
  try {
    peers(options as PeersOptions);
    return null;
  } catch (error) {
    return error;
  }
}

test.each([
  ["a text", "ws://localhost", "object"],
  ["a name that is none", { sercet: secret }, `"sercet"`],
  ["a host that is none", { host: "ws://a" }, "host"],
  ["an empty host", { host: "" }, "host"],
  ["a port that is none", { port: 65_536 }, "port"],
  ["a port as text", { port: "7000" }, "port"],
  ["a short secret", { secret: "short" }, "16 characters"],
  ["an empty list of secrets", { secret: [] }, "16 characters"],
  ["a secret that is missing", { secret: [undefined] }, "16 characters"],
  ["another url", { url: "http://10.0.0.5:7000", secret }, "ws://"],
  ["no url", { url: "10.0.0.5:7000", secret }, "url"],
  ["a url with a password", { url: "ws://me:you@host", secret }, "url"],
  ["a plain url with TLS", { url: "ws://10.0.0.5:7000", tls: mutual }, "wss://"],
  ["every network without a url", { host: "0.0.0.0", secret }, "url"],
  ["every network without a url, in six", { host: "::", secret }, "url"],
  ["a short message", { maxMessageBytes: 1 }, "maxMessageBytes"],
  ["a duration that is none", { pingInterval: 0 }, "pingInterval"],
  ["a duration without a unit", { connectTimeout: "5" }, "connectTimeout"],
  ["insecure as text", { insecure: "yes" }, "insecure"],
])("%s is refused", (_, options, hint) => {
  expect(refusal(options)).toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining(hint) });
});

describe("without a secret", () => {
  const url = "ws://10.0.0.5:7000";

  test.each<[PeersOptions]>([
    [{}],
    [{ host: "localhost" }],
    [{ host: "127.0.0.2", port: 7_000 }],
    [{ host: "::1", url: "ws://[::1]:7000" }],
    [{ host: "0.0.0.0", url, insecure: true }],
    [{ host: "0.0.0.0", url, secret }],
    [{ host: "0.0.0.0", url: "wss://10.0.0.5:7000", tls: mutual }],
  ])("%j is good", (options) => expect(refusal(options)).toBe(null));

  test.each<[PeersOptions]>([
    [{ host: "0.0.0.0", url }],
    [{ host: "10.0.0.5" }],
    [{ host: "node-1.internal" }],
    // Something on this machine hands on what comes from elsewhere.
    [{ host: "127.0.0.1", url }],
    // Who connects is not asked for anything.
    [{ host: "10.0.0.5", tls: { cert: "…", key: "…", ca: "…" } }],
    // Anybody's certificate would do.
    [{ host: "10.0.0.5", tls: { requestCert: true, cert: "…", key: "…" } }],
    [{ host: "10.0.0.5", tls: { ...mutual, rejectUnauthorized: false } }],
    [{ host: "10.0.0.5", insecure: false }],
  ])("%j is refused, with what to do", (options) => {
    expect(refusal(options)).toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(/secret.*requestCert.*insecure: true/s),
    });
  });
});

test("the defaults", () => {
  expect(resolveOptions({})).toEqual({
    host: "127.0.0.1",
    port: 0,
    url: null,
    secrets: [],
    tls: null,
    maxMessageBytes: 8_388_608,
    connectTimeoutMs: 5_000,
    pingIntervalMs: 4_000,
    idleTimeoutMs: 300_000,
  });
});
