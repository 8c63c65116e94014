/**
 * The chain of calls: which turn waits for which. A call that would come back to a turn that waits for it
 * can never be answered, so it is refused at once, with the chain in the message.
 */

import { formatAddress, type Address } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";

const longestChain = 32;

/** A state that is not durable yet. */
export interface Basis {
  whenDurable(durable: () => void, lost: (error: DurableObjectError) => void): void;
}

/** A link of the chain: a turn, and the turn whose call it answers. */
export interface ChainLink {
  readonly address: Address;
  readonly operation: { readonly name: string; readonly isRead: boolean };
  /** The turn whose handler made the call, or null if it came from outside. */
  readonly caller: ChainLink | null;
  /** A turn that is over waits for nothing; what it started may call whom it likes. */
  readonly over: boolean;
  /** The deadline of the call in monotonic ms; calls made from here end with it. */
  readonly deadline: number;
  /** What the state this turn saw waits for; null if it was durable when the turn started. */
  readonly basis: Basis | null;
  /** Whether even reads of its object wait for it: while it comes to life. */
  readonly isActivating: boolean;
}

/** Why a call from `caller` may not be made, or null. */
export function chainProblem(
  address: Address,
  operation: { readonly name: string; readonly isRead: boolean },
  caller: ChainLink,
): DurableObjectError | null {
  const chain: string[] = [];
  let cycle = false;
  for (let link: ChainLink | null = caller; link !== null && !link.over; link = link.caller) {
    chain.unshift(`${formatAddress(link.address)}.${link.operation.name}`);
    // Once its object is active, a read waits for nobody's turn, and nobody's turn waits for it.
    const waits = link.isActivating || (!link.operation.isRead && !operation.isRead);
    if (waits && isSame(link.address, address)) cycle = true;
  }
  if (!cycle && chain.length < longestChain) return null;
  const path = [...chain, `${formatAddress(address)}.${operation.name}`].join(" → ");
  const what = cycle
    ? `would wait for itself: ${path}. Return first and call later, or make one of them a read()`
    : `makes the chain of calls longer than ${longestChain}: ${path}`;
  return new DurableObjectError("CALL_CYCLE", `${formatAddress(address)}: the call ${operation.name} ${what}.`, {
    address,
  });
}

function isSame(a: Address, b: Address): boolean {
  return a.id === b.id && a.type === b.type && a.tenant === b.tenant;
}
