/**
 * The names of spans, attributes and metrics. Those that begin with `rpc.`, `db.`, and `error.type` are of the semantic
 * conventions of OpenTelemetry; what they have no name for begins with `durable_object.`. `docs/telemetry.md` lists the
 * same; a test holds the two equal. An id is an attribute of spans only: of a metric it would make a series for each object.
 */

/** The name of the instrumentation scope. */
export const scope = "durable-object";

export const attributes = {
  system: "rpc.system.name",
  method: "rpc.method",
  error: "error.type",
  storeSystem: "db.system.name",
  operation: "db.operation.name",
  batchSize: "db.operation.batch.size",
  tenant: "durable_object.tenant",
  type: "durable_object.type",
  id: "durable_object.id",
  alarm: "durable_object.alarm",
  attempt: "durable_object.alarm.attempt",
  becomes: "durable_object.alarm.becomes",
  commit: "durable_object.commit.number",
  revision: "durable_object.revision",
  phase: "durable_object.phase",
  change: "durable_object.change",
  warningName: "durable_object.warning",
} as const;

export const spans = {
  wait: "durable_object.wait",
  handler: "durable_object.handler",
  commit: "durable_object.commit",
} as const;

/** Name, unit, and what it says. */
export const measureNames = {
  clientCalls: ["rpc.client.call.duration", "s", "From making a call to its answer."],
  serverCalls: [
    "rpc.server.call.duration",
    "s",
    "From the arrival of a call where its object is to its answer: waiting, handler and commit.",
  ],
  waits: [
    "durable_object.mailbox.wait",
    "s",
    "How long calls waited for their turn, coming to life included; 0 for those that did not.",
  ],
  handlers: ["durable_object.handler.duration", "s", "How long handlers ran."],
  commits: ["db.client.operation.duration", "s", "How long commits took."],
  batches: ["durable_object.commit.batch.size", "{object}", "How many objects a commit wrote."],
  objects: ["durable_object.objects", "{object}", "Objects in memory, by phase."],
  lags: ["durable_object.alarm.lag", "s", "How long after it was due the handler of an alarm started."],
  attempts: ["durable_object.alarm.attempts", "{attempt}", "Attempts to handle alarms, by what became of them."],
  fenced: [
    "durable_object.fence.rejections",
    "{write}",
    "Writes that the store refused because this process had no right to them, or another revision was stored.",
  ],
  losses: [
    "durable_object.lease.losses",
    "{loss}",
    "How often the right to write was lost, with everything in memory.",
  ],
  moves: ["durable_object.slot.moves", "{slot}", "Slots that this node acquired or handed over."],
  warnings: ["durable_object.warnings", "{warning}", "What an operator should know, by the name of the warning."],
} as const;
