/**
 * Arguments on their way into an object: copied, so that the caller and the object share nothing, and
 * refused if they do not survive JSON or are too large. The same then happens to a call wherever its
 * object lives.
 */

import { formatAddress } from "../core/address.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import { copyJson, NotJson, resolveToJson, utf8Length } from "../core/json.ts";
import type { Call } from "./call.ts";

/**
 * Copies the arguments of a call in place. Returns the error if they cannot be sent.
 */
export function copyArguments(call: Call, maxArgumentBytes: number): DurableObjectError | null {
  const { args, operation, address } = call;
  let copied: unknown[] | null = null;
  // An upper bound of their bytes as JSON: a character has at most 6. Infinity until they are measured.
  let bound = 0;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index];
    if ((typeof arg === "number" && Number.isFinite(arg)) || typeof arg === "boolean" || arg === undefined) continue;
    try {
      // With a schema that can bring it back, a date may be sent: as text, which is how it would arrive.
      const copy = copyJson(operation.schema === null ? arg : resolveToJson(arg, `args[${index}]`), `args[${index}]`);
      copied ??= [...args];
      copied[index] = copy;
      bound += typeof arg === "string" ? arg.length * 6 : Infinity;
    } catch (error) {
      // Whatever else was thrown came out of the argument itself, from a getter for instance.
      const where =
        error instanceof NotJson ? `${error.path}: ${error.problem}` : `args[${index}]: ${messageOf(error)}`;
      return new DurableObjectError(
        "INVALID_ARGUMENTS",
        `${formatAddress(address)}: ${operation.name} cannot be called with ${where}. Arguments are JSON; for others use handler({ args: schema }) with a schema that decodes them.`,
        { address },
      );
    }
  }
  if (copied === null) return null;
  call.args = copied;
  if (bound <= maxArgumentBytes) return null;
  const text = JSON.stringify(copied);
  const bytes = text.length * 3 <= maxArgumentBytes ? 0 : utf8Length(text);
  if (bytes <= maxArgumentBytes) return null;
  return new DurableObjectError(
    "ARGUMENTS_TOO_LARGE",
    `${formatAddress(address)}: the arguments of ${operation.name} have ${bytes} bytes of JSON, and at most ${maxArgumentBytes} are allowed. Raise maxArgumentBytes, or send less.`,
    { address },
  );
}
