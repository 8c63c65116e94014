// `durable-object/ports`: what adapters implement. For those who write one; applications do not need it.

// Where objects are kept
export { StoreFailure } from "./object-store.ts";
export type {
  AddressedAlarm,
  AlarmChange,
  AlarmSetting,
  AlarmStatus,
  CommitBatch,
  CommitCompanion,
  CommitResult,
  CommittedAlarms,
  DeadAlarmsQuery,
  DueAlarmsQuery,
  ObjectListing,
  ObjectListQuery,
  ObjectStore,
  ObjectWrite,
  OpenObjectStore,
  RecordedReply,
  RunSql,
  StoredAlarm,
  StoredObject,
  StoreFailureKind,
  StoreOpening,
} from "./object-store.ts";

// Who may write what, where there are several nodes
export { slotCount, slotOf } from "../core/slot.ts";
export type {
  Beat,
  Heart,
  HeartOptions,
  JoinedStore,
  Joining,
  NodeRow,
  OpenOwnershipStore,
  OwnershipChange,
  OwnershipStore,
  ProcessIdentity,
  SlotEpoch,
  SlotRow,
} from "./ownership-store.ts";

// How nodes reach each other
export { TransportFailure } from "./transport.ts";
export type { OpenTransport, Peer, Transport, TransportFailureKind, TransportOpening } from "./transport.ts";

// When alarms are looked at
export { clampedJobTime, contentOfJob, jobOfContent } from "./job-queue.ts";
export type {
  AlarmJob,
  AlarmJobContent,
  AlarmJobKey,
  DeadAlarmJob,
  JobChanges,
  JobQueue,
  JobQueueHost,
  RunningJobQueue,
} from "./job-queue.ts";
export type { AlarmsChanged, Delivery, RunningScheduler, Scheduler, SchedulerHost } from "./scheduler.ts";

// Words
export type { Address } from "../core/address.ts";
export type { Environment, Timer } from "../core/environment.ts";
export type { ErrorCode } from "../core/errors.ts";

// Looking at a store from outside
export type {
  InspectableStore,
  InspectedAlarmsQuery,
  InspectedObject,
  InspectedObjectsQuery,
  MigrationStatus,
  StoreFinding,
  StoreInspector,
  StoreOwner,
  TypeCount,
} from "./store-inspector.ts";

// Who follows calls
export type {
  CallBegun,
  Instrumentation,
  ObservedCall,
  ObservedCommit,
  ObservedTurn,
  TurnBegun,
} from "./instrumentation.ts";
