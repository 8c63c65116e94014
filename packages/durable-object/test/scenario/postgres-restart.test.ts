/**
 * A server whose connections are killed and that is restarted as after a crash, again and again, while calls
 * come in: nothing that was acknowledged is lost, nothing is applied twice, and the runtime goes on by itself.
 */

import { expect, inject, onTestFinished, test } from "vitest";
import { defineObject, reply, type DurableObjectError } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { listen } from "../support/channels.ts";
import { gate } from "../support/gate.ts";
import { hasPostgres, sqlAt } from "../support/postgres-place.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { start } from "../support/stores.ts";

const programs = inject("postgresPrograms");

const List = defineObject({
  type: "list",
  state: { entries: [] as string[] },
  handlers: {
    append: ({ state }, entry: string) => reply(state.entries.length, { entries: [...state.entries, entry] }),
    all: ({ state }) => reply(state.entries),
  },
});

const objects = 20;
const callers = 16;
const faults = 24;
/** So many calls are answered between two faults. */
const callsBetween = 150;

interface Answered {
  readonly id: string;
  readonly entry: string;
  readonly index: number;
}

test.skipIf(!hasPostgres || programs === null)(
  "24 crashes under load: no acknowledged write is lost, none is applied twice",
  { timeout: 180_000 },
  async () => {
    const server = await PostgresServer.create(programs ?? "");
    onTestFinished(() => server.dispose());
    const runtime = await start({ objects: [List], store: postgres(server.url()), callTimeout: "60s" });

    const warnings = listen<{ readonly warning: string }>("durable-object:warning");
    const answered: Answered[] = [];
    const notApplied: { readonly id: string; readonly entry: string }[] = [];
    const unknown: { readonly id: string; readonly entry: string }[] = [];
    const over = new AbortController();
    let wanted = { count: callsBetween, reached: gate() };

    /** Every second caller uses keys, and repeats a call until it has an answer. */
    const caller = async (number: number): Promise<void> => {
      for (let call = 0; !over.signal.aborted; call++) {
        const id = `list-${(number + call * 7) % objects}`;
        const entry = `${number}.${call}`;
        const keyed = number % 2 === 0;
        for (let attempt = 0; ; attempt++) {
          const stub = runtime.get(List, id, keyed ? { idempotencyKey: entry } : {});
          try {
            answered.push({ id, entry, index: await stub.append(entry) });
            if (answered.length >= wanted.count) wanted.reached.open();
            break;
          } catch (error) {
            const { code, outcome } = error as DurableObjectError;
            // Nothing else has a reason to go wrong.
            expect(["LOAD_FAILED", "COMMIT_UNKNOWN", "COMMIT_FAILED", "STORE_UNAVAILABLE"]).toContain(code);
            if (!keyed) {
              (outcome === "unknown" ? unknown : notApplied).push({ id, entry });
              break;
            }
          }
          await new Promise((resolve) => setTimeout(resolve, Math.min(attempt, 20)));
        }
      }
    };
    const calling = Array.from({ length: callers }, (_, number) => caller(number));

    for (let fault = 0; fault < faults; fault++) {
      await wanted.reached.passed;
      wanted = { count: answered.length + callsBetween, reached: gate() };
      if (fault % 2 === 0) {
        await sqlAt(
          server.url(),
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'durable-object'",
        );
      } else {
        await server.stop("immediate");
        await server.start();
      }
    }
    await wanted.reached.passed;
    over.abort();
    await Promise.all(calling);

    const stored = new Map<string, readonly string[]>();
    for (const { id, state } of await sqlAt(server.url(), "SELECT id, state FROM durable_objects")) {
      stored.set(String(id), (state as { entries: string[] }).entries);
    }
    for (const [id, entries] of stored) {
      expect(new Set(entries).size, `${id} has nothing twice`).toBe(entries.length);
      expect(await runtime.get(List, id).all(), `${id} in memory`).toEqual(entries);
    }
    const lost = answered.filter(({ id, entry, index }) => stored.get(id)?.[index] !== entry);
    expect(lost).toEqual([]);
    expect(notApplied.filter(({ id, entry }) => stored.get(id)?.includes(entry))).toEqual([]);
    const total = [...stored.values()].reduce((sum, entries) => sum + entries.length, 0);
    expect(total).toBeGreaterThanOrEqual(answered.length);
    expect(total).toBeLessThanOrEqual(answered.length + unknown.length);
    expect(answered.length).toBeGreaterThan(faults * callsBetween);
    // Some of the faults have met a commit.
    expect(warnings.filter(({ warning }) => warning === "commit-in-doubt").length).toBeGreaterThan(0);
  },
);
