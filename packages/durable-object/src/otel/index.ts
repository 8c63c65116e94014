// `durable-object/otel`: traces and metrics for OpenTelemetry.
export { openTelemetry } from "./open-telemetry.ts";
export type { OpenTelemetryOptions } from "./open-telemetry.ts";
