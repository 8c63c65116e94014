/**
 * A node in a process of its own, which dies when it is killed: `node transport-process.ts <transport> <options as
 * JSON> <name>`. It tells its parent where it is, and what it hears; it answers what does not begin with `slow`.
 */

import { nats, type NatsOptions } from "../../src/nats/index.ts";
import { peers, type PeersOptions } from "../../src/peers/index.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";

/** What it tells: first where it is, then each message that it hears. */
export type Told = { readonly endpoint: string | null } | { readonly heard: string };

const [kind = "", options = "{}", node = ""] = process.argv.slice(2);
const tell = (told: Told): void => void process.send?.(told);
const transport =
  kind === "nats" ? nats(JSON.parse(options) as NatsOptions) : peers(JSON.parse(options) as PeersOptions);

const { endpoint } = await transport.open({
  environment: systemEnvironment,
  node,
  answer: (message) => {
    tell({ heard: message });
    return message.startsWith("slow") ? new Promise(() => {}) : Promise.resolve(`answer to ${message}`);
  },
  warn: () => {},
});
tell({ endpoint });
