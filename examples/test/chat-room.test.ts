/** The room in virtual time, and the server: a page that reconnects after a kill gets what it missed. */

import { createTestRuntime, type TestRuntime } from "durable-object/testing";
import { expect, test } from "vitest";
import { Reader } from "../chat-room/reader.ts";
import { Room } from "../chat-room/room.ts";
import { ExampleProcess } from "./example-process.ts";

const open = (): Promise<TestRuntime> => createTestRuntime({ objects: [Room, Reader] });

test("who comes back gets what was said since, and hears how much is gone", async () => {
  await using t = await open();
  const room = t.get(Room, "lobby");
  await room.enter("ann");
  for (let number = 1; number <= 103; number++) expect(await room.say("ann", `line ${number}`)).toBe(number);
  const { messages, missed } = await room.since(101);
  expect(messages.map(({ text }) => text)).toEqual(["line 102", "line 103"]);
  expect(missed).toBe(0);
  const all = await room.since(0);
  expect([all.messages.length, all.missed]).toEqual([100, 3]);
  expect(await room.since(103)).toMatchObject({ messages: [], missed: 0 });
});

test("each one leaves at their own time, by one alarm, also after a restart", async () => {
  await using t = await open();
  const room = t.get(Room, "lobby");
  const here = async (): Promise<readonly string[]> => (await room.since(0)).here;
  await room.enter("ann");
  await t.advance("5s");
  await room.enter("bob");
  await t.restart();
  await t.advance("9s");
  expect(await here()).toEqual(["ann", "bob"]);
  await t.advance("1s");
  expect(await here()).toEqual(["bob"]);
  await room.enter("bob");
  await t.advance("14s");
  expect(await here()).toEqual(["bob"]);
  await t.advance("1s");
  expect(await here()).toEqual([]);
  await t.object(Room, "lobby").refuteAlarmScheduled("leave");
});

test("what each member has not read is counted, also if the room dies before it could tell them", async () => {
  await using t = await open();
  const room = t.get(Room, "lobby");
  await room.enter("ann");
  await room.enter("bob");
  await room.say("ann", "one");
  t.faults.crashAfter("commit");
  await expect(room.say("ann", "two")).rejects.toMatchObject({ code: "REPLY_LOST" });
  await t.restart();
  await t.settle();
  expect(await t.get(Reader, "bob").unread()).toEqual({ lobby: 2 });
  await t.get(Reader, "bob").seen("lobby", 1);
  expect(await t.get(Reader, "bob").unread()).toEqual({ lobby: 1 });
  const stranger = await room.safe.say("eve", "hello");
  expect(stranger.ok || stranger.error.reason).toEqual({ code: "not_a_member" });
  const empty = await room.safe.say("ann", " ");
  expect(empty.ok || empty.error.code).toBe("INVALID_ARGUMENTS");
});

interface News {
  readonly messages: readonly { readonly text: string }[];
  readonly here: readonly string[];
}

/** A page that is open, as a browser reads it: events of an id and one line of JSON. */
async function* listen(url: URL, member: string, last: string): AsyncGenerator<News & { readonly id: string }> {
  const response = await fetch(new URL(`/events?room=lobby&member=${member}`, url), {
    headers: { "last-event-id": last },
  });
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk as Uint8Array);
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [id = "", data = ""] = text.slice(0, end).split("\ndata: ");
      text = text.slice(end + 2);
      yield { id: id.slice("id: ".length), ...(JSON.parse(data) as News) };
    }
  }
}

/** Reads events up to the first one with messages. */
async function next(events: AsyncGenerator<News & { readonly id: string }>): Promise<[string, string[]]> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) throw new Error("the stream has ended");
    if (value.messages.length > 0) return [value.id, value.messages.map(({ text }) => text)];
  }
}

test("a page that lost its server gets what was said meanwhile", async ({ onTestFinished }) => {
  const first = new ExampleProcess("chat-room");
  onTestFinished(() => first.kill());
  const url = new URL(await first.line(/^http/));
  const say = async (to: URL, text: string): Promise<number> =>
    (await fetch(new URL(`/say?room=lobby&member=ann&text=${text}`, to), { method: "POST" })).status;
  const page = listen(url, "ann", "0");
  expect((await page.next()).value).toMatchObject({ id: "0", messages: [], here: ["ann"] });
  expect(await say(url, "one")).toBe(204);
  expect(await next(page)).toEqual(["1", ["one"]]);
  expect((await fetch(new URL("/say?room=lobby&member=eve&text=hi", url), { method: "POST" })).status).toBe(400);
  await page.return(undefined);
  expect(await say(url, "two")).toBe(204);
  await first.kill();

  const second = new ExampleProcess("chat-room");
  onTestFinished(() => second.kill());
  const again = new URL(await second.line(/^http/));
  const back = listen(again, "ann", "1");
  expect(await next(back)).toEqual(["2", ["two"]]);
  expect(await say(again, "three")).toBe(204);
  expect(await next(back)).toEqual(["3", ["three"]]);
  await back.return(undefined);
});
