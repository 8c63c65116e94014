/** What a benchmark can be told on the command line; the same for every file and for `run.ts`. */

import { parseArgs } from "node:util";

/** How long and how often is measured. */
export interface Settings {
  /** A smoke run: shows that the benchmark works, its figures mean little. */
  readonly quick: boolean;
  /** Measured time for each cell of a table, in seconds, all rounds together. */
  readonly seconds: number;
  /** How many slices that time is cut into; what is compared takes turns, slice by slice. */
  readonly rounds: number;
}

const usage = `
  --quick        a smoke run
  --seconds N    measured seconds for each cell (default 2; 0.15 with --quick)
  --rounds N     slices for each cell (default 8; 3 with --quick)`;

/** The settings that a benchmark was started with; ends the process if they are wrong. */
export function readSettings(): Settings {
  try {
    const { values } = parseArgs({
      options: { quick: { type: "boolean" }, seconds: { type: "string" }, rounds: { type: "string" } },
    });
    const quick = values.quick ?? false;
    return {
      quick,
      seconds: positive("seconds", values.seconds, quick ? 0.15 : 2),
      rounds: Math.ceil(positive("rounds", values.rounds, quick ? 3 : 8)),
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}

function positive(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`--${name} must be a number above 0, not "${text}"`);
}
