// `durable-object/pg-boss`: alarms as jobs of pg-boss.
export { pgBoss } from "./pg-boss-queue.ts";
export type { PgBossOptions } from "./pg-boss-queue.ts";
