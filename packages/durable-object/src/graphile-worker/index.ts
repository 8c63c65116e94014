// `durable-object/graphile-worker`: alarms as jobs of Graphile Worker.
export { graphileWorker } from "./graphile-queue.ts";
export type { GraphileAlarms, GraphileWorkerOptions } from "./graphile-queue.ts";
