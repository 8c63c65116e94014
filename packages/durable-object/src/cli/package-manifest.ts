/** package.json, as far as `init` has to do with it. What is there already stays; the order and the rest are kept. */

import { basename } from "node:path";
import { messageOf } from "../core/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

interface Manifest {
  name?: string;
  type?: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  [other: string]: unknown;
}

/** What a project must have. */
export interface ManifestNeeds {
  readonly start: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** @throws {@link CommandFailure} if it is not JSON, or the project's modules are CommonJS by declaration */
export function parseManifest(text: string): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw new CommandFailure(
      exitCodes.usage,
      "INVALID_PROJECT",
      `package.json cannot be read: ${messageOf(error)}`,
      error,
    );
  }
  if (typeof manifest === "object" && manifest !== null && !Array.isArray(manifest)) return manifest as Manifest;
  throw new CommandFailure(exitCodes.usage, "INVALID_PROJECT", "package.json is not an object.");
}

/** The text of package.json with what the project needs. */
export function withNeeds(before: string | null, directory: string, needs: ManifestNeeds): string {
  const manifest: Manifest =
    before === null
      ? { name: packageName(directory), version: "0.0.0", private: true, type: "module", engines: { node: ">=22.18" } }
      : parseManifest(before);
  if (manifest.type === "commonjs") {
    throw new CommandFailure(
      exitCodes.usage,
      "INVALID_PROJECT",
      'package.json says "type": "commonjs", and what init writes are ES modules. Change it to "module", or set up by hand.',
    );
  }
  let isChanged = before === null;
  const set = (record: Record<string, string>, name: string, value: string): void => {
    if (record[name] !== undefined) return;
    record[name] = value;
    isChanged = true;
  };
  if (manifest.type === undefined) {
    manifest.type = "module";
    isChanged = true;
  }
  set((manifest.scripts ??= {}), "start", needs.start);
  for (const [name, range] of Object.entries(needs.dependencies)) {
    if (manifest.devDependencies?.[name] === undefined) set((manifest.dependencies ??= {}), name, range);
  }
  for (const [name, range] of Object.entries(needs.devDependencies)) {
    if (manifest.dependencies?.[name] === undefined) set((manifest.devDependencies ??= {}), name, range);
  }
  if (!isChanged && before !== null) return before;
  const indent = /^\{\r?\n([ \t]+)"/.exec(before ?? "")?.[1] ?? 2;
  return `${JSON.stringify(manifest, null, indent)}\n`;
}

/** A name that npm takes, from that of a directory. */
function packageName(directory: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return name === "" ? "app" : name;
}
