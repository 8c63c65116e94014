/** package.json of this package, as far as projects depend on it. */

import { readFileSync } from "node:fs";

interface OwnManifest {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** Reads it. It lies two folders above, in the sources as in the package. */
export function ownManifest(): OwnManifest {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as OwnManifest;
}

/** What a project writes to have a peer of this package: the lowest major version that works, and none after it. */
export function peerRange(name: string): string {
  const range = ownManifest().peerDependencies[name];
  if (range === undefined) throw new Error(`${name} is no peer of this package`);
  return range.replace(/^>=/, "^");
}
