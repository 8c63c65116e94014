/** What can be found wrong with a PostgreSQL server, and the way to it, without writing to it. */

import { messageOf } from "../core/errors.ts";
import type { StoreFinding } from "../ports/store-inspector.ts";
import type { ResolvedPostgresOptions } from "./postgres-options.ts";
import type { Row, Run } from "./postgres-pool.ts";

/** What makes leases of nodes wrong by more than they allow for, in ms. */
const skewLimitMs = 1_000;

/** Asks the server. Never throws. */
export async function diagnoseServer(run: Run, options: ResolvedPostgresOptions): Promise<readonly StoreFinding[]> {
  void options;
  const findings: StoreFinding[] = [];
  for (const look of [version, clock, durability]) {
    try {
      findings.push(...(await look(run)));
    } catch (error) {
      findings.push(finding(look.name, "error", `The server could not be asked: ${messageOf(error)}`, null));
    }
  }
  return findings;
}

async function version(run: Run): Promise<readonly StoreFinding[]> {
  const [row] = await run("SELECT current_setting('server_version'), current_setting('server_encoding')");
  const encoding = row?.[1];
  return [
    finding("server", "ok", `PostgreSQL ${row?.[0] ?? "of an unknown version"}`, null),
    encoding === "UTF8"
      ? finding("encoding", "ok", "The database is in UTF8.", null)
      : finding("encoding", "error", `The database has the encoding ${encoding ?? "?"}.`, "Create it in UTF8."),
  ];
}

async function clock(run: Run): Promise<readonly StoreFinding[]> {
  let best: { skewMs: number; tripMs: number } | null = null;
  for (let round = 0; round < 3; round++) {
    const before = Date.now();
    const [row]: readonly Row[] = await run("SELECT extract(epoch FROM clock_timestamp()) * 1000");
    const after = Date.now();
    const tripMs = after - before;
    if (best === null || tripMs < best.tripMs) best = { skewMs: Number(row?.[0]) - (before + after) / 2, tripMs };
  }
  const skewMs = Math.round(best?.skewMs ?? 0);
  const message = `The clocks of this machine and of the database differ by ${skewMs} ms (round trip ${best?.tripMs ?? 0} ms).`;
  return [
    Math.abs(skewMs) > skewLimitMs
      ? finding("clock-skew", "warning", message, "Let NTP set both clocks: alarms fire by the clock of this machine.")
      : finding("clock-skew", "ok", message, null),
  ];
}

async function durability(run: Run): Promise<readonly StoreFinding[]> {
  const names = ["fsync", "full_page_writes", "synchronous_commit"];
  const [row] = await run(`SELECT ${names.map((name) => `current_setting('${name}')`).join(", ")}`);
  const off = names.filter((_, index) => row?.[index] === "off");
  return [
    off.length === 0
      ? finding("durability", "ok", "What is committed is on the disk.", null)
      : finding(
          "durability",
          "warning",
          `${off.join(", ")}: off. A crash of the server may lose what was answered.`,
          "Turn it on.",
        ),
  ];
}

function finding(check: string, level: StoreFinding["level"], message: string, advice: string | null): StoreFinding {
  return { check, level, message, advice };
}
