// `durable-object/memory`: a store without persistence, for tests and for state that may be lost.
export { memory } from "./memory-object-store.ts";
