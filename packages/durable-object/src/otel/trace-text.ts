/**
 * The context of a span as a text, and back: the `traceparent` of W3C trace context, with its `tracestate` after a
 * space. It goes along with calls and alarms whatever propagators the application has set up: it stays inside the
 * application's own processes.
 */

import { isSpanContextValid, type SpanContext } from "@opentelemetry/api";
import { CarriedTraceState } from "./carried-trace-state.ts";

/** The longest `tracestate` that is carried, which the standard asks for at least. */
const longestState = 512;

/** @returns null for a span that is none */
export function traceText(span: SpanContext): string | null {
  if (!isSpanContextValid(span)) return null;
  const flags = span.traceFlags.toString(16).padStart(2, "0");
  const parent = `00-${span.traceId}-${span.spanId}-${flags}`;
  const state = span.traceState?.serialize() ?? "";
  return state === "" || state.length > longestState ? parent : `${parent} ${state}`;
}

/** @returns null for a text that is none */
export function spanContextOf(text: string | null): SpanContext | null {
  if (text === null) return null;
  const found = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?: (.+))?$/.exec(text);
  if (found === null) return null;
  const [, traceId = "", spanId = "", flags = "0", state] = found;
  const span: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(state === undefined ? {} : { traceState: CarriedTraceState.parse(state) }),
  };
  return isSpanContextValid(span) ? span : null;
}
