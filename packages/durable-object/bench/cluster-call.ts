/**
 * Claim: a call on an object that another process owns costs little more than a message there and back.
 *
 * Two processes on one machine, over NATS and over direct connections. What they are compared with runs between the
 * same two processes, in turns with them: a request and its reply on a bare NATS connection, and an echo on a bare
 * WebSocket, each with as many bytes as the message that carries the call.
 *
 *   node bench/cluster-call.ts [--quick] [--seconds N] [--rounds N]
 */

import { openBareNats, openBareWebSocket } from "./support/bare-echo.ts";
import { ClusterChild, startNats } from "./support/cluster-child.ts";
import { balanced, idsAt, openNode, type BenchNode } from "./support/cluster-runtime.ts";
import { Counter } from "./support/counter.ts";
import { median, takeTurns } from "./support/measure.ts";
import { timedCalls, type TimedSlice } from "./support/timed-calls.ts";
import { startServer } from "./support/postgres-server.ts";
import { atMost, report, shown } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const server = await startServer();
const nats = await startNats();
const subject = "bench.echo";
/** What the message with one read has in this benchmark, and its answer. */
const bareBytes = 200;

const wires: readonly (Omit<BenchNode, "name"> & { readonly wire: string })[] = [
  { wire: "NATS", database: server.url(), schema: "bench_nats", nats: nats.url, leaseMs: 10_000 },
  { wire: "peers", database: server.url(), schema: "bench_peers", nats: null, leaseMs: 10_000 },
];
const runtimes = await Promise.all(wires.map((wire) => openNode({ ...wire, name: "caller" })));
const child = await ClusterChild.start({
  nodes: wires.map((wire) => ({ ...wire, name: "owner" })),
  natsEcho: { server: nats.url, subject },
  webSocketEcho: true,
});
const bare = [
  await openBareNats(nats.url, subject, bareBytes),
  await openBareWebSocket(`ws://127.0.0.1:${child.webSocketPort}`, bareBytes),
];

const rows = [];
for (const [index, runtime] of runtimes.entries()) {
  await balanced(runtime, 2);
  const ids = idsAt(runtime, (node) => node.startsWith("owner."), 64);
  const stubs = ids.map((id) => runtime.get(Counter, id));
  await Promise.all(stubs.map((stub) => stub.increment(1)));
  const echo = async (): Promise<unknown> => await bare[index]?.echo();
  for (const callers of [1, 64]) {
    const at = (caller: number): (typeof stubs)[number] => stubs[caller] as (typeof stubs)[number];
    const [reads, increments, echoes] = await takeTurns(
      [
        { name: "read", run: (seconds: number) => timedCalls(callers, seconds, (caller) => at(caller).value()) },
        {
          name: "increment",
          run: (seconds) => timedCalls(callers, seconds, (caller) => at(caller).increment(1)),
        },
        { name: "bare", run: (seconds) => timedCalls(callers, seconds, echo) },
      ] as const,
      run,
    );
    const line = (what: string, slices: readonly TimedSlice[]) => ({
      wire: wires[index]?.wire ?? "",
      what,
      callers,
      p50Us: median(slices.map(({ p50Us }) => p50Us)),
      ratio: median(slices.map(({ p50Us }, round) => p50Us / (echoes[round]?.p50Us ?? NaN))),
      p99Us: median(slices.map(({ p99Us }) => p99Us)),
      rate: median(slices.map(({ calls, seconds }) => calls / seconds)),
    });
    rows.push(
      line(index === 0 ? "bare request" : "bare echo", echoes),
      line("read", reads),
      line("durable increment", increments),
    );
  }
}
for (const one of bare) await one.close();
await Promise.all(runtimes.map((runtime) => runtime.stop()));
child.signal("SIGTERM");
await child.gone();
await nats.dispose();
await server.dispose();

report(
  {
    name: "cluster-call",
    measures:
      "calls on objects in memory that another process owns: reads, and increments that are durable before the reply, against a bare request over the same NATS server and a bare echo over a WebSocket between the same two processes",
    doesNotMeasure: "a network between machines, large arguments, more than two processes",
  },
  run,
  {
    settings: {
      store: "postgres, default settings: fsync on",
      transports: "nats(), peers()",
      bareBytes,
      lease: "10s",
      freezeState: false,
    },
    columns: [
      { key: "wire", title: "over" },
      { key: "what", title: "what" },
      { key: "callers", title: "callers" },
      { key: "p50Us", title: "p50 µs" },
      { key: "ratio", title: "p50 to bare", digits: 2, unit: " ×" },
      { key: "p99Us", title: "p99 µs" },
      { key: "rate", title: "calls/s" },
    ],
    rows,
    aims: rows
      .filter(({ what, callers }) => what === "read" && callers === 1)
      .map(({ wire, ratio }) => atMost(`p50 of a read over ${wire}, 1 caller:`, 1.5, " × bare", ratio)),
    headlines: rows
      .filter(({ what, callers }) => what === "read" && callers === 1)
      .map(({ wire, p50Us, ratio }) => ({
        what: `a read in another process over ${wire}, p50`,
        here: `${shown(p50Us)} µs`,
        byHand: `${shown(p50Us / ratio)} µs (bare message and answer)`,
      })),
  },
);
