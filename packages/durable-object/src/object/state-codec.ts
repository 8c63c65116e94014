/**
 * How the state of one object type is made, stored and brought back.
 *
 * Declared by defaults: a stored state is laid over the defaults; a field that is new in the code gets its
 * default, a field that is gone from the code is dropped. A next state may therefore only have fields that
 * the defaults have: any other would be saved and then dropped at the next load, so it is refused.
 * Declared by a Standard Schema: a stored state goes through the schema, and so does every state before it
 * is saved, so that nothing is stored that could not be loaded again. Schemas that can `encode` (zod
 * codecs) encode on the way out.
 *
 * `parse` is for text from a store, `admit` for what a handler returned.
 */

import { type DurableObjectError, messageOf } from "../core/errors.ts";
import { appendPath, compareJson, freezeDeep, isPlainObject, NotJson, resolveToJson } from "../core/json.ts";
import { formatIssues, isSchema, type Schema } from "./schema.ts";

/** Steps that bring a stored state from one version to the next: `migrate[1]` makes version 2 of version 1. */
// eslint-disable-next-line typescript/no-explicit-any -- what an older version stored has no type here
export type Migrations = Readonly<Record<number, (stored: any) => unknown>>;

/** A state that may be saved: as handlers see it, and as JSON. The same value, unless a schema decodes. */
export interface AdmittedState {
  readonly state: unknown;
  readonly stored: unknown;
  readonly changed: boolean;
}

/** The state of one object type, made, stored and brought back. */
export interface StateCodec {
  readonly version: number;
  /** The state of an object that has never been written. */
  initial(freeze: boolean): AdmittedState;
  /** Admits a next state: throws {@link NotJson}, or {@link Unstorable}, and then nothing is saved. */
  admit(previous: AdmittedState, next: unknown, freeze: boolean): AdmittedState;
  /** Brings back a stored state; `version` is the version it was stored under. */
  revive(stored: unknown, version: number, freeze: boolean): AdmittedState;
}

/** Why a state may not be saved. */
export class Unstorable {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

/** Why a stored state cannot be brought back; `tooNew` if it was written by newer code. */
export class Unreadable {
  readonly problem: string;
  readonly tooNew: boolean;
  readonly cause: unknown;

  constructor(problem: string, details: { readonly tooNew?: boolean; readonly cause?: unknown } = {}) {
    this.problem = problem;
    this.tooNew = details.tooNew ?? false;
    this.cause = details.cause;
  }
}

type Invalid = (problem: string) => DurableObjectError;

/**
 * The codec of a declared state.
 *
 * @throws {@link DurableObjectError} `INVALID_DEFINITION` if no object could ever be created or migrated
 */
export function stateCodec(declared: unknown, version: number, migrate: Migrations, invalid: Invalid): StateCodec {
  if (!Number.isSafeInteger(version) || version < 1) throw invalid("version must be a whole number from 1.");
  checkMigrations(version, migrate, invalid);
  const upgrade = (stored: unknown, from: number): unknown => upgradeStored(stored, from, version, migrate);
  if (isSchema(declared)) return new SchemaCodec(declared, version, upgrade, invalid);
  if (typeof declared !== "object" || declared === null || Array.isArray(declared) || !isPlainObject(declared)) {
    throw invalid("state must be an object with a default for every field, or a Standard Schema.");
  }
  return new DefaultsCodec(declared, version, upgrade, invalid);
}

function checkMigrations(version: number, migrate: Migrations, invalid: Invalid): void {
  for (const step of Object.keys(migrate)) {
    const from = Number(step);
    if (!Number.isSafeInteger(from) || from < 1 || from >= version) {
      throw invalid(
        `migrate has a step for version ${step}, but the version is ${version}: steps are 1 to ${version - 1}.`,
      );
    }
  }
  for (let from = 1; from < version; from++) {
    if (typeof migrate[from] !== "function") {
      throw invalid(`migrate has no step from version ${from} to ${from + 1}. Add migrate: { ${from}: (old) => … }.`);
    }
  }
}

function upgradeStored(stored: unknown, from: number, to: number, migrate: Migrations): unknown {
  if (from > to) {
    throw new Unreadable(`it was stored under version ${from}, and this code knows version ${to}`, { tooNew: true });
  }
  let state = stored;
  for (let step = from; step < to; step++) {
    try {
      state = migrate[step]?.(state);
    } catch (cause) {
      throw new Unreadable(`migrate[${step}] threw: ${messageOf(cause)}`, { cause });
    }
  }
  return state;
}

class DefaultsCodec implements StateCodec {
  readonly version: number;
  readonly #defaults: Readonly<Record<string, unknown>>;
  readonly #upgrade: (stored: unknown, from: number) => unknown;
  readonly #initial: AdmittedState;

