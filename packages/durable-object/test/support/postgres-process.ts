/**
 * A process that uses a PostgreSQL store as it is told by its parent, one message for each step:
 * `node postgres-process.ts <url> <options as JSON>`. The parent's side is `postgres-child.ts`.
 */

import type { CommitBatch, OpenObjectStore } from "../../src/ports/object-store.ts";
import { StoreFailure } from "../../src/ports/object-store.ts";
import { postgres, type PostgresOptions } from "../../src/postgres/index.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";

/** A step, and the answer to it. */
export type Step =
  | { readonly step: "open" }
  | { readonly step: "close" }
  | { readonly step: "commit"; readonly batch: CommitBatch };

export interface StepAnswer {
  readonly value?: unknown;
  readonly failure?: Pick<StoreFailure, "kind" | "code" | "message">;
}

const [url = "", options = "{}"] = process.argv.slice(2);
let store: OpenObjectStore | null = null;

async function take(step: Step): Promise<unknown> {
  if (step.step === "open") {
    const environment = systemEnvironment;
    store = await postgres(url, JSON.parse(options) as PostgresOptions).open({ environment, node: "child" });
    return null;
  }
  if (store === null) throw new Error("not open");
  if (step.step === "commit") return await store.commit(step.batch);
  await store.close();
  return null;
}

process.on("message", (step: Step) => {
  take(step).then(
    (value) => process.send?.({ value } satisfies StepAnswer),
    (error: unknown) => {
      if (!(error instanceof StoreFailure)) throw error;
      const { kind, code, message } = error;
      process.send?.({ failure: { kind, code, message } } satisfies StepAnswer);
    },
  );
});
