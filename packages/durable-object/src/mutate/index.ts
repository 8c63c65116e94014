export { mutate } from "./mutate.ts";
export type { MutatedOutcome } from "./mutate.ts";
