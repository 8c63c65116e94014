/**
 * A connection that another node has made to this one: its messages come in, the answers go out.
 *
 * Where a secret is asked for, the first record has to prove that the caller knows it; before that nothing is heard. When
 * this node closes, the guest is told so, and what it has sent meanwhile is refused.
 */

import { Buffer } from "node:buffer";
import type { WebSocket } from "ws";
import { messageOf } from "../core/errors.ts";
import type { TransportOpening } from "../ports/transport.ts";
import { kinds, type Kind } from "./peer-frame.ts";
import { PeerSocket } from "./peer-socket.ts";

/** What is known of a guest. */
export interface GuestParts {
  readonly opening: TransportOpening;
  readonly socket: WebSocket;
  /** The longest answer that can be carried, in bytes. */
  readonly limit: number;
  /** Whether a proof is right; null if none is asked for. */
  readonly admits: ((proof: string) => boolean) | null;
  /** Told once: it is no stranger any more, or was sent away. */
  readonly examined: (isAdmitted: boolean) => void;
  /** Told once, last. */
  readonly gone: () => void;
}

export class PeerGuest {
  readonly #parts: GuestParts;
  readonly #socket: PeerSocket;
  /** The messages whose answers this node owes. */
  readonly #owed = new Set<number>();
  #state: "strange" | "admitted" | "dismissed" | "gone" = "strange";

  constructor(parts: GuestParts) {
    this.#parts = parts;
    this.#socket = new PeerSocket(
      parts.socket,
      (kind, id, text) => this.#hear(kind, id, text),
      () => this.#gone(),
    );
    if (parts.admits === null) this.#admit();
  }

  #hear(kind: number, id: number, text: string): void {
    switch (this.#state) {
      case "strange":
        this.#examine(kind, text);
        break;
      case "admitted":
        if (kind === kinds.request && !this.#owed.has(id)) {
          this.#owed.add(id);
          void this.#answer(id, text);
        }
        break;
      case "dismissed":
        if (kind !== kinds.request) break;
        this.#say(kinds.refused, id, `${this.#parts.opening.node} is closing.`);
        // Perhaps the next thing in this moment is that the guest has gone.
        this.#socket.flush();
        break;
      case "gone":
    }
  }

  #examine(kind: number, proof: string): void {
    if (kind === kinds.proof && this.#parts.admits?.(proof) === true) {
      this.#admit();
      return;
    }
    this.#parts.examined(false);
    this.terminate();
  }

  #admit(): void {
    this.#state = "admitted";
    this.#parts.examined(true);
  }

  async #answer(id: number, message: string): Promise<void> {
    const { opening, limit } = this.#parts;
    const { node } = opening;
    let answer: string;
    try {
      answer = await opening.answer(message);
    } catch (error) {
      if (this.#owed.delete(id)) this.#say(kinds.failed, id, `${node} failed to answer: ${messageOf(error)}.`);
      return;
    }
    // Otherwise it was told already that there is none.
    if (!this.#owed.delete(id)) return;
    const bytes = Buffer.byteLength(answer);
    if (bytes > limit) {
      this.#say(kinds.failed, id, `The answer of ${node} has ${bytes} bytes; at most ${limit} are carried.`);
    } else if (!this.#socket.takes(bytes)) {
      this.#say(kinds.failed, id, `The answer of ${node} was not sent: too much waits for the caller to read.`);
    } else {
      this.#socket.write(kinds.answer, id, answer, bytes);
    }
  }

  #say(kind: Kind, id: number, text: string): void {
    this.#socket.write(kind, id, text, Buffer.byteLength(text));
  }

  /** Says goodbye: what it is owed it does not get. It goes when it has heard that. */
  dismiss(problem: string): void {
    if (this.#state === "gone" || this.#state === "dismissed") return;
    if (this.#state === "strange") {
      this.terminate();
      return;
    }
    this.#state = "dismissed";
    for (const id of this.#owed) this.#say(kinds.failed, id, problem);
    this.#owed.clear();
    this.#say(kinds.goodbye, 0, "");
    this.#socket.flush();
  }

  /** Looks after it, now and then. */
  sweep(): void {
    this.#socket.sweep();
  }

  /** Ends it at once. */
  terminate(): void {
    this.#socket.terminate();
  }

  #gone(): void {
    this.#state = "gone";
    this.#owed.clear();
    this.#parts.gone();
  }
}
