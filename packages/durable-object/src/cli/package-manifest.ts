/**
 * package.json, as far as `init` has to do with it.
 *
 * What is there already stays: no version, no script and no `"type"` is changed. A project that is there and does not
 * say `"type": "module"` may be CommonJS, so files of ours are `.mts` and `.mjs` in it.
 */

import { basename } from "node:path";
import { messageOf } from "../core/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

interface Manifest {
  name?: string;
  type?: string;
  packageManager?: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  [other: string]: unknown;
}

/** What a project must have. */
export interface ManifestNeeds {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const sections = ["scripts", "dependencies", "devDependencies"] as const;

/** @throws {@link CommandFailure} if it is not JSON, or not the JSON of a package */
export function parseManifest(text: string): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw invalid(`cannot be read: ${messageOf(error)}`);
  }
  if (!isRecord(manifest)) throw invalid("is not an object");
  for (const section of sections) {
    if (manifest[section] !== undefined && !isRecord(manifest[section])) throw invalid(`has no object as ${section}`);
  }
  return manifest;
}

/** The text of package.json with what the project needs. */
export function withNeeds(before: string | null, directory: string, needs: ManifestNeeds): string {
  const manifest: Manifest =
    before === null
      ? { name: packageName(directory), version: "0.0.0", private: true, type: "module", engines: { node: ">=22.18" } }
      : parseManifest(before);
  let isChanged = before === null;
  for (const section of sections) {
    for (const [name, value] of Object.entries(needs[section])) {
      if (isThere(manifest, section, name)) continue;
      (manifest[section] ??= {})[name] = value;
      isChanged = true;
    }
  }
  if (!isChanged && before !== null) return before;
  const indent = /^\uFEFF?\{\r?\n([ \t]+)"/.exec(before ?? "")?.[1] ?? 2;
  const text = `${JSON.stringify(manifest, null, indent)}\n`;
  return before?.includes("\r\n") === true ? text.replaceAll("\n", "\r\n") : text;
}

/** A package is there as a dependency of any kind. */
function isThere(manifest: Manifest, section: (typeof sections)[number], name: string): boolean {
  if (section === "scripts") return manifest.scripts?.[name] !== undefined;
  return manifest.dependencies?.[name] !== undefined || manifest.devDependencies?.[name] !== undefined;
}

/** A name that npm takes, from that of a directory. */
function packageName(directory: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 100);
  // A package cannot depend on itself.
  return name === "" || name === "durable-object" || name === "node-modules" ? "app" : name;
}

const isRecord = (value: unknown): value is Manifest =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function invalid(problem: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, "INVALID_PROJECT", `package.json ${problem}. Nothing was changed.`);
}
