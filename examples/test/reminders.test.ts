/** Reminders, as objects in memory, and as a process that is killed before a reminder is due. */

import { fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime, type Runtime } from "durable-object";
import { memory } from "durable-object/memory";
import { describe, expect, test, vi, type TestContext } from "vitest";
import { Inbox } from "../reminders/inbox.ts";
import { Reminder } from "../reminders/reminder.ts";

const texts = (inbox: { readonly messages: readonly { readonly text: string }[] }): string[] =>
  inbox.messages.map(({ text }) => text);
const patience = { timeout: 10_000, interval: 20 };

describe("the objects", () => {
  async function open({ onTestFinished }: TestContext): Promise<Runtime> {
    const runtime = await createRuntime({ objects: [Inbox, Reminder], store: memory() });
    onTestFinished(() => runtime.stop());
    return runtime;
  }

  test("a reminder comes when it is due, and is over then", async (context) => {
    const runtime = await open(context);
    const tea = runtime.get(Reminder, "tea");
    await tea.set({ person: "ann", text: "The tea is ready", inMs: 20 });
    await vi.waitFor(async () => expect((await tea.look()).sent).toBe(1), patience);
    expect(texts(await runtime.get(Inbox, "ann").look())).toEqual(["The tea is ready"]);
    expect(await tea.alarms.list()).toEqual([]);
  });

  test("one that repeats goes on; snoozing it leaves its pattern alone", async (context) => {
    const runtime = await open(context);
    const standup = runtime.get(Reminder, "standup");
    await standup.set({ person: "ann", text: "Standup", cron: "0 9 1 1 *", timeZone: "Europe/Berlin" });
    const [pattern] = await standup.alarms.list();
    expect(pattern).toMatchObject({ name: "due", cron: "0 9 1 1 *", timeZone: "Europe/Berlin" });
    expect(pattern?.at.toISOString()).toMatch(/-01-01T08:00:00.000Z$/);
    await standup.snooze(0);
    await vi.waitFor(async () => expect((await standup.look()).sent).toBe(1), patience);
    expect(await standup.alarms.list()).toEqual([pattern]);
  });

  test("what is set again, or forgotten, does not come as it was", async (context) => {
    const runtime = await open(context);
    const tea = runtime.get(Reminder, "tea");
    await tea.set({ person: "ann", text: "old", inMs: 30 });
    await tea.set({ person: "ann", text: "new", inMs: 60 });
    const mug = runtime.get(Reminder, "mug");
    await mug.set({ person: "ann", text: "forgotten", inMs: 30 });
    await mug.forget();
    await vi.waitFor(async () => expect((await tea.look()).sent).toBe(1), patience);
    expect(texts(await runtime.get(Inbox, "ann").look())).toEqual(["new"]);
    expect(await runtime.peek(Reminder, "mug")).toBeNull();
  });

  test("a wish needs one time, and a reminder must be there", async (context) => {
    const runtime = await open(context);
    const tea = runtime.get(Reminder, "tea");
    const both = await tea.safe.set({ person: "ann", text: "x", inMs: 1, cron: "* * * * *" });
    expect(both.ok || both.error.reason).toMatchObject({ code: "say_when" });
    const wrong = await tea.safe.set({ person: "", text: "x", inMs: 1 });
    expect(wrong.ok || wrong.error.code).toBe("INVALID_ARGUMENTS");
    const unknown = await tea.safe.snooze(1);
    expect(unknown.ok || unknown.error.reason).toEqual({ code: "unknown_reminder" });
    expect(await runtime.peek(Reminder, "tea")).toBeNull();
  });
});

describe("the process", () => {
  interface Server {
    readonly child: ChildProcess;
    readonly url: string;
  }

  async function start(file: string): Promise<Server> {
    const child = fork(join(import.meta.dirname, "../reminders/server.ts"), {
      env: { ...process.env, PORT: "0", REMINDERS_FILE: file },
    });
    const port = await new Promise<number>((resolve, reject) => {
      child.once("message", (message) => resolve((message as { port: number }).port));
      child.once("exit", () => reject(new Error("The server did not start.")));
    });
    return { child, url: `http://127.0.0.1:${port}` };
  }

  async function end({ child }: Server, signal: NodeJS.Signals): Promise<void> {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  async function post(server: Server, path: string, body: object): Promise<number> {
    return (await fetch(server.url + path, { method: "POST", body: JSON.stringify(body) })).status;
  }

  async function inbox(server: Server) {
    return (await (await fetch(`${server.url}/inbox?person=ann`)).json()) as {
      readonly received: number;
      readonly messages: readonly { readonly text: string }[];
    };
  }

  test("what is due while nothing runs comes after the next start, each once", async ({ onTestFinished }) => {
    const directory = mkdtempSync(join(tmpdir(), "reminders-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, "reminders.db");
    let server = await start(file);
    onTestFinished(() => end(server, "SIGTERM"));
    const ids = Array.from({ length: 20 }, (_, index) => `reminder-${index}`);
    // Spread around the kill: some have come before it, some are due while nothing runs, some after the restart.
    const set = ids.map((id, index) => post(server, "/set", { id, person: "ann", text: id, inMs: index * 50 }));
    expect(new Set(await Promise.all(set))).toEqual(new Set([200]));
    await vi.waitFor(async () => expect((await inbox(server)).received).toBeGreaterThan(2), patience);
    await end(server, "SIGKILL");

    server = await start(file);
    await vi.waitFor(async () => expect((await inbox(server)).received).toBe(ids.length), patience);
    expect(texts(await inbox(server)).toSorted()).toEqual(ids.toSorted());
    expect(await (await fetch(`${server.url}/alarms?id=reminder-19`)).json()).toEqual([]);
    expect(await post(server, "/nothing", {})).toBe(404);
  });
});
