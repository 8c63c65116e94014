/**
 * A process with nodes of clusters, and with what they are compared with: an echo over NATS and one over a WebSocket.
 * `node cluster-process.ts <order as JSON>`; it does what its parent asks, and ends with it.
 */

import { connect } from "@nats-io/transport-node";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { balanced, openNode, type BenchNode } from "./cluster-runtime.ts";
import { Counter } from "./counter.ts";
import { callUntil, chooser, type Slice } from "./measure.ts";

/** What a process is for. */
export interface ProcessOrder {
  readonly nodes: readonly BenchNode[];
  /** Answers what comes on this subject of this server. */
  readonly natsEcho?: { readonly server: string; readonly subject: string };
  readonly webSocketEcho?: boolean;
}

/** What its parent asks for. */
export type Question =
  | { readonly ask: "balanced"; readonly nodes: number }
  | {
      readonly ask: "increment";
      readonly ids: readonly string[];
      /** Only those objects that this process owns. */
      readonly own: boolean;
      readonly callers: number;
      readonly seconds: number;
    };

/** What it tells. */
export type Told =
  | { readonly told: "ready"; readonly webSocketPort: number }
  | { readonly told: "answer"; readonly slice: Slice };

const order = JSON.parse(process.argv[2] ?? "") as ProcessOrder;
const runtimes = await Promise.all(order.nodes.map((node) => openNode(node)));
const tell = (told: Told): void => void process.send?.(told);

if (order.natsEcho !== undefined) {
  const connection = await connect({ servers: order.natsEcho.server, noAsyncTraces: true });
  connection.subscribe(order.natsEcho.subject, { callback: (_error, message) => void message.respond(message.data) });
  await connection.flush();
}
let webSocketPort = -1;
if (order.webSocketEcho === true) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  ({ port: webSocketPort } = server.address() as AddressInfo);
}

process.on("message", (question: Question) => {
  void answer(question).then((slice) => tell({ told: "answer", slice }));
});
process.once("disconnect", () => process.exit());
process.once("SIGTERM", () => {
  void Promise.all(runtimes.map((runtime) => runtime.stop())).then(() => process.exit(0));
});
tell({ told: "ready", webSocketPort });

async function answer(question: Question): Promise<Slice> {
  const [runtime] = runtimes;
  if (runtime === undefined) throw new Error("This process has no node.");
  if (question.ask === "balanced") {
    await balanced(runtime, question.nodes);
    return { calls: 0, seconds: 0 };
  }
  const { ids, own, callers, seconds } = question;
  const me = runtime.cluster.status().node;
  const chosen = own ? ids.filter((id) => runtime.locate(Counter, id)?.node === me) : ids;
  const next = chooser(chosen.length, (process.pid * 0x9e3779b1) >>> 0 || 1);
  return await callUntil({ callers, seconds }, () => runtime.get(Counter, chosen[next()] ?? "").increment(1));
}
