/**
 * JSON as the library speaks it: what crosses the boundary of an object (arguments, results, failure
 * reasons, alarm payloads) and what is stored (state).
 *
 * One rule for all of them: a value is accepted only if writing it as JSON and reading it back gives the
 * same value. So a call behaves the same in this process, in another one, and after a restart. What is
 * refused: `NaN` and infinities, `bigint`, functions, symbols, dates, maps, class instances, cycles,
 * holes and `undefined` in arrays, strings that are not well-formed UTF-16 or contain U+0000 (a JSON
 * column in PostgreSQL refuses them), keys named `__proto__`, and nesting deeper than 64. Fields whose
 * value is `undefined` are absent, as in `JSON.stringify`.
 */

/** A value that survives JSON. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Where and why a value does not survive JSON. */
export class NotJson {
  readonly path: string;
  readonly problem: string;

  constructor(path: string, problem: string) {
    this.path = path;
    this.problem = problem;
  }
}

const maxDepth = 64;

/** A path like `state.items[3].price` for messages. */
export function appendPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

/** Whether a string can be stored by every store: well-formed UTF-16 without U+0000. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\u0000");
}

/** Whether an object is a plain record: written as `{}`, parsed from JSON, or without a prototype. */
export function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  // Records from another realm (a `vm` context, a test runner's sandbox).
  return typeof prototype === "object" && Object.getPrototypeOf(prototype) === null && !("toJSON" in value);
}

function describe(value: unknown): string {
  if (value instanceof Date && Number.isNaN(value.getTime())) return "the date is invalid";
  if (typeof value === "number") return `${value} is not a JSON number`;
  if (typeof value === "object" && value !== null) {
    const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
    return `a ${typeof name === "string" && name !== "" ? name : "class instance"} does not survive JSON`;
  }
  return `a ${typeof value} does not survive JSON`;
}

/**
 * A copy of a value that shares nothing with it, made on the way in or out of an object, so that neither
 * side can change what the other holds. Scalars cost nothing.
 *
 * @param value - what to copy; `undefined` is let through at the top
 * @param path - how the value is called in the message, for instance `args[0]`
 * @throws {@link NotJson} naming the path of the first part that does not survive JSON
 */
export function copyJson(value: unknown, path: string): unknown {
  if (value === undefined) return undefined;
  try {
    return copy(value, 0);
  } catch (error) {
    throw error === refused ? locate(value, path, 0) : error;
  }
}

/**
 * Whether `next` differs from `previous`, checking on the way that everything new survives JSON. Parts
 * that are the same reference in both were checked when they came in, so a turn pays for what it changed
 * and not for the size of the state.
 *
 * @param freeze - freeze every new part on the way, so that a handler that mutates its state fails loudly
 * @throws {@link NotJson} naming the path of the first part that does not survive JSON
 */
export function compareJson(previous: unknown, next: unknown, path: string, freeze: boolean): boolean {
  try {
    return differs(previous, next, freeze, 0);
  } catch (error) {
    throw error === refused ? locate(next, path, 0) : error;
  }
}

/** Thrown by the fast walks, which keep no path; `locate` then walks again and names the place. */
const refused = new Error("not JSON");

function isScalar(value: unknown): boolean {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value);
    case "string":
      return isStorableText(value);
    case "boolean":
      return true;
    default:
      return value === null;
  }
}

function isKey(key: string): boolean {
  return key !== "__proto__" && isStorableText(key);
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) {
    if (isScalar(value)) return value;
    throw refused;
  }
  if (depth >= maxDepth) throw refused;
  if (Array.isArray(value)) {
    const result: unknown[] = [];
    for (let index = 0; index < value.length; index++) result.push(copy(value[index], depth + 1));
    return result;
  }
  if (!isPlainObject(value)) throw refused;
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (field === undefined) continue;
    if (!isKey(key)) throw refused;
    result[key] = copy(field, depth + 1);
  }
  return result;
}

