/** Values of options, checked while they are read. */

import { InvalidArgumentError } from "commander";
import { parseDuration } from "../core/duration.ts";

/** A whole number from 1. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number from 1.");
  return value;
}

/** A whole number from 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("It must be a whole number from 0.");
  return value;
}

/** A duration; the value is in ms. */
export function durationMs(text: string): number {
  const ms = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (ms === null || !Number.isFinite(ms))
    throw new InvalidArgumentError('It must be a duration such as "500ms", "30s" or "5m".');
  return ms;
}
