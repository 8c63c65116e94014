/** The cluster with real processes: nodes are killed, added and stopped while clients work. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findNats } from "../../packages/durable-object/test/support/nats-server.ts";
import { findPostgres } from "../../packages/durable-object/test/support/postgres-server.ts";
import { Ledger, readLedgers } from "../cluster/ledger.ts";
import { openPage } from "../cluster/page.ts";

const hasPostgres = process.env["DATABASE_URL"] !== undefined || findPostgres() !== null;
const hasNats = process.env["NATS_URL"] !== undefined || findNats() !== null;

/** `npm run cluster` without a terminal. */
async function tell(...options: string[]): Promise<{ printed: string; code: unknown }> {
  const start = join(import.meta.dirname, "../cluster/start.ts");
  const child = spawn(process.execPath, [start, "--seconds", "4", "--lease", "2000", ...options], {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  }
  const code = await new Promise((ended) => child.once("close", ended));
  return { printed, code };
}

function expectStory(printed: string): void {
  for (const what of ["4 nodes work", String.raw`kill -9 n1 \(pid \d+\)`, "a node is added", "n2 stops"]) {
    expect(printed).toMatch(new RegExp(String.raw`${what}.*: at rest after .*, \d+ slots moved; \d+ calls`));
  }
  expect(printed).toMatch(/✓ acknowledged [1-9]\d* · in the database \d+ · .* · lost 0 · applied twice 0/);
}

test.skipIf(!hasPostgres || !hasNats)(
  "nodes are killed, added and stopped over NATS, and nothing is lost (needs PostgreSQL and nats-server)",
  async () => {
    const { printed, code } = await tell();
    expectStory(printed);
    expect(printed).toContain("PostgreSQL and NATS");
    expect(code).toBe(0);
  },
  120_000,
);

test.skipIf(!hasPostgres)(
  "the same without a broker (needs PostgreSQL)",
  async () => {
    const { printed, code } = await tell("--peers");
    expectStory(printed);
    expect(printed).toContain("direct connections");
    expect(code).toBe(0);
  },
  120_000,
);

test("a ledger knows what was acknowledged, and what may have been applied", ({ onTestFinished }) => {
  const directory = mkdtempSync(join(tmpdir(), "ledger-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const paths = ["a", "b"].map((name) => join(directory, name));
  const [first, second] = paths.map((path) => new Ledger(path, 3));
  first?.begins(1);
  first?.acknowledged(1);
  first?.begins(1);
  first?.notApplied(1);
  second?.begins(1);
  second?.begins(2);
  // Neither was closed: a process that is killed does not close anything.
  expect(readLedgers(paths, 3)).toEqual({ acknowledged: [0, 1, 0], possible: [0, 2, 1] });
});

test("the buttons of the page work for the page, and for no other one", async ({ onTestFinished }) => {
  const commands: unknown[] = [];
  const page = await openPage(0, (...command) => void commands.push(command));
  onTestFinished(() => page.close());
  const post = async (path: string, origin = page.url): Promise<number> =>
    (await fetch(page.url + path, { method: "POST", headers: { origin } })).status;
  expect(await post("/kill?node=n1")).toBe(204);
  expect(await post("/add")).toBe(204);
  expect(await post("/kill?node=n1", "http://elsewhere.example")).toBe(403);
  expect(await post("/anything")).toBe(404);
  expect(commands).toEqual([
    ["kill", "n1"],
    ["add", null],
  ]);
  const events = await fetch(`${page.url}/events`);
  const comparison = { acknowledged: 1, found: 1, lost: 0, twice: 0, unknown: 0 };
  const scene = { picture: { nodes: [], owners: [], comparison }, events: ["n1 is gone"] };
  page.send(scene);
  const reader = events.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  expect(new TextDecoder().decode(value)).toBe(`data: ${JSON.stringify(scene)}\n\n`);
  await reader?.cancel();
});
