/** Writing to an open store without the engine: batches of writes of distinct objects, numbered as a commit has to be. */

import { formatAddress, type Address } from "../core/address.ts";
import type { AlarmChange, ObjectWrite, OpenObjectStore } from "../ports/object-store.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

/** How many objects go in one commit, and how much of their states, in characters. */
const [batchSize, batchCharacters] = [500, 4 * 1024 * 1024];

/** What is to be done to one object, besides what it is built on. */
export interface Change {
  readonly address: Address;
  readonly state?: { readonly text: string | null; readonly version: number };
  readonly deleted?: boolean;
  readonly cancelAllAlarms?: boolean;
  readonly alarms?: readonly AlarmChange[];
}

/**
 * Commits changes of distinct objects in batches.
 *
 * @throws {@link CommandFailure} `STALE_REVISION` if an object was changed by somebody else meanwhile
 */
export async function commitAll(
  store: OpenObjectStore,
  changes: AsyncIterable<Change> | Iterable<Change>,
  progress: (count: number) => void = () => {},
): Promise<number> {
  let count = 0;
  let group: Change[] = [];
  let characters = 0;
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    await commit(store, group);
    count += group.length;
    group = [];
    characters = 0;
    progress(count);
  };
  for await (const change of changes) {
    group.push(change);
    characters += (change.state?.text ?? "").length;
    if (group.length >= batchSize || characters >= batchCharacters) await flush();
  }
  await flush();
  return count;
}

async function commit(store: OpenObjectStore, changes: readonly Change[]): Promise<void> {
  const stored = await store.load(changes.map(({ address }) => address));
  const writes = changes.map(
    ({ address, state, deleted = false, cancelAllAlarms = false, alarms = [] }, index): ObjectWrite => {
      const before = stored[index] ?? null;
      return {
        address,
        baseRevision: before?.revision ?? 0,
        state: state?.text ?? null,
        stateVersion: state?.version ?? before?.stateVersion ?? 1,
        deleted,
        cancelAllAlarms,
        alarms,
        replies: [],
        statements: [],
      };
    },
  );
  const { stale } = await store.commit({ number: store.lastNumber + 1, at: Date.now(), writes });
  const first = stale[0] === undefined ? undefined : changes[stale[0]];
  if (first === undefined) return;
  throw new CommandFailure(
    exitCodes.unavailable,
    "STALE_REVISION",
    `${formatAddress(first.address)} was changed by somebody else meanwhile. Run the command again.`,
  );
}
