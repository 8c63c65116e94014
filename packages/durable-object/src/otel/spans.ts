/**
 * Spans of calls and turns.
 *
 *   caller (CLIENT)  counter/increment
 *     └─ turn (SERVER)  counter/increment
 *          ├─ durable_object.wait      it waited for its turn
 *          ├─ durable_object.handler   the handler; what it starts is inside
 *          └─ durable_object.commit    its reply waited for the commit, which others may have shared
 *
 * The turn of an alarm begins a trace of its own, with a link to the turn that set it: that may be long over.
 */

import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import type { CallBegun, ObservedCall, ObservedTurn, TurnBegun } from "../ports/instrumentation.ts";
import { errorType, withError, type Measures } from "./measures.ts";
import { attributes, spans } from "./names.ts";
import { spanContextOf, traceText } from "./trace-text.ts";

const system = "durable_object";

/** What every series of a call has; no ids. */
function measured({ address, handler }: CallBegun): Attributes {
  return { [attributes.system]: system, [attributes.method]: `${address.type}/${handler}` };
}

function described(begun: CallBegun): Attributes {
  const { tenant, type, id } = begun.address;
  return {
    ...measured(begun),
    [attributes.tenant]: tenant,
    [attributes.type]: type,
    [attributes.id]: id,
  };
}

/** In ms since 1970, with fractions, and never backwards. */
function timeNow(): number {
  return performance.timeOrigin + performance.now();
}

function secondsSince(timeMs: number): number {
  return Math.max(0, timeNow() - timeMs) / 1_000;
}

function endSpan(span: Span, error: Error | null): void {
  if (error !== null) {
    span.setAttribute(attributes.error, errorType(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end(timeNow());
}

/** A call on its caller's side. */
export class CallSpan implements ObservedCall {
  readonly trace: string | null;
  readonly #span: Span;
  readonly #measures: Measures;
  readonly #begun: CallBegun;
  readonly #startedAt = timeNow();

  constructor(tracer: Tracer, measures: Measures, parent: Context, begun: CallBegun) {
    this.#measures = measures;
    this.#begun = begun;
    const name = `${begun.address.type}/${begun.handler}`;
    this.#span = tracer.startSpan(
      name,
      { kind: SpanKind.CLIENT, startTime: this.#startedAt, attributes: described(begun) },
      parent,
    );
    this.trace = traceText(this.#span.spanContext());
  }

  end(error: Error | null): void {
    this.#measures.clientCalls.record(secondsSince(this.#startedAt), withError(measured(this.#begun), error));
    endSpan(this.#span, error);
  }
}

/** A turn where it runs. */
export class TurnSpan implements ObservedTurn {
  readonly trace: string | null;
  readonly #tracer: Tracer;
  readonly #measures: Measures;
  readonly #series: Attributes;
  readonly #context: Context;
  readonly #span: Span;
  readonly #startedAt = timeNow();
  #handler: Span | null = null;
  #handledAt: number | null = null;

  constructor(tracer: Tracer, measures: Measures, begun: TurnBegun) {
    this.#tracer = tracer;
    this.#measures = measures;
    this.#series = measured(begun);
    const { address, handler, waitedMs, alarm } = begun;
    const caller = spanContextOf(begun.trace);
    const arrivedAt = this.#startedAt - waitedMs;
    const isAlarm = alarm !== null;
    const parent = caller === null || isAlarm ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, caller);
    this.#span = tracer.startSpan(
      `${address.type}/${handler}`,
      {
        kind: isAlarm ? SpanKind.CONSUMER : SpanKind.SERVER,
        startTime: arrivedAt,
        links: isAlarm && caller !== null ? [{ context: caller }] : [],
        attributes: {
          ...described(begun),
          ...(isAlarm ? { [attributes.alarm]: handler, [attributes.attempt]: alarm.attempt } : {}),
        },
      },
      parent,
    );
    this.trace = traceText(this.#span.spanContext());
    this.#context = trace.setSpan(parent, this.#span);
    if (waitedMs > 0) this.#begin(spans.wait, arrivedAt).end(this.#startedAt);
    measures.waits.record(waitedMs / 1_000, this.#series);
  }

  run<Result>(work: () => Result): Result {
    this.#handler = this.#begin(spans.handler, timeNow());
    return context.with(trace.setSpan(this.#context, this.#handler), work);
  }

  handled(error: Error | null): void {
    this.#measures.handlers.record(secondsSince(this.#startedAt), withError(this.#series, error));
    if (this.#handler !== null) endSpan(this.#handler, error);
    this.#handler = null;
    this.#handledAt = timeNow();
  }

  end(error: Error | null, committed: boolean): void {
    this.#measures.serverCalls.record(secondsSince(this.#startedAt), withError(this.#series, error));
    // What becomes of a commit that fails is that of the turn; a handler that failed had none of its own.
    if (committed && this.#handledAt !== null) endSpan(this.#begin(spans.commit, this.#handledAt), error);
    endSpan(this.#span, error);
  }

  #begin(name: string, startTime: number): Span {
    return this.#tracer.startSpan(name, { startTime }, this.#context);
  }
}
