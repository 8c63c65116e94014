/**
 * The chain of calls: which turn waits for which. A call that would come back to a turn that waits for it
 * can never be answered, so it is refused at once, with the chain in the message.
 */

import { formatAddress } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { Call } from "./call.ts";
import type { Turn } from "./turn.ts";

const longestChain = 32;

/** Whether a call would wait for a turn that waits for it, or has come too far. */
export function chainProblem(call: Call, caller: Turn): DurableObjectError | null {
  const { address } = call;
  const chain: string[] = [];
  let cycle = false;
  for (let turn: Turn | null = caller; turn !== null; turn = turn.caller) {
    // A turn that is over waits for nothing; what it started may call whom it likes.
    if (turn.over) break;
    chain.unshift(`${formatAddress(turn.address)}.${turn.operation.name}`);
    const sameObject =
      turn.address.id === address.id && turn.address.type === address.type && turn.address.tenant === address.tenant;
    // A read waits for nobody and nobody waits for it.
    if (sameObject && !turn.operation.isRead && !call.operation.isRead) cycle = true;
  }
  if (!cycle && chain.length < longestChain) return null;
  const path = [...chain, `${formatAddress(address)}.${call.operation.name}`].join(" → ");
  const what = cycle
    ? `would wait for itself: ${path}. Return first and call later, or make one of them a read()`
    : `is the ${chain.length + 1}th in a chain of calls, and at most ${longestChain} are allowed: ${path}`;
  return new DurableObjectError("CALL_CYCLE", `${formatAddress(address)}: the call ${call.operation.name} ${what}.`, {
    address,
  });
}
