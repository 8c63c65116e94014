/**
 * Claim: a message to another process and its answer cost hardly more through the transports of the library than
 * through what they are made of; and many at a time cost less, because what is said in one moment goes out together.
 *
 * Two processes on this machine. What is compared takes turns: `peers()` and an echo over a bare WebSocket, `nats()`
 * and a bare request of the driver, over one NATS server that it starts.
 *
 *   node bench/transport.ts [--quick] [--seconds N] [--rounds N]
 */

import { findNats, NatsServer } from "../test/support/nats-server.ts";
import { callUntil, median, takeTurns, type Contestant, type Slice } from "./support/measure.ts";
import { atLeast, atMost, counted, report, type Row } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";
import { openWays, type Ask } from "./support/transport-ways.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const callerCounts = [1, 64];
const sizes = [200, 16_384];

/** A slice with the times that its messages took, in µs. */
interface TimedSlice extends Slice {
  readonly p50: number;
  readonly p99: number;
}

interface TransportRow extends Row {
  readonly way: string;
  readonly bytes: number;
  readonly callers: number;
  readonly p50OfBare: number | null;
  readonly rateOfBare: number | null;
}

const program = findNats();
if (program === null) console.error("There is no NATS server on this machine, so nats() is not measured.");
const server = program === null ? null : await NatsServer.create(program);
const ways = await openWays(server?.url ?? null);
const rows: TransportRow[] = [];
for (const bytes of sizes) {
  for (const callers of callerCounts) {
    const message = jsonOf(bytes);
    const contestant = (name: string, ask: Ask | null): Contestant<TimedSlice> | null =>
      ask === null ? null : { name, run: (seconds) => timed(callers, seconds, () => ask(message)) };
    const all = [
      contestant("peers()", ways.peers),
      contestant("bare WebSocket", ways.bareSocket),
      contestant("nats()", ways.nats),
      contestant("bare NATS request", ways.bareNats),
    ].filter((one) => one !== null);
    const measured: TimedSlice[][] = await takeTurns(all, run);
    all.forEach(({ name }, index) => {
      const slices = measured[index] ?? [];
      // Who stands behind it is what it is made of.
      const isOurs = index % 2 === 0;
      const bare = isOurs ? (measured[index + 1] ?? []) : null;
      rows.push({
        way: name,
        bytes,
        callers,
        p50: median(slices.map(({ p50 }) => p50)),
        p99: median(slices.map(({ p99 }) => p99)),
        perSecond: median(slices.map(rateOf)),
        p50OfBare: bare && median(slices.map(({ p50 }, round) => p50 / (bare[round]?.p50 ?? Number.NaN))),
        rateOfBare: bare && median(slices.map((slice, round) => rateOf(slice) / rateOf(bare[round]))),
      });
    });
  }
}
await ways.close();
await server?.dispose();

report(
  {
    name: "transport",
    measures:
      "a JSON text to another process and the same text back, through the transports of the library, and by hand through what they are made of",
    doesNotMeasure:
      "a network (both processes, and the NATS server, share this machine and its cores), TLS, what a call costs besides its message",
  },
  run,
  {
    settings: {
      processes: 2,
      nats: server === null ? "none" : "one server, default settings",
      peers: "with a secret",
      bareWebSocket: "ws, text frames, no compression, answers in order",
      bareNats: "request and respond of @nats-io/transport-node",
      answers: "at once",
    },
    columns: [
      { key: "way", title: "way" },
      { key: "bytes", title: "bytes" },
      { key: "callers", title: "callers" },
      { key: "p50", title: "p50 µs" },
      { key: "p99", title: "p99 µs" },
      { key: "perSecond", title: "messages/s" },
      { key: "p50OfBare", title: "p50, × bare", digits: 2, unit: " ×" },
      { key: "rateOfBare", title: "messages/s, × bare", digits: 2, unit: " ×" },
    ],
    rows,
    aims: rows.flatMap(({ way, bytes, callers, p50OfBare, rateOfBare }) => {
      if (p50OfBare === null || rateOfBare === null) return [];
      const what = `${way}, ${bytes} bytes, ${counted(callers, "caller")}:`;
      return callers === 1
        ? [atMost(what, 1.2, " × the p50 of bare", p50OfBare)]
        : [atLeast(what, 1, " × the messages/s of bare", rateOfBare)];
    }),
    headlines: [],
  },
);

function rateOf(slice: Slice | undefined): number {
  return slice === undefined ? Number.NaN : slice.calls / slice.seconds;
}

/** Calls until the time is up, and notes how long each call took. */
async function timed(callers: number, seconds: number, call: () => Promise<unknown>): Promise<TimedSlice> {
  const micros: number[] = [];
  const slice = await callUntil({ callers, seconds, stride: callers }, async () => {
    const asked = performance.now();
    await call();
    micros.push((performance.now() - asked) * 1_000);
  });
  const sorted = Float64Array.from(micros).sort();
  const percentile = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
  return { ...slice, p50: percentile(0.5), p99: percentile(0.99) };
}

/** A JSON text of so many bytes. */
function jsonOf(bytes: number): string {
  const text = JSON.stringify({ call: "increment", id: "user-123", arguments: [1], filling: "" });
  return text.replace(/""\}$/, `"${"x".repeat(bytes - text.length)}"}`);
}
