/** package.json of this package, as far as projects depend on it. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

interface OwnManifest {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** Reads it. It lies two folders above, in the sources as in the package. */
export function ownManifest(): OwnManifest {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as OwnManifest;
}

/**
 * The folder or the tarball that this package was installed from, as with `npx --package ./durable-object.tgz`; null if it was a
 * registry, which knows it by its version.
 */
export function ownSource(): string | null {
  // This file lies in node_modules/durable-object/dist/cli.
  const home = new URL("../../../../", import.meta.url);
  try {
    const { dependencies = {} } = JSON.parse(readFileSync(new URL("package.json", home), "utf8")) as {
      readonly dependencies?: Readonly<Record<string, string>>;
    };
    const spec = dependencies["durable-object"] ?? "";
    return spec.startsWith("file:") ? resolve(fileURLToPath(home), spec.slice("file:".length)) : null;
  } catch {
    return null;
  }
}

/** What a project writes to have a peer of this package: the lowest major version that works, and none after it. */
export function peerRange(name: string): string {
  const range = ownManifest().peerDependencies[name];
  if (range === undefined) throw new Error(`${name} is no peer of this package`);
  return range.replace(/^>=/, "^");
}
