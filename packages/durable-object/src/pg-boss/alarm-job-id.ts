/** The id of the job of an alarm: the same for every setting of it, so that the next one takes the place of the one before. */

import { createHash } from "node:crypto";
import type { AlarmJobKey } from "../ports/job-queue.ts";

/** A UUID (version 8: of our own making) from the schema, the address and the name. */
export function alarmJobId({ schema, address: { tenant, type, id }, name }: AlarmJobKey): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([schema, tenant, type, id, name]))
    .digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
