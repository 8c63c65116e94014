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

const pageSize = 500;

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
  for (;;) {
    const page: readonly InspectedObject[] = await inspector.objects({ ...query, after, limit: pageSize });
    yield* page;
    const last = page.at(-1);
    if (page.length < pageSize || last === undefined) return;
    after = last.address;
  }
}

/** All alarms of a query, in order. */
export async function* allAlarms(
  inspector: StoreInspector,
  query: Pick<InspectedAlarmsQuery, "tenant" | "type" | "id" | "status">,
): AsyncGenerator<AddressedAlarm> {
  let after: InspectedAlarmsQuery["after"] = null;
  for (;;) {
    const page: readonly AddressedAlarm[] = await inspector.alarms({ ...query, after, limit: pageSize });
    yield* page;
    const last = page.at(-1);
    if (page.length < pageSize || last === undefined) return;
    after = { ...last.address, name: last.name };
  }
}
