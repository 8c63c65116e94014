/** Which version of an optional package this one finds, and which it needs. */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

interface Manifest {
  readonly version: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** The version of a package as this one would import it; null if it is not installed. */
export function installedVersion(name: string): string | null {
  const places = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const manifest = places.map((place) => join(place, name, "package.json")).find((path) => existsSync(path));
  return manifest === undefined ? null : read(manifest).version;
}

/** The range of versions that this package needs of another one, such as `^8.12.0`. */
export function neededRange(name: string): string {
  return read(new URL("../../package.json", import.meta.url)).peerDependencies?.[name] ?? "*";
}

/** Whether a version is in a range that is `^` or `>=` and one version. */
export function isInRange(version: string, range: string): boolean {
  const least = /^(\^|>=)(\d+)\.(\d+)/.exec(range);
  const found = /^(\d+)\.(\d+)/.exec(version);
  if (least === null || found === null) return true;
  const [major = 0, minor = 0] = found.slice(1).map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.slice(2).map(Number);
  if (major !== leastMajor) return least[1] === ">=" && major > leastMajor;
  return minor >= leastMinor;
}

function read(path: string | URL): Manifest {
  return JSON.parse(readFileSync(path, "utf8")) as Manifest;
}
