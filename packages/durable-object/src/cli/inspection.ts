/** Reading a store page by page, for commands that look at all of it in constant memory. */

import type { AddressedAlarm } from "../ports/object-store.ts";
import type {
  InspectedAlarmsQuery,
  InspectedObject,
  InspectedObjectsQuery,
  StoreInspector,
} from "../ports/store-inspector.ts";
import { openInspector, type WhichStore } from "./configuration.ts";
import type { Shell } from "./shell.ts";

/** How many rows are asked for at a time, at first and at most; fewer where they are large. */
const [firstPage, largestPage] = [50, 500];
/** How much of the states is in memory at a time, about, in characters. */
const pageCharacters = 8 * 1024 * 1024;

/** Looks at the store, and closes what it looked through. */
export async function inspecting<Result>(
  shell: Shell,
  which: WhichStore,
  look: (inspector: StoreInspector) => Promise<Result>,
): Promise<Result> {
  const inspector = await openInspector(shell, which);
  try {
    return await look(inspector);
  } finally {
    await inspector.close();
  }
}

/** All objects of a query, in order. */
export async function* allObjects(
  inspector: StoreInspector,
  query: Pick<InspectedObjectsQuery, "tenant" | "type">,
): AsyncGenerator<InspectedObject> {
  let after: InspectedObject["address"] | null = null;
  let limit = firstPage;
  for (;;) {
    const page: readonly InspectedObject[] = await inspector.objects({ ...query, after, limit });
    yield* page;
    const last = page.at(-1);
    if (page.length < limit || last === undefined) return;
    after = last.address;
    limit = nextLimit(
      page.length,
      page.reduce((sum, { state }) => sum + (state ?? "").length, 0),
    );
  }
}

/** All alarms of a query, in order. */
export async function* allAlarms(
  inspector: StoreInspector,
  query: Pick<InspectedAlarmsQuery, "tenant" | "type" | "id" | "status">,
): AsyncGenerator<AddressedAlarm> {
  let after: InspectedAlarmsQuery["after"] = null;
  let limit = firstPage;
  for (;;) {
    const page: readonly AddressedAlarm[] = await inspector.alarms({ ...query, after, limit });
    yield* page;
    const last = page.at(-1);
    if (page.length < limit || last === undefined) return;
    after = { ...last.address, name: last.name };
    limit = nextLimit(
      page.length,
      page.reduce((sum, { payload }) => sum + (payload ?? "").length, 0),
    );
  }
}

function nextLimit(count: number, characters: number): number {
  return Math.max(1, Math.min(largestPage, Math.floor((pageCharacters * count) / Math.max(1, characters))));
}
