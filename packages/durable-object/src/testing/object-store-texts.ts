/** Texts: what goes in comes out, to the last character. */

import assert from "node:assert/strict";
import type { ObjectStoreCase } from "./object-store-case.ts";
import { address, write } from "./object-store-case.ts";

const texts = [
  "plain",
  `quotes ' " \` and \\ backslashes \\' ''`,
  "'); DROP TABLE durable_objects; --",
  "? ?1 :name @name $name %s {} [] /* */",
  "grüße, 東京, עברית, \u202Eright to left\u202C, e\u0301",
  "\u{1F468}\u200D\u{1F469}\u200D\u{1F467} \u{10FFFF} \uFFFD \uFEFF \u2028",
  "  spaces around  ",
  "__proto__",
  "constructor",
];

/** What an id may not contain, but a string in a state may. */
const controlCharacters = "line\nbreak\r\ntab\t\u0001\u001f\u007f";

export const textCases: readonly ObjectStoreCase[] = [
  {
    name: "keeps states to the last character",
    async run(tested) {
      const store = await tested.open();
      const states = [
        ...[...texts, controlCharacters].map((text) => JSON.stringify({ [text]: text, text })),
        '{"__proto__":{"polluted":true},"constructor":1}',
        '{"number":-1.5e-7,"large":123456789012345680000,"safe":9007199254740991,"list":[[],{},null,true]}',
        "null",
        "0",
        '""',
        "[]",
      ];
      await store.apply(...states.map((state, index) => write(`s${index}`, { state })));
      for (const [index, state] of states.entries()) {
        await store.assertStored(`s${index}`, { revision: 1, state, stateVersion: 1 });
      }
    },
  },
  {
    name: "keeps ids, tenants, names, payloads, keys and results to the last character",
    async run(tested) {
      const store = await tested.open();
      const alarms = texts.map((name, dueAt) => {
        return {
          change: "set",
          name,
          dueAt,
          payload: JSON.stringify(name + controlCharacters),
          rule: JSON.stringify(name),
        } as const;
      });
      const replies = texts.map((text) => {
        return { key: text, fingerprint: text, result: JSON.stringify(text + controlCharacters), expiresAt: 1e13 };
      });
      await store.apply(...texts.map((text) => write(address(text, "note", text), { alarms, replies })));
      for (const text of texts) {
        const at = address(text, "note", text);
        await store.assertStored(at, { revision: 1, state: "{}", stateVersion: 1 });
        const listed = await store.store.listObjects({ tenant: text, type: "note", after: null, limit: 9 });
        assert.deepEqual(
          listed.map((listing) => listing.id),
          [text],
        );
        const stored = await store.store.listAlarms(at);
        assert.deepEqual(
          stored.map((alarm) => [alarm.name, alarm.payload, alarm.rule]),
          alarms.map((alarm) => [alarm.name, alarm.payload, alarm.rule]),
        );
        for (const reply of replies) {
          assert.deepEqual({ ...(await store.store.findReply(at, reply.key, 0)) }, reply);
        }
      }
    },
  },
  {
    name: "keeps a state of a megabyte, and replaces it",
    async run(tested) {
      const store = await tested.open();
      const state = JSON.stringify("ä\u{1F600}x".repeat(150_000));
      assert.ok(Buffer.byteLength(state) > 1_000_000);
      await store.apply(write("a", { state }), write("b", { state: "1" }));
      assert.ok((await store.load("a"))?.state === state, "the state is the one that was written");
      const other = state.toUpperCase();
      await store.apply(write("a", { baseRevision: 1, state: other }));
      assert.ok((await store.load("a"))?.state === other, "the state is the one that replaced it");
      await store.assertStored("b", { revision: 1, state: "1", stateVersion: 1 });
    },
  },
];