function differs(previous: unknown, next: unknown, freeze: boolean, depth: number): boolean {
  if (next === previous) return false;
  if (typeof next !== "object" || next === null) {
    if (isScalar(next)) return true;
    throw refused;
  }
  if (depth >= maxDepth) throw refused;
  const changed = Array.isArray(next)
    ? arrayDiffers(previous, next, freeze, depth)
    : recordDiffers(previous, next, freeze, depth);
  if (freeze) Object.freeze(next);
  return changed;
}

function arrayDiffers(previous: unknown, next: readonly unknown[], freeze: boolean, depth: number): boolean {
  const before: readonly unknown[] | null = Array.isArray(previous) ? previous : null;
  let changed = before === null || before.length !== next.length;
  for (let index = 0; index < next.length; index++) {
    const item = next[index];
    if (item === undefined) throw refused;
    if (differs(before?.[index], item, freeze, depth + 1)) changed = true;
  }
  return changed;
}

function recordDiffers(previous: unknown, next: object, freeze: boolean, depth: number): boolean {
  if (!isPlainObject(next)) throw refused;
  const before =
    typeof previous === "object" && previous !== null && !Array.isArray(previous)
      ? (previous as Record<string, unknown>)
      : null;
  let changed = before === null;
  let fields = 0;
  for (const key in next) {
    const field = next[key];
    if (field === undefined) continue;
    fields++;
    const old = before !== null && Object.hasOwn(before, key) ? before[key] : undefined;
    if (field === old) continue;
    if (!isKey(key)) throw refused;
    if (differs(old, field, freeze, depth + 1)) changed = true;
  }
  return changed || fields !== countFields(before);
}

function countFields(value: Record<string, unknown> | null): number {
  let count = 0;
  for (const key in value) if (value[key] !== undefined) count++;
  return count;
}

/**
 * The value with everything that has a `toJSON` (dates, above all) in the form it takes in JSON. What does
 * not survive JSON otherwise is left for {@link copyJson} and {@link compareJson} to refuse.
 *
 * @param path - how the value is called in the message
 * @throws {@link NotJson} for a cycle
 */
export function resolveToJson(value: unknown, path: string): unknown {
  try {
    return resolved(value, 0);
  } catch (error) {
    throw error === refused ? new NotJson(path, `nested deeper than ${maxDepth} levels, or a cycle`) : error;
  }
}

function hasToJson(value: object): value is { toJSON(key: string): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

function resolved(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > maxDepth) throw refused;
  // A date that is none would become null.
  if (value instanceof Date && Number.isNaN(value.getTime())) return value;
  if (hasToJson(value)) return value.toJSON("");
  if (Array.isArray(value)) {
    const items = value.map((item) => resolved(item, depth + 1));
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  if (!isPlainObject(value)) return value;
  let result: Record<string, unknown> | null = null;
  for (const key of Object.keys(value)) {
    const field = resolved(value[key], depth + 1);
    if (field === value[key]) continue;
    result ??= { ...value };
    result[key] = field;
  }
  return result ?? value;
}

/** Freezes records and arrays all the way down; whatever else is in them (dates, maps) is left as it is. */
export function freezeDeep(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  if (!Array.isArray(value) && !isPlainObject(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freezeDeep(part);
}

/** The first part of a value that does not survive JSON; asked only when there is one. */
function locate(value: unknown, path: string, depth: number): NotJson | null {
  if (typeof value === "string") {
    return isStorableText(value) ? null : new NotJson(path, "the text contains U+0000 or an unpaired surrogate");
  }
  if (typeof value !== "object" || value === null) {
    return isScalar(value) ? null : new NotJson(path, describe(value));
  }
  if (depth >= maxDepth) return new NotJson(path, `nested deeper than ${maxDepth} levels, or a cycle`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const problem = locate(value[index], appendPath(path, index), depth + 1);
      if (problem !== null) return problem;
    }
    return null;
  }
  if (!isPlainObject(value)) return new NotJson(path, describe(value));
  for (const key of Object.keys(value)) {
    if (value[key] === undefined) continue;
    if (!isKey(key)) return new NotJson(path, `the field name ${JSON.stringify(key)} is not allowed`);
    const problem = locate(value[key], appendPath(path, key), depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

/** The length of a text in UTF-8, in bytes. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    // A surrogate pair is two units and four bytes: two for each.
    bytes += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}
