// `durable-object/memory`: adapters without persistence or network, for tests and for what may be lost.

// Where objects are kept
export { memory } from "./memory-object-store.ts";

// How nodes of one process reach each other
export { memoryTransport } from "./memory-transport.ts";
export type { MemoryTransportOptions } from "./memory-transport.ts";
