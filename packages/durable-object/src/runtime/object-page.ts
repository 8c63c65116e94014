/** Listing the stored objects of a type, a page at a time. */

import { idProblem, tenantProblem } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { ObjectListing, OpenObjectStore } from "../ports/object-store.ts";

/** Which tenant an operation is about. */
export interface TenantOption {
  /** Default: the empty string. */
  readonly tenant?: string | undefined;
}

/** Which page of a list to get. */
export interface ListOptions extends TenantOption {
  /** At most this many objects, 1 to 1,000. Default 100. */
  readonly limit?: number | undefined;
  /** Continues after this id: the `next` of the page before. */
  readonly after?: string | undefined;
}

/** An object in a list. */
export interface ListedObject {
  readonly id: string;
  /** How often it was committed. */
  readonly revision: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A page of a list. */
export interface ObjectPage {
  readonly objects: readonly ListedObject[];
  /** Pass as `after` to get the next page; null on the last one. */
  readonly next: string | null;
}

/**
 * One page of the stored objects of a type.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 */
export async function listObjects(store: OpenObjectStore, type: string, options: ListOptions): Promise<ObjectPage> {
  const { limit = 100, after = null, tenant = "" } = options;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 1_000) {
    const problem = `list: limit must be a whole number from 1 to 1000, not ${JSON.stringify(limit)}.`;
    throw new DurableObjectError("INVALID_OPTION", problem);
  }
  const problem = tenantProblem(tenant) ?? (after === null ? null : idProblem(after));
  if (problem !== null) throw new DurableObjectError("INVALID_ADDRESS", `list: ${problem}.`);
  // One more than asked for tells whether there is a next page.
  const found = await store.listObjects({ tenant, type, after, limit: limit + 1 });
  const objects = found.slice(0, limit).map(listed);
  return { objects, next: found.length > limit ? (objects.at(-1)?.id ?? null) : null };
}

function listed({ id, revision, createdAt, updatedAt }: ObjectListing): ListedObject {
  return { id, revision, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
}
