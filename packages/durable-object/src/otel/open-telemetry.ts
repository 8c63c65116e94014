/**
 * The bridge to OpenTelemetry.
 *
 * Spans come from the calls and turns that a runtime tells of; the context of a caller goes along as W3C trace context.
 * Metrics come from the same calls, and from the events on `node:diagnostics_channel` for what is not a call. Without an
 * SDK the API does nothing, and so does this.
 */

import { metrics, trace, type MeterProvider, type TracerProvider } from "@opentelemetry/api";
import type { Instrumentation } from "../ports/instrumentation.ts";
import { measuresOf, type Measures } from "./measures.ts";
import { scope } from "./names.ts";
import { CallSpan, TurnSpan } from "./spans.ts";
import { subscribeMeasures } from "./subscriptions.ts";

/** How the bridge is set up. */
export interface OpenTelemetryOptions {
  /** Where spans go. Default: the one that is registered globally. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Where measurements go. Default: the one that is registered globally when the runtime starts. */
  readonly meterProvider?: MeterProvider | undefined;
}

/**
 * Follows and measures what a runtime does.
 *
 * @example
 * ```ts
 * const runtime = await createRuntime({ objects: [Counter], store: sqlite("app.db"), instrumentation: openTelemetry() });
 * ```
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Instrumentation {
  const tracer = (options.tracerProvider ?? trace).getTracer(scope);
  let found: Measures | null = null;
  // Not before a runtime starts: other than a tracer, a meter that was asked for before there is an SDK stays without one.
  const measures = (): Measures => (found ??= measuresOf(options.meterProvider ?? metrics.getMeterProvider()));
  return {
    attach() {
      found = null;
      return subscribeMeasures(measures());
    },
    call: (begun) => new CallSpan(tracer, measures(), begun),
    turn: (begun) => new TurnSpan(tracer, measures(), begun),
  };
}