  constructor(
    declared: Record<string, unknown>,
    version: number,
    upgrade: (stored: unknown, from: number) => unknown,
    invalid: Invalid,
  ) {
    this.version = version;
    this.#upgrade = upgrade;
    try {
      // A private, frozen copy: every object starts from it, and none can change it for the others.
      const defaults = structuredClone(declared);
      compareJson(undefined, defaults, "state", true);
      this.#defaults = defaults;
    } catch (error) {
      throw invalid(
        error instanceof NotJson
          ? `${error.path}: ${error.problem}. Use a Standard Schema for such a field.`
          : `state: ${messageOf(error)}`,
      );
    }
    this.#initial = { state: this.#defaults, stored: this.#defaults, changed: false };
  }

  initial(): AdmittedState {
    return this.#initial;
  }

  admit(previous: AdmittedState, next: unknown, freeze: boolean): AdmittedState {
    if (next === previous.state) return previous;
    if (typeof next !== "object" || next === null || Array.isArray(next)) {
      throw new Unstorable(
        "the next state is not an object: pass the whole next state, for instance { ...state, count }",
      );
    }
    let state = next;
    if (this.#needsDefaults(next)) state = this.#overlay(next);
    const changed = compareJson(previous.stored, state, "state", freeze);
    return changed ? { state, stored: state, changed } : previous;
  }

  revive(stored: unknown, version: number, freeze: boolean): AdmittedState {
    const upgraded = this.#upgrade(stored, version);
    if (typeof upgraded !== "object" || upgraded === null || Array.isArray(upgraded)) {
      throw new Unreadable("it is not a JSON object");
    }
    const state = this.#overlay(upgraded);
    try {
      compareJson(undefined, state, "state", freeze);
    } catch (error) {
      if (error instanceof NotJson) throw new Unreadable(`${error.path}: ${error.problem}`);
      throw error;
    }
    return { state, stored: state, changed: false };
  }

  /** Whether a field that has a default is missing: it will be at its default after a reload, so it is now. */
  #needsDefaults(next: object): boolean {
    for (const key in next) {
      if (!Object.hasOwn(this.#defaults, key) && (next as Record<string, unknown>)[key] !== undefined) {
        throw new Unstorable(
          `${appendPath("state", key)} is not among the defaults of the definition, so it would be dropped at the ` +
            "next load. Give it a default there (null if it starts empty), or declare the state by a schema",
        );
      }
    }
    for (const key in this.#defaults) if ((next as Record<string, unknown>)[key] === undefined) return true;
    return false;
  }

  #overlay(stored: object): Record<string, unknown> {
    const state: Record<string, unknown> = { ...this.#defaults };
    for (const key in this.#defaults) {
      if (!Object.hasOwn(stored, key)) continue;
      const value = (stored as Record<string, unknown>)[key];
      if (value !== undefined) state[key] = value;
    }
    return state;
  }
}

/** A schema instance that can also go back (zod codecs). */
interface Encoder {
  encode(output: unknown): unknown;
}

class SchemaCodec implements StateCodec {
  readonly version: number;
  readonly #schema: Schema;
  readonly #encoder: Encoder | null;
  readonly #upgrade: (stored: unknown, from: number) => unknown;
  readonly #empty: unknown;

  constructor(schema: Schema, version: number, upgrade: (stored: unknown, from: number) => unknown, invalid: Invalid) {
    this.version = version;
    this.#schema = schema;
    this.#upgrade = upgrade;
    this.#encoder = "encode" in schema && typeof schema.encode === "function" ? (schema as unknown as Encoder) : null;
    this.#empty = this.#findEmpty(invalid);
    try {
      this.initial(false);
    } catch (error) {
      throw invalid(
        `the state's schema cannot store its own initial state: ${problemOf(error)}. Use a codec, or z.coerce.date() for dates.`,
      );
    }
  }

  /** The input that gives a new object its state: `{}`, or nothing at all. */
  #findEmpty(invalid: Invalid): unknown {
    let first = "";
    for (const input of [{}, undefined]) {
      const result = this.#schema["~standard"].validate(input);
      if (result instanceof Promise) {
        throw invalid(
          "the state's schema is asynchronous. A state is loaded and saved at once: use a synchronous schema.",
        );
      }
      if (result.issues === undefined) return input;
      if (first === "") first = formatIssues(result.issues, "state");
    }
    throw invalid(`the state's schema refuses an empty state (${first}). Give every required field a default.`);
  }

  #validate(input: unknown): unknown {
    const result = this.#schema["~standard"].validate(input);
    if (result instanceof Promise) throw new Unstorable("the state's schema is asynchronous");
    if (result.issues !== undefined) throw new Unstorable(formatIssues(result.issues, "state"));
    return result.value;
  }

