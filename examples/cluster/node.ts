/**
 * One node as a process: a runtime, and clients that use it. The process that started it says when to work and
 * when to rest, and hears four times a second how that goes.
 */

import { subscribe } from "node:diagnostics_channel";
import { startNode, type NodeOptions } from "./application.ts";
import { Clients, counterCount, type Tally } from "./clients.ts";
import { Ledger } from "./ledger.ts";

/** What a node is told when it is started. */
export interface NodeOrder extends NodeOptions {
  readonly ledger: string;
  readonly clients: number;
}

/** What a node is told later. */
export type NodeCommand = "work" | "rest";

/** What a node tells. */
export type NodeMessage =
  | { readonly kind: "ready" | "rested" }
  | { readonly kind: "tally"; readonly tally: Tally }
  | { readonly kind: "warning"; readonly text: string };

const { ledger, clients: clientCount, ...options } = JSON.parse(process.argv[2] ?? "") as NodeOrder;
const tell = (message: NodeMessage): void => void (process.connected && process.send?.(message));

subscribe("durable-object:warning", (event) => {
  tell({ kind: "warning", text: (event as { readonly message: string }).message });
});

const runtime = await startNode(options);
const clients = new Clients(runtime, new Ledger(ledger, counterCount));

process.on("message", (command: NodeCommand) => {
  if (command === "work") clients.work(clientCount);
  else void clients.rest().then(() => tell({ kind: "rested" }));
});
// The end of a node: clients finish, then the runtime hands over what it owns and finishes what it has begun.
process.once("SIGTERM", () => void stop());
// Ctrl-C in a terminal reaches every process; the one that started this one decides.
process.on("SIGINT", () => {});
process.once("disconnect", () => process.exit());
setInterval(() => tell({ kind: "tally", tally: clients.tally() }), 250).unref();
tell({ kind: "ready" });

async function stop(): Promise<void> {
  await clients.rest();
  await runtime.stop();
  process.exit(0);
}
