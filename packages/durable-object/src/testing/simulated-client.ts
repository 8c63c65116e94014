/**
 * A client in a simulated world: whoever calls the application from outside. Its requests go to some node
 * that is up, take time, and can be lost; it gives up after a while, without knowing what became of them.
 */

import { DurableObjectError } from "../core/errors.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { Stub, StubOptions } from "../object/stub.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { lateStub } from "./late-stub.ts";
import { SimulatedLine, Unanswered, type LineFaults } from "./simulated-line.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** Longer than a call may take, so that a node that lives always answers in time. */
const patienceMs = 8_000;
/** How long a client waits before it looks for a node again. */
const retryMs = 200;

/** A node as its clients know it. */
export interface CallableNode {
  readonly name: string;
  readonly process: SimulatedProcess;
  /** The runtime that takes calls there, or null. */
  readonly runtime: Runtime | null;
}

/** What an action of a simulation works with. */
export interface SimulatedClient {
  /** Which client this is, from 0. */
  readonly number: number;
  /** The time in the world, in ms. */
  readonly nowMs: number;
  /**
   * A stub on an object. A call goes to a node that is up; without an answer it rejects with `CALL_TIMEOUT`, and its
   * outcome is unknown.
   */
  get<Definition extends AnyDefinition>(definition: Definition, id: string, options?: StubOptions): Stub<Definition>;
  /** Has something else of a runtime called: `client.ask((runtime) => runtime.peek(Counter, "a"))`. */
  ask<Answer>(what: (runtime: Runtime) => Promise<Answer>): Promise<Answer>;
  /** A number in [0, 1), from the seed. */
  random(): number;
  /** One of a list, by the seed. */
  pick<Item>(items: readonly Item[]): Item;
  /** Resolves after so many milliseconds of the world. */
  sleep(ms: number): Promise<void>;
  /** Adds a line to the story that a failure is told with. */
  note(what: string): void;
}

/** Makes a client of some nodes. */
export function simulatedClient(
  world: SimulatedWorld,
  number: number,
  nodes: readonly CallableNode[],
  faults: () => LineFaults,
): SimulatedClient {
  const process = new SimulatedProcess(world, `client ${number}`, false);
  const line = new SimulatedLine(process, "the application", faults);

  /** A node that says it is up, or null: one that was paused may be wrong about that. */
  const nodeThatIsUp = (): CallableNode | null => {
    const up = nodes.filter(({ runtime }) => runtime !== null);
    return up.length === 0 ? null : world.pick(up);
  };

  const ask = async <Answer>(what: (runtime: Runtime) => Promise<Answer>): Promise<Answer> => {
    const untilMs = world.nowMs + patienceMs;
    let node = nodeThatIsUp();
    while (node === null) {
      if (world.nowMs > untilMs) throw unanswered("not-applied", "no node is up");
      await world.sleep(retryMs);
      node = nodeThatIsUp();
    }
    const target = node;
    try {
      return await line.request(() => askNode(target, what), patienceMs);
    } catch (error) {
      throw error instanceof Unanswered ? unanswered("unknown", error.message, error) : error;
    }
  };

  return {
    number,
    get nowMs() {
      return world.nowMs;
    },
    get: (definition, id, options) =>
      lateStub(ask, Object.keys(definition.handlers as object), (runtime) => runtime.get(definition, id, options)),
    ask,
    random: () => world.random(),
    pick: (items) => world.pick(items),
    sleep: (ms) => world.sleep(ms),
    note: (what) => world.note(`client ${number}: ${what}`),
  };
}

/** Carries out a request in a node's process; a node that is not up any more refuses the connection. */
function askNode<Answer>(node: CallableNode, what: (runtime: Runtime) => Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (node.runtime === null) {
      reject(unanswered("not-applied", `${node.name} is not up`));
      return;
    }
    node.process.run(() => {
      if (node.runtime === null) reject(unanswered("not-applied", `${node.name} is not up`));
      else what(node.runtime).then(resolve, reject);
    });
  });
}

function unanswered(outcome: "not-applied" | "unknown", message: string, cause?: unknown): DurableObjectError {
  return new DurableObjectError("CALL_TIMEOUT", `No answer: ${message}.`, { outcome, cause });
}
