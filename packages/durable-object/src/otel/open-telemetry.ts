/**
 * The bridge to OpenTelemetry.
 *
 * Spans come from the calls and turns that a runtime tells of; the context of a caller goes along as W3C trace context.
 * Metrics come from the same calls, and from the events on `node:diagnostics_channel` for what is not a call. Without an
 * SDK the API does nothing, and so does this.
 */

import { context, metrics, trace, type Context, type MeterProvider, type TracerProvider } from "@opentelemetry/api";
import type { Instrumentation } from "../ports/instrumentation.ts";
import { Measures } from "./measures.ts";
import { CallSpan, TurnSpan } from "./spans.ts";
import { subscribeMeasures } from "./subscriptions.ts";

/** How the bridge is set up. */
export interface OpenTelemetryOptions {
  /** Where spans go. Default: the one that is registered globally. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Where measurements go. Default: the one that is registered globally. */
  readonly meterProvider?: MeterProvider | undefined;
}

const scope = "durable-object";

/**
 * Follows and measures what a runtime does.
 *
 * @example
 * ```ts
 * const runtime = await createRuntime({ objects: [Counter], store: sqlite("app.db"), instrumentation: openTelemetry() });
 * ```
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Instrumentation {
  const { tracerProvider = trace, meterProvider = metrics } = options;
  const tracer = tracerProvider.getTracer(scope);
  const measures = new Measures(meterProvider.getMeter(scope));
  const active = (): Context => context.active();
  return {
    attach: () => subscribeMeasures(measures),
    call: (begun) => new CallSpan(tracer, measures, active(), begun),
    turn: (begun) => new TurnSpan(tracer, measures, begun),
  };
}
