// `durable-object/testing`: suites that hold an adapter to its port.
export { objectStoreSuite } from "./object-store-suite.ts";
export type { ObjectStoreSubject, ObjectStoreSuite } from "./object-store-suite.ts";
