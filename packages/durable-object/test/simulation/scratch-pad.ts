/**
 * A scratch pad: an object that one client alone writes, reads and deletes, so that it knows at any time what
 * must be there. Where it does not know what became of a call, it goes on with another object.
 */

import assert from "node:assert/strict";
import { defineObject, DurableObjectError, read, reply } from "../../src/index.ts";
import type { SimulatedClient } from "../../src/testing/simulate.ts";

export const Scratch = defineObject({
  type: "scratch",
  state: { text: "" },
  handlers: {
    write: (_context, text: string) => reply(null, { text }),
    get: ({ state }) => reply(state.text),
    glance: read(({ state }) => reply(state.text)),
  },
});

/** What one client writes for itself. */
export class ScratchPad {
  readonly #client: number;
  #page = 1;
  #text = "";

  constructor(client: number) {
    this.#client = client;
  }

  /** Writes, reads or deletes; whatever is read must be what was written last, unless the database may forget it. */
  async use(client: SimulatedClient, entry: string, mayForget: boolean): Promise<void> {
    const id = `${this.#client} ${this.#page}`;
    const scratch = client.get(Scratch, id);
    const draw = client.random();
    try {
      if (draw < 0.4) {
        await scratch.write(entry);
        this.#text = entry;
      } else if (draw < 0.6) {
        await client.ask((runtime) => runtime.delete(Scratch, id));
        this.#text = "";
      } else {
        const text = draw < 0.8 ? await scratch.get() : await scratch.glance();
        if (!mayForget) assert.equal(text, this.#text, `scratch ${id}`);
      }
    } catch (error) {
      if (!(error instanceof DurableObjectError)) throw error;
      if (error.outcome === "not-applied") return;
      this.#page += 1;
      this.#text = "";
    }
  }
}
