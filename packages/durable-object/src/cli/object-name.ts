/** The name of an object: a constant in the code, a type in the database, a file in the project. */

import { typeProblem } from "../core/address.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

/** Names that the files of an object use for something else. */
const taken = /^(?:JsonValue|Partial|Readonly|Record)$/;

/** `HTTPServer` → `http-server`: the type of an object, and the name of its file. */
export function kebabCase(name: string): string {
  return name
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .replaceAll(/([a-z\d])([A-Z])/g, "$1-$2")
    .toLowerCase();
}

/**
 * Checks the name of an object, as `ShoppingCart`.
 *
 * @throws {@link CommandFailure} that says a name which would do
 */
export function checkObjectName(name: string): string {
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) {
    const guess = name
      .replaceAll(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase())
      .replace(/^[^A-Za-z]+|[^A-Za-z0-9]+$/g, "");
    throw invalid(
      `"${name}" cannot be the name of an object: it consists of letters and digits and begins with a capital letter`,
      /^[A-Z][A-Za-z0-9]*$/.test(guess) ? guess : "ShoppingCart",
    );
  }
  if (name in globalThis || taken.test(name)) {
    throw invalid(`"${name}" cannot be the name of an object: JavaScript has something of this name`, `My${name}`);
  }
  const problem = typeProblem(kebabCase(name));
  if (problem !== null) throw invalid(`"${name}": ${problem}`, name.slice(0, 32));
  return name;
}

function invalid(problem: string, suggestion: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", `${problem}. Would ${suggestion} do?`);
}
