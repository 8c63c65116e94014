/** Passwords in messages. */

import { expect, test } from "vitest";
import { withoutPasswords } from "../../src/cli/redaction.ts";

test.each([
  ["postgres://app:secret@db/app", "postgres://app:***@db/app"],
  ["postgres://:secret@db/app", "postgres://:***@db/app"],
  ["at postgresql://app:s/e:c?r#t@db:5432/app.", "at postgresql://app:***@db:5432/app."],
  ["nats://a:secret@x:4222, nats://b:secret@y:4222", "nats://a:***@x:4222, nats://b:***@y:4222"],
  ["postgres:///app?password=secret&host=db", "postgres:///app?password=***&host=db"],
])("%s is printed as %s", (text, printed) => {
  expect(withoutPasswords(text)).toBe(printed);
});

test.each(["postgres://app@db:5432/app", "http://localhost:3000/a", "a:b@c", "There is no file /a:b@c."])(
  "%s holds none",
  (text) => {
    expect(withoutPasswords(text)).toBe(text);
  },
);
