/**
 * Spans of calls and turns.
 *
 *   caller (CLIENT)  counter/increment
 *     └─ turn (SERVER)  counter/increment
 *          ├─ durable_object.wait      it waited for its turn, if it did
 *          ├─ durable_object.handler   the handler; what it starts is inside
 *          └─ durable_object.commit    its answer waited for the commit, which others may have shared
 *
 * The turn of an alarm is of the kind CONSUMER, and begins a trace of its own with a link to the turn that set it: that
 * may be long over.
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
import type { Address } from "../core/address.ts";
import type { CallBegun, ObservedCall, ObservedCommit, ObservedTurn, TurnBegun } from "../ports/instrumentation.ts";
import { errorType, withError, type Measures } from "./measures.ts";
import { attributes, spans } from "./names.ts";
import { spanContextOf, traceText } from "./trace-text.ts";

const system = "durable_object";

/** A handler of a type: what its spans are called, and the attributes of what is measured of it. No ids. */
interface Method {
  readonly name: string;
  readonly series: Attributes;
}

/** By type and handler: they are few, and the same again and again. */
const methods = new Map<string, Map<string, Method>>();

function methodOf(type: string, handler: string): Method {
  let ofType = methods.get(type);
  if (ofType === undefined) methods.set(type, (ofType = new Map<string, Method>()));
  let known = ofType.get(handler);
  if (known === undefined) {
    const name = `${type}/${handler}`;
    known = { name, series: Object.freeze({ [attributes.system]: system, [attributes.method]: name }) };
    ofType.set(handler, known);
  }
  return known;
}

function described({ tenant, type, id }: Address, name: string): Attributes {
  return {
    [attributes.system]: system,
    [attributes.method]: name,
    [attributes.tenant]: tenant,
    [attributes.type]: type,
    [attributes.id]: id,
  };
}

const { timeOrigin } = performance;

/** In ms since 1970, with fractions, and never backwards. */
function timeNow(): number {
  return timeOrigin + performance.now();
}

function seconds(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs) / 1_000;
}

function endSpan(span: Span, error: Error | null, atMs: number): void {
  if (error !== null) {
    const code = errorType(error);
    span.setAttribute(attributes.error, code);
    // The message of a `fail` has the application's reason in it, which is meant for the caller.
    const message = code === "HANDLER_FAILED" ? {} : { message: error.message };
    span.setStatus({ code: SpanStatusCode.ERROR, ...message });
  }
  span.end(atMs);
}

/** A call on its caller's side. */
export class CallSpan implements ObservedCall {
  readonly trace: string | null;
  readonly #span: Span;
  readonly #measures: Measures;
  readonly #series: Attributes;
  readonly #startedAt = timeNow();

  constructor(tracer: Tracer, measures: Measures, { address, handler }: CallBegun) {
    const { name, series } = methodOf(address.type, handler);
    this.#measures = measures;
    this.#series = series;
    const options = { kind: SpanKind.CLIENT, startTime: this.#startedAt, attributes: described(address, name) };
    this.#span = tracer.startSpan(name, options, context.active());
    this.trace = traceText(this.#span.spanContext());
  }

  end(error: Error | null): void {
    const nowMs = timeNow();
    this.#measures.clientCalls.record(seconds(this.#startedAt, nowMs), withError(this.#series, error));
    endSpan(this.#span, error, nowMs);
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
  readonly #isAlarm: boolean;
  readonly #arrivedAt: number;
  readonly #startedAt = timeNow();
  #handler: Span | null = null;
  #handledAt: number | null = null;

  constructor(tracer: Tracer, measures: Measures, begun: TurnBegun) {
    const { address, handler, waitMs, attempt } = begun;
    this.#tracer = tracer;
    this.#measures = measures;
    const { name, series } = methodOf(address.type, handler);
    this.#series = series;
    this.#isAlarm = attempt !== null;
    this.#arrivedAt = this.#startedAt - waitMs;
    const origin = spanContextOf(begun.trace);
    const parent = origin === null || this.#isAlarm ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, origin);
    this.#span = tracer.startSpan(
      name,
      {
        kind: this.#isAlarm ? SpanKind.CONSUMER : SpanKind.SERVER,
        startTime: this.#arrivedAt,
        links: this.#isAlarm && origin !== null ? [{ context: origin }] : [],
        attributes: {
          ...described(address, name),
          ...(attempt === null ? {} : { [attributes.alarm]: handler, [attributes.attempt]: attempt }),
        },
      },
      parent,
    );
    this.trace = traceText(this.#span.spanContext());
    this.#context = trace.setSpan(parent, this.#span);
    if (waitMs > 0) this.#begin(spans.wait, this.#arrivedAt)?.end(this.#startedAt);
    measures.waits.record(waitMs / 1_000, this.#series);
  }

  run<Result>(work: () => Result): Result {
    this.#handler = this.#begin(spans.handler, timeNow());
    return context.with(this.#handler === null ? this.#context : trace.setSpan(this.#context, this.#handler), work);
  }

  handled(error: Error | null): void {
    const nowMs = timeNow();
    this.#measures.handlers.record(seconds(this.#startedAt, nowMs), withError(this.#series, error));
    this.#handledAt = nowMs;
    if (this.#handler === null) return;
    // What a handler threw, with its stack.
    if (error?.cause instanceof Error && errorType(error) === "HANDLER_CRASHED") {
      this.#handler.recordException(error.cause);
    }
    endSpan(this.#handler, error, nowMs);
  }

  end(error: Error | null, commit: ObservedCommit | null): void {
    const nowMs = timeNow();
    // An alarm is no call: nobody waits for an answer.
    if (!this.#isAlarm) {
      this.#measures.serverCalls.record(seconds(this.#arrivedAt, nowMs), withError(this.#series, error));
    }
    if (commit !== null && this.#handledAt !== null) this.#committed(error, commit, this.#handledAt, nowMs);
    endSpan(this.#span, error, nowMs);
  }

  /** From the end of the handler: gathering with others is a part of it. */
  #committed(error: Error | null, commit: ObservedCommit, fromMs: number, toMs: number): void {
    const { commitNumber, commitSize, revision } = commit;
    const span = this.#begin(spans.commit, fromMs);
    if (span === null) return;
    if (commitNumber > 0) {
      // The same number in another trace is the same commit.
      span.setAttributes({
        [attributes.commit]: commitNumber,
        [attributes.batchSize]: commitSize,
        [attributes.revision]: revision,
      });
    }
    endSpan(span, error, toMs);
  }

  /** A part of the turn; null if the turn itself is not recorded. */
  #begin(name: string, startTime: number): Span | null {
    return this.#span.isRecording() ? this.#tracer.startSpan(name, { startTime }, this.#context) : null;
  }
}