  initial(freeze: boolean): AdmittedState {
    const state = this.#validate(this.#empty === undefined ? undefined : {});
    return this.#settle(state, undefined, freeze);
  }

  admit(previous: AdmittedState, next: unknown, freeze: boolean): AdmittedState {
    if (next === previous.state) return previous;
    const admitted = this.#settle(next, previous.stored, freeze);
    return admitted.changed ? admitted : previous;
  }

  revive(stored: unknown, version: number, freeze: boolean): AdmittedState {
    const upgraded = this.#upgrade(stored, version);
    try {
      return this.#settle(this.#validate(upgraded), undefined, freeze);
    } catch (error) {
      throw new Unreadable(problemOf(error), { cause: error });
    }
  }

  /**
   * The state as it will be after a reload: what is stored is read back through the schema, so that a state
   * that could not be loaded is refused now, and that a handler sees what the next activation will see.
   */
  #settle(state: unknown, previous: unknown, freeze: boolean): AdmittedState {
    const first = this.#encode(state);
    // Checked before the schema sees it: it must be JSON in any case.
    const changed = compareJson(previous, first, "state", false);
    const revived = this.#validate(first);
    const stored = this.#encode(revived);
    if (freeze) freezeDeep(revived);
    if (!compareJson(first, stored, "state", false)) return { state: revived, stored, changed };
    // The schema left something out, or filled something in. That must be all: once more may change nothing.
    if (compareJson(stored, this.#encode(this.#validate(stored)), "state", false)) {
      throw new Unstorable(
        "the schema makes another state of it every time it is loaded: use a codec, which can go back",
      );
    }
    return { state: revived, stored, changed: compareJson(previous, stored, "state", false) };
  }

  #encode(state: unknown): unknown {
    let encoded = state;
    if (this.#encoder !== null) {
      try {
        encoded = this.#encoder.encode(state);
      } catch (error) {
        throw new Unstorable(messageOf(error));
      }
    }
    return resolveToJson(encoded, "state");
  }
}

function problemOf(error: unknown): string {
  if (error instanceof NotJson) return `${error.path}: ${error.problem}`;
  return error instanceof Unstorable ? error.problem : messageOf(error);
}
