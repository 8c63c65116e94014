// `durable-object/testing`: testing an application, and holding an adapter to its port.

// One handler by itself
export { effects, nextState, perform, performAlarm, reason, result } from "./perform.ts";
export type { PerformAlarmOptions, PerformOptions } from "./perform.ts";

// A runtime in virtual time, with faults
export { createTestRuntime, TestRuntime } from "./test-runtime.ts";
export type { TestRuntimeOptions } from "./test-runtime.ts";
export type { AlarmExpectation, TestObject } from "./test-object.ts";
export type { FailedCommit, FailedObject, FaultMoment, Faults } from "./store-faults.ts";
export { eventually } from "./eventually.ts";
export type { EventuallyOptions } from "./eventually.ts";

// Everything that can go wrong, by a seed
export { simulate, SimulationFailure } from "./simulate.ts";
export type { SimulatedClient, SimulatedFaults, Simulation, SimulationReport } from "./simulate.ts";

// Suites for adapters
export { objectStoreSuite } from "./object-store-suite.ts";
export type { ObjectStoreSubject, ObjectStoreSuite } from "./object-store-suite.ts";
export { ownershipStoreSuite } from "./ownership-store-suite.ts";
export type { OwnershipStoreSubject, OwnershipStoreSuite } from "./ownership-store-suite.ts";
export { transportSuite } from "./transport-suite.ts";
export type { TransportSubject, TransportSuite } from "./transport-suite.ts";
export { schedulerSuite } from "./scheduler-suite.ts";
export type { SchedulerSubject, SchedulerSuite } from "./scheduler-suite.ts";
