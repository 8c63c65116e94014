/** The phases of an activation, and the ways between them. */

import { formatAddress, type Address } from "../core/address.ts";

/** Where an activation is in its life. */
export type Phase = "activating" | "active" | "hibernated" | "deactivating" | "gone";

const nextPhases: Readonly<Record<Phase, readonly Phase[]>> = {
  activating: ["active", "gone"],
  active: ["hibernated", "deactivating", "gone"],
  hibernated: ["active", "deactivating", "gone"],
  deactivating: ["active", "gone"],
  gone: [],
};

/** Fails if there is no way from one phase to the other: a fault of the engine. */
export function checkNextPhase(address: Address, from: Phase, to: Phase): void {
  if (!nextPhases[from].includes(to)) throw new Error(`${formatAddress(address)} cannot go from ${from} to ${to}`);
}
