// Declaring objects
export { defineObject } from "./object/define-object.ts";
export type {
  AlarmHandlers,
  AnyDefinition,
  DefinitionInput,
  Handlers,
  ObjectDefinition,
  StateOf,
} from "./object/define-object.ts";
export { handler, read } from "./object/handler.ts";
export type {
  AlarmContext,
  Awaitable,
  CheckedHandler,
  CheckedReadHandler,
  Context,
  ReadHandler,
  ReadOutcome,
} from "./object/handler.ts";
export type { Migrations } from "./object/state-codec.ts";
export type { Schema } from "./object/schema.ts";

// What a handler returns
export { fail, noreply, reply } from "./object/outcome.ts";
export type { Fail, NoReply, Outcome, Reply } from "./object/outcome.ts";
export { cancel, cancelAll, destroy, schedule, sql } from "./object/effect.ts";
export type {
  AlarmRetry,
  CancelAllEffect,
  CancelEffect,
  DestroyEffect,
  Effect,
  MisfirePolicy,
  RepeatOptions,
  ScheduleEffect,
  ScheduleOptions,
  SqlEffect,
  When,
} from "./object/effect.ts";
export type { SqlValue } from "./core/sql-statement.ts";

// Running them
export { cluster, type ClusterOptions, type Cluster } from "./cluster/cluster-options.ts";
export { createRuntime, Runtime } from "./runtime/runtime.ts";
export type { DefinedState, Location, RuntimeCluster } from "./runtime/runtime.ts";
export type { ListedObject, ListOptions, ObjectPage, TenantOption } from "./runtime/object-page.ts";
export type { RuntimeOptions } from "./runtime/options.ts";

export type { ClusterStatus, NodeStatus } from "./cluster/ownership.ts";
export type { Transport } from "./ports/transport.ts";

// Time
export { polling } from "./alarms/polling-scheduler.ts";
export type { PollingOptions } from "./alarms/polling-scheduler.ts";
export type { Scheduler } from "./ports/scheduler.ts";
export type { DeadAlarm, DeadAlarmOptions, RuntimeAlarms } from "./runtime/runtime-alarms.ts";

// Calling them
export type { AlarmListing, AlarmsStub, Methods, SafeMethods, SafeResult, Stub, StubOptions } from "./object/stub.ts";

// Words
export { DurableObjectError } from "./core/errors.ts";
export type { ErrorCode, FailureOutcome } from "./core/errors.ts";
export type { Address } from "./core/address.ts";
export type { Duration } from "./core/duration.ts";
export type { Environment, Timer } from "./core/environment.ts";
export type { JsonValue } from "./core/json.ts";
