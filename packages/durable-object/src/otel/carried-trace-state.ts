/** A `tracestate` as it came: the entries of W3C trace context, the newest first. The API's own one goes with its next major version. */

import type { TraceState } from "@opentelemetry/api";

/** The most entries that the standard allows. */
const mostEntries = 32;

/** Entries that are never changed: each change makes another one. */
export class CarriedTraceState implements TraceState {
  readonly #entries: ReadonlyMap<string, string>;

  private constructor(entries: Iterable<readonly [string, string]>) {
    this.#entries = new Map(entries);
  }

  /** Reads what `serialize` wrote; what is no entry is left out. */
  static parse(text: string): CarriedTraceState {
    const entries = text
      .split(",")
      .map((entry) => entry.trim())
      .filter((entry) => entry.indexOf("=") > 0)
      .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)] as const);
    return new CarriedTraceState(entries.slice(0, mostEntries));
  }

  set(key: string, value: string): TraceState {
    const others = [...this.#entries].filter(([other]) => other !== key);
    return new CarriedTraceState([[key, value] as const, ...others].slice(0, mostEntries));
  }

  unset(key: string): TraceState {
    return new CarriedTraceState([...this.#entries].filter(([other]) => other !== key));
  }

  get(key: string): string | undefined {
    return this.#entries.get(key);
  }

  serialize(): string {
    return [...this.#entries].map(([key, value]) => `${key}=${value}`).join(",");
  }
}
