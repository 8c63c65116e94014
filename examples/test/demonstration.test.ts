/** The demonstration with real processes and a real `kill -9`, and that it would notice a loss. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test, type TestContext } from "vitest";
import { demonstrate, type Comparison, type Spectator } from "../demonstration.ts";
import { ShopProcess, StartFailed, type Exit } from "../shop-process.ts";
import { summarise } from "../shop-rows.ts";

const plan = { clients: 8, beforeMs: 400, afterMs: 200 };
// A range of ports for each test: they run side by side.
let nextPort = 20_000 + 100 * Math.floor(Math.random() * 100);

/** A file and a port for one test; the file goes with the test. */
function scratch({ onTestFinished }: TestContext): { file: string; port: number } {
  const directory = mkdtempSync(join(tmpdir(), "shop-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  nextPort += 100;
  return { file: join(directory, "shop.db"), port: nextPort };
}

/** A shop that is up, and ends with the test. */
async function open({ onTestFinished }: TestContext, shop: ShopProcess): Promise<ShopProcess> {
  onTestFinished(async () => void (await shop.stop()));
  await shop.start();
  return shop;
}

/** Keeps what was compared at the kill. */
function spectator(): Spectator & { atOnce?: Comparison } {
  return {
    writing() {},
    killed(_pid, atOnce) {
      this.atOnce = atOnce;
    },
    finished() {},
  };
}

test.concurrent("everything acknowledged is found after a kill, once", async (context) => {
  const { file, port } = scratch(context);
  const shop = await open(context, new ShopProcess(file, port));
  const seen = spectator();
  const atEnd = await demonstrate(shop, file, plan, seen);
  expect(seen.atOnce?.acknowledged).toBeGreaterThan(0);
  expect(seen.atOnce?.lost).toBe(0);
  expect(atEnd).toEqual({ acknowledged: atEnd.found, found: atEnd.found, lost: 0, extra: 0 });
  expect(atEnd.found).toBeGreaterThan(seen.atOnce?.found ?? 0);

  // A second one counts only what it wrote itself.
  const again = await demonstrate(shop, file, plan, spectator());
  expect(again).toMatchObject({ lost: 0, extra: 0 });
  expect(await summarise(file)).toMatchObject({ counters: plan.clients, counted: atEnd.found + again.found });
});

test.concurrent("a loss would be noticed", async (context) => {
  const { file, port } = scratch(context);
  /** A shop that forgets all it was told when it is killed. */
  class ForgetfulShop extends ShopProcess {
    override async kill(): Promise<Exit> {
      const exit = await super.kill();
      const database = new DatabaseSync(file);
      database.exec("UPDATE durable_objects SET state = json_set(state, '$.count', 0)");
      database.close();
      return exit;
    }
  }
  const shop = await open(context, new ForgetfulShop(file, port));
  const seen = spectator();
  await expect(demonstrate(shop, file, plan, seen)).rejects.toThrow(/the count is \d+ and should be \d+/);
  expect(seen.atOnce?.lost).toBe(seen.atOnce?.acknowledged);
});

test.concurrent("somebody else may kill the shop meanwhile", async (context) => {
  const { file, port } = scratch(context);
  const shop = await open(context, new ShopProcess(file, port));
  const seen = spectator();
  seen.writing = () => void process.kill(shop.pid ?? 0, "SIGKILL");
  expect(await demonstrate(shop, file, plan, seen)).toMatchObject({ lost: 0, extra: 0 });
});

test.concurrent("a second shop takes the next port, but not the same file", async (context) => {
  const first = scratch(context);
  const shop = await open(context, new ShopProcess(first.file, first.port));
  const other = await open(context, new ShopProcess(scratch(context).file, shop.port));
  expect(other.port).toBeGreaterThan(shop.port);
  expect(await other.stop()).toEqual({ code: 0, signal: null });
  await expect(new ShopProcess(first.file, first.port).start()).rejects.toThrow(StartFailed);
});

test.concurrent("npm start without a terminal shows the figures and ends", async (context) => {
  const { file, port } = scratch(context);
  const start = join(import.meta.dirname, "../start.ts");
  const child = spawn(process.execPath, [start, "--data", file], {
    env: { ...process.env, PORT: String(port), NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const code = await new Promise((ended) => child.once("close", ended));
  expect(printed).toMatch(/acknowledged ([\d,]+) · found \1 · lost 0 · applied twice 0/);
  expect(code).toBe(0);
});
