/** Whether the servers of NATS can be reached, and are good enough. */

import type { NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "../core/errors.ts";
import type { StoreFinding } from "../ports/store-inspector.ts";
import { describe, type ResolvedNatsOptions } from "./nats-options.ts";

/** How long one try may take, in ms. */
const longestTryMs = 5_000;
/** Servers that say that nobody hears a message. */
const oldestServer = [2, 2] as const;

/** Tries once. Never throws. */
export async function diagnoseNats(options: ResolvedNatsOptions): Promise<readonly StoreFinding[]> {
  let own: NatsConnection | null = null;
  try {
    const connection = options.connection ?? (own = await connect(options));
    const rttMs = await connection.rtt();
    const { version = "0.0", max_payload: longest = 0 } = connection.info ?? {};
    const message = `${describe(options)}: version ${version}, ${rttMs} ms away, messages of at most ${longest} bytes.`;
    const [major = 0, minor = 0] = version.split(".").map(Number);
    const isOld = major < oldestServer[0] || (major === oldestServer[0] && minor < oldestServer[1]);
    const advice = isOld ? `Use a server of version ${oldestServer.join(".")} or newer.` : null;
    return [{ check: "nats", level: isOld ? "error" : "ok", message, advice }];
  } catch (error) {
    const message = `${describe(options)} cannot be used: ${messageOf(error)}`;
    const advice = "Does the server run, can it be reached from here, and are the credentials right?";
    return [{ check: "nats", level: "error", message, advice }];
  } finally {
    await own?.close().catch(() => {});
  }
}

async function connect({ driver, servers }: ResolvedNatsOptions): Promise<NatsConnection> {
  const { connect: open } = await import("@nats-io/transport-node");
  return await open({
    name: "durable-object doctor",
    timeout: longestTryMs,
    ...driver,
    servers: [...servers],
    reconnect: false,
  });
}
