/**
 * A network between the nodes of a simulated world, as a transport: messages take time, are late or lost, and
 * so are their answers; a node can be cut off from another one, or from all. It keeps the promises of the port
 * and no others: nothing arrives twice, and "unreachable" is said only of what never arrives.
 */

import type { Timer } from "../core/environment.ts";
import { TransportFailure, type OpenTransport, type Transport, type TransportOpening } from "../ports/transport.ts";
import type { LineFaults } from "./simulated-line.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

const latestMs = 9_000;
const maxMessageBytes = 256 * 1024;

/** A node on the network. */
interface Station {
  readonly process: SimulatedProcess;
  readonly opening: TransportOpening;
  /** Requests that wait for their answers. */
  readonly waiting: Set<(failure: TransportFailure) => void>;
  isOpen: boolean;
}

/** A network between nodes. */
export class SimulatedNetwork {
  readonly #world: SimulatedWorld;
  readonly #faults: () => LineFaults;
  readonly #stations = new Map<string, Station>();
  /** Until when nothing passes between two processes, by their names; in ms of the world. */
  readonly #cuts = new Map<string, number>();

  /** @param faults - asked for each message: a network can be healed */
  constructor(world: SimulatedWorld, faults: () => LineFaults) {
    this.#world = world;
    this.#faults = faults;
  }

  /** Nothing passes between two processes for a while. */
  cut(one: string, other: string, ms: number): void {
    this.#cuts.set(pair(one, other), this.#world.nowMs + ms);
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** The network as one process uses it. */
  transportOf(process: SimulatedProcess): Transport {
    return {
      name: "simulated",
      open: async (opening) => {
        const station: Station = { process, opening, waiting: new Set(), isOpen: true };
        this.#stations.set(opening.node, station);
        return this.#opened(station);
      },
    };
  }

  #opened(from: Station): OpenTransport {
    const { process, opening } = from;
    return {
      endpoint: null,
      maxMessageBytes,
      request: (to, message, timeoutMs) => this.#request(from, to.node, message, timeoutMs),
      close: async () => {
        if (!from.isOpen) return;
        from.isOpen = false;
        if (this.#stations.get(opening.node) === from) this.#stations.delete(opening.node);
        for (const fail of from.waiting) fail(failure("unanswered", `The transport of ${process.name} was closed.`));
      },
    };
  }

  #request(from: Station, to: string, message: string, timeoutMs: number): Promise<string> {
    const world = this.#world;
    if (!from.isOpen) return Promise.reject(failure("unreachable", "This transport is closed."));
    if (Buffer.byteLength(message) > maxMessageBytes) {
      return Promise.reject(failure("too large", "This message is too large."));
    }
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (settle: () => void): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        from.waiting.delete(fail);
        settle();
      };
      const fail = (why: TransportFailure): void => end(() => reject(why));
      const timer: Timer = from.opening.environment.after(timeoutMs, () =>
        fail(failure("unanswered", `${to} did not answer within ${timeoutMs} ms.`)),
      );
      from.waiting.add(fail);
      /** The sender learns for certain that its message does not arrive. */
      const refused = (): void => {
        if (this.#isLost(from, to)) return;
        this.#later(() => from.process.run(() => fail(failure("unreachable", `There is no node ${to}.`))));
      };
      if (this.#isCut(from, to)) {
        // Some networks say so at once, others say nothing.
        if (world.chance(0.5)) {
          world.after(world.between(0.1, 50), () =>
            from.process.run(() => fail(failure("unreachable", `No connection to ${to}.`))),
          );
        }
        return;
      }
      if (world.chance(this.#faults().lostRequest)) return;
      this.#later(() => {
        const receiver = this.#stations.get(to);
        if (receiver === undefined || receiver.process.isDead) {
          refused();
          return;
        }
        receiver.process.run(() => {
          if (!receiver.isOpen) {
            refused();
            return;
          }
          void receiver.opening.answer(message).then((answer) => {
            if (!receiver.isOpen) {
              this.#later(() => from.process.run(() => fail(failure("unanswered", `${to} has closed.`))));
              return;
            }
            if (Buffer.byteLength(answer) > maxMessageBytes) throw new Error("an answer is too large");
            if (receiver.process.isDead || this.#isLost(receiver, from.opening.node)) return;
            this.#later(() => from.process.run(() => end(() => resolve(answer))));
          });
        });
      });
    });
  }

  /** A message takes its time. */
  #later(arrive: () => void): void {
    const world = this.#world;
    const draw = world.random();
    const isLate = draw < this.#faults().late;
    world.after(
      isLate ? world.between(50, latestMs) : world.chance(0.02) ? world.between(5, 300) : world.between(0.1, 2),
      arrive,
    );
  }

  #isLost(from: Station, to: string): boolean {
    return this.#isCut(from, to) || this.#world.chance(this.#faults().lostAnswer);
  }

  #isCut(from: Station, to: string): boolean {
    const receiver = this.#stations.get(to);
    if (receiver === undefined) return false;
    const untilMs = this.#cuts.get(pair(from.process.name, receiver.process.name));
    return untilMs !== undefined && this.#world.nowMs < untilMs;
  }
}

function pair(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

function failure(kind: TransportFailure["kind"], message: string): TransportFailure {
  return new TransportFailure(kind, message);
}
