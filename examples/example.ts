/** `npm run example -- chat-room`: runs the example of this name, or says which there are. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const mainOf = (name: string): string => join(import.meta.dirname, name, "main.ts");
const names = readdirSync(import.meta.dirname).filter((name) => existsSync(mainOf(name)));
const name = process.argv[2] ?? "";
if (names.includes(name)) {
  await import(pathToFileURL(mainOf(name)).href);
} else {
  console.error(`Say which example: ${names.map((each) => `\n  npm run example -- ${each}`).join("")}`);
  process.exitCode = 2;
}
