/**
 * The states of one object, between memory and disk.
 *
 * `durable` is the last committed state and `revision` its number. At most one write is in flight, and at
 * most one gathers turns behind it. The newest state, on which the next turn runs, is the gathering
 * write's, else the one in flight's, else the durable one.
 */

import { formatAddress, type Address } from "../core/address.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import { Unreadable, type AdmittedState, type StateCodec } from "../object/state-codec.ts";
import type { StoredObject } from "../ports/object-store.ts";
import type { PendingWrite } from "./pending-write.ts";

/** The states of one object, between memory and disk. */
export class ObjectState {
  readonly #address: Address;
  readonly #codec: StateCodec;
  readonly #freeze: boolean;
  #revision = 0;
  #isUnread = false;
  /** Whether a state is stored; a deleted object has a revision and none. */
  #isStored = false;
  #durable: AdmittedState | null = null;
  /** The stored form of the durable state while it is asleep; null if none is stored. */
  #text: string | null = null;
  #inFlight: PendingWrite | null = null;
  #gathering: PendingWrite | null = null;

  /** @param freeze - whether states are frozen, so that a handler that mutates one fails */
  constructor(address: Address, codec: StateCodec, freeze: boolean) {
    this.#address = address;
    this.#codec = codec;
    this.#freeze = freeze;
  }

  /** Whether what is stored was not read: what is here in its place may not be shown to anybody. */
  get isUnread(): boolean {
    return this.#isUnread;
  }

  get revision(): number {
    return this.#revision;
  }

  get inFlight(): PendingWrite | null {
    return this.#inFlight;
  }

  get gathering(): PendingWrite | null {
    return this.#gathering;
  }

  /** The write that carries the newest state; null if that is durable. */
  get newestWrite(): PendingWrite | null {
    return this.#gathering ?? this.#inFlight;
  }

  /** Whether a turn may run on a state that is not durable yet: nothing is in doubt, or a turn's alone. */
  get takesTurns(): boolean {
    return this.#inFlight?.inDoubt !== true && this.newestWrite?.hasStatements !== true;
  }

  get durable(): AdmittedState {
    if (this.#durable === null) throw new Error(`${formatAddress(this.#address)} has no state in memory`);
    return this.#durable;
  }

  /** The newest state. */
  get head(): AdmittedState {
    return this.newestWrite?.head ?? this.durable;
  }

  /** Whether a state is stored, or is about to be. */
  get exists(): boolean {
    const write = this.newestWrite;
    return write === null ? this.#isStored : !write.destroyed;
  }

  /** The committed state in its stored form, as text; null if none is stored. */
  get committedText(): string | null {
    if (this.#durable === null) return this.#text;
    return this.#isStored ? JSON.stringify(this.#durable.stored) : null;
  }

  /** @throws {@link DurableObjectError} `STATE_UNREADABLE` or `STATE_TOO_NEW` */
  adopt(stored: StoredObject | null): void {
    this.#durable = this.#revive(stored?.state ?? null, stored?.stateVersion ?? this.#codec.version);
    this.#revision = stored?.revision ?? 0;
    this.#isStored = stored !== null && stored.state !== null;
  }

  /** Takes over what is stored without reading it; good for a deletion only. */
  adoptUnread(stored: StoredObject | null): void {
    this.#isUnread = true;
    this.#durable = this.#codec.initial(this.#freeze);
    this.#revision = stored?.revision ?? 0;
    this.#isStored = stored !== null && stored.state !== null;
  }

  /** Replaces the live state by its text. */
  sleep(): void {
    this.#text = this.committedText;
    this.#durable = null;
  }

  wake(): void {
    this.#durable = this.#revive(this.#text, this.#codec.version);
    this.#text = null;
  }

  admit(base: AdmittedState, next: unknown): AdmittedState {
    return this.#codec.admit(base, next, this.#freeze);
  }

  /** From now on turns gather in `write`. */
  gather(write: PendingWrite): void {
    this.#gathering = write;
  }

  /** The gathering write is on its way to the store. */
  sending(write: PendingWrite): void {
    this.#gathering = null;
    this.#inFlight = write;
  }

  committed(write: PendingWrite): void {
    this.#inFlight = null;
    this.#durable = write.head;
    this.#revision += 1;
    this.#isStored = !write.destroyed;
  }

  /** Back to the last committed state. Returns the writes that are dropped, the older one first. */
  rollBack(): readonly PendingWrite[] {
    const dropped = [this.#inFlight, this.#gathering].filter((write) => write !== null);
    this.#inFlight = null;
    this.#gathering = null;
    return dropped;
  }

  #revive(text: string | null, version: number): AdmittedState {
    return text === null
      ? this.#codec.initial(this.#freeze)
      : reviveState(this.#address, this.#codec, text, version, this.#freeze);
  }
}

/**
 * A state from its stored text.
 *
 * @throws {@link DurableObjectError} `STATE_UNREADABLE` or `STATE_TOO_NEW`
 */
export function reviveState(
  address: Address,
  codec: StateCodec,
  text: string,
  version: number,
  freeze: boolean,
): AdmittedState {
  try {
    return codec.revive(JSON.parse(text), version, freeze);
  } catch (error) {
    const known = error instanceof Unreadable ? error : null;
    const tooNew = known?.tooNew === true;
    throw new DurableObjectError(
      tooNew ? "STATE_TOO_NEW" : "STATE_UNREADABLE",
      `${formatAddress(address)}: the stored state cannot be used: ${known?.problem ?? messageOf(error)}. ` +
        `The stored row is left as it is. ${tooNew ? "Deploy the newer code." : "Repair it, or add a step to migrate."}`,
      { address, cause: known === null ? error : known.cause },
    );
  }
}
