/**
 * Reminders over HTTP, in one process with one SQLite file. Kill it, start it again: what was due meanwhile
 * comes at once.
 *
 *   node reminders/server.ts          in the folder of the examples, after `npm run build` at the root
 *   curl localhost:3100/set -d '{"id":"tea","person":"ann","text":"The tea is ready","inMs":5000}'
 *   curl localhost:3100/set -d '{"id":"standup","person":"ann","text":"Standup","cron":"0 9 * * 1-5","timeZone":"Europe/Berlin"}'
 *   curl localhost:3100/snooze -d '{"id":"tea","ms":60000}'
 *   curl localhost:3100/forget -d '{"id":"tea"}'
 *   curl 'localhost:3100/alarms?id=standup'; curl 'localhost:3100/inbox?person=ann'; curl localhost:3100/dead
 *
 * Environment: PORT, and REMINDERS_FILE for the path of the database.
 */

import { mkdirSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { dirname, join } from "node:path";
import { createRuntime, DurableObjectError } from "durable-object";
import { sqlite } from "durable-object/sqlite";
import { readBody, sendError, sendJson, HttpError } from "../shop/http.ts";
import { Inbox } from "./inbox.ts";
import { Reminder, type Wish } from "./reminder.ts";

const file = process.env["REMINDERS_FILE"] ?? join(import.meta.dirname, "../data/reminders.db");
mkdirSync(dirname(file), { recursive: true });
const runtime = await createRuntime({ objects: [Inbox, Reminder], store: sqlite(file) }).catch((error: unknown) => {
  if (!(error instanceof DurableObjectError)) throw error;
  // For instance STORE_LOCKED: the message names the process that has the file.
  console.error(`${error.code}: ${error.message}`);
  process.exit(1);
});

const done = { ok: true };
const server = createServer((request, response) => {
  answer(request).then(
    (body) => sendJson(response, 200, body),
    (error: unknown) => sendError(response, error),
  );
});
server.listen(Number(process.env["PORT"] ?? 3100), "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : null;
  if (process.send === undefined) console.log(`Reminders at http://127.0.0.1:${port}, kept in ${file}`);
  else process.send({ port });
});
// The end: no new requests, then what runs comes to its end, and the file is closed.
for (const signal of ["SIGINT", "SIGTERM", "disconnect"] as const) {
  process.once(signal, () => {
    server.close();
    void runtime.stop().finally(() => process.exit());
  });
}

async function answer(request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const query = (name: string): string => url.searchParams.get(name) ?? "";
  switch (`${request.method} ${url.pathname}`) {
    case "GET /inbox":
      return await runtime.get(Inbox, query("person")).look();
    case "GET /alarms":
      return await runtime.get(Reminder, query("id")).alarms.list();
    case "GET /dead":
      return await runtime.alarms.dead(Reminder);
    case "POST /set": {
      const { id, ...wish } = await readBody(request);
      // The schema of the handler checks what the client has sent.
      await runtime.get(Reminder, String(id)).set(wish as unknown as Wish);
      return done;
    }
    case "POST /snooze": {
      const { id, ms } = await readBody(request);
      await runtime.get(Reminder, String(id)).snooze(ms as number);
      return done;
    }
    case "POST /forget":
      await runtime.get(Reminder, String((await readBody(request))["id"])).forget();
      return done;
    default:
      throw new HttpError(404, "NOT_FOUND", `There is no ${request.method} ${url.pathname}.`);
  }
}
