/** What an activation tells callers when it cannot answer them. */

import { formatAddress, type Address } from "../core/address.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import { StoreFailure } from "../ports/object-store.ts";

/** `MAILBOX_FULL`: too many calls wait. */
export function mailboxFull(address: Address, waiting: number): DurableObjectError {
  return new DurableObjectError(
    "MAILBOX_FULL",
    `${formatAddress(address)} has ${waiting} calls waiting and takes no more. Try again later, or raise mailboxLimit.`,
    { address },
  );
}

/** `ACTIVATION_FAILED`: `afterLoad` failed or threw. */
export function activationFailed(address: Address, error: DurableObjectError): DurableObjectError {
  const { message, reason } = error;
  return new DurableObjectError("ACTIVATION_FAILED", `${message}. The object was not activated.`, {
    address,
    reason,
    cause: error,
  });
}

/** `LOAD_FAILED`: the store could not be asked. */
export function loadFailed(address: Address, what: string, cause: unknown): DurableObjectError {
  return new DurableObjectError("LOAD_FAILED", `${formatAddress(address)}: ${what}: ${messageOf(cause)}`, {
    address,
    cause,
  });
}

/** Why an object did not come to life: what was thrown, the code of a store that is lost, or `LOAD_FAILED`. */
export function notActivated(address: Address, error: unknown): DurableObjectError {
  if (error instanceof StoreFailure && error.kind === "lost") {
    const message = `${formatAddress(address)}: the object could not be loaded: ${error.message}`;
    return new DurableObjectError(error.code, message, { address, cause: error, outcome: "not-applied" });
  }
  return error instanceof DurableObjectError ? error : loadFailed(address, "the object could not be loaded", error);
}

/** `COMMIT_FAILED` for a call that ran on a state that was lost. */
export function builtOnLost(address: Address, error: DurableObjectError): DurableObjectError {
  return new DurableObjectError(
    "COMMIT_FAILED",
    `${formatAddress(address)}: the call ran on a state that could not be committed. Nothing of it was kept. (${error.message})`,
    { address, cause: error, outcome: error.outcome },
  );
}

/** `STALE_REVISION`: the store has another revision than this activation. */
export function staleRevision(address: Address, revision: number): DurableObjectError {
  return new DurableObjectError(
    "STALE_REVISION",
    `${formatAddress(address)} was changed by somebody else: its revision in the store is not ${revision}. The call was not applied; the object is loaded afresh.`,
    { address },
  );
}

/** `LEASE_LAPSED`: the node may have been followed by another owner, for all it knows. */
export function leaseLapsed(address: Address): DurableObjectError {
  return new DurableObjectError(
    "LEASE_LAPSED",
    `${formatAddress(address)}: this node could not renew its lease in time, so it cannot know whether it still owns ` +
      `the object. Nothing was changed; try again.`,
    { address },
  );
}
