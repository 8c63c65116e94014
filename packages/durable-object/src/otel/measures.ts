/** The instruments that everything is measured with. */

import type { Attributes, Counter, Histogram, Meter, MeterProvider, UpDownCounter } from "@opentelemetry/api";
import { attributes, measureNames, scope } from "./names.ts";

/** Where most calls are, in seconds; the advice of the semantic conventions, with smaller ones in front. */
const durations = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const lags = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3_600];
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/** The instruments of one meter. */
export class Measures {
  readonly clientCalls: Histogram;
  readonly serverCalls: Histogram;
  readonly waits: Histogram;
  readonly handlers: Histogram;
  readonly commits: Histogram;
  readonly batches: Histogram;
  readonly lags: Histogram;
  readonly objects: UpDownCounter;
  readonly attempts: Counter;
  readonly fenced: Counter;
  readonly losses: Counter;
  readonly moves: Counter;
  readonly warnings: Counter;

  constructor(meter: Meter) {
    const histogram = (key: keyof typeof measureNames, bounds: readonly number[]): Histogram => {
      const [name, unit, description] = measureNames[key];
      return meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: [...bounds] } });
    };
    const counter = (key: keyof typeof measureNames): Counter => {
      const [name, unit, description] = measureNames[key];
      return meter.createCounter(name, { unit, description });
    };
    this.clientCalls = histogram("clientCalls", durations);
    this.serverCalls = histogram("serverCalls", durations);
    this.waits = histogram("waits", durations);
    this.handlers = histogram("handlers", durations);
    this.commits = histogram("commits", durations);
    this.batches = histogram("batches", sizes);
    this.lags = histogram("lags", lags);
    const [name, unit, description] = measureNames.objects;
    this.objects = meter.createUpDownCounter(name, { unit, description });
    this.attempts = counter("attempts");
    this.fenced = counter("fenced");
    this.losses = counter("losses");
    this.moves = counter("moves");
    this.warnings = counter("warnings");
  }
}

/** Events are of the process: whoever measures with the same provider counts them together, and once. */
const known = new WeakMap<MeterProvider, Measures>();

/** The instruments of a provider. */
export function measuresOf(provider: MeterProvider): Measures {
  let measures = known.get(provider);
  if (measures === undefined) known.set(provider, (measures = new Measures(provider.getMeter(scope))));
  return measures;
}

/** What an error is called: its code, or its class. */
export function errorType(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  if (typeof code === "string" && code !== "") return code;
  return typeof name === "string" && name !== "" ? name : "_OTHER";
}

/** Attributes with the error, if there is one. */
export function withError(given: Attributes, error: unknown): Attributes {
  return error === null || error === undefined ? given : { ...given, [attributes.error]: errorType(error) };
}
