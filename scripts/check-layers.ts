/**
 * Checks that imports go one way, and that files keep the shape the layout promises.
 *
 * The library is five groups of folders. DOORS are what users import or run; the ENGINE is one node; SEAMS
 * are the ports at which engine and ADAPTERS meet, never seeing each other; WORDS run in a browser. The
 * table `folders` is that layout, and the functions below it are its rules. To add a folder, add its row.
 *
 *   node scripts/check-layers.ts
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeLengths, indexProblems, lengthProblems, nameProblems } from "./check/file-shape.ts";
import { cycleProblems } from "./check/import-cycles.ts";
import { lineAt, report, type Problem } from "./check/problem.ts";
import { problemAt, readSources, resolveImport, topFolder, type SourceFile } from "./check/source-file.ts";

type Group = "door" | "engine" | "seam" | "adapter" | "word";

/** A folder of `src`, and all it may import besides itself. */
interface Folder {
  readonly group: Group;
  readonly folders: readonly string[] | "any";
  /** `any` is any package that package.json has as a dependency or a peer. */
  readonly packages: readonly string[] | "any";
  /** Whether it may import `node:` modules. */
  readonly node: boolean;
}

const door: Folder = { group: "door", folders: "any", packages: "any", node: true };

const engine = (...folders: string[]): Folder => ({
  group: "engine",
  folders: [...folders, "ports", "object", "core", "util"],
  packages: [],
  node: true,
});

const adapter = (...packages: string[]): Folder => ({
  group: "adapter",
  folders: ["ports", "core", "util"],
  packages,
  node: true,
});

/** The layout. `.` is `src` itself, with its index.ts. */
const folders: Readonly<Record<string, Folder>> = {
  ".": {
    group: "door",
    folders: ["object", "core", "ports", "alarms", "cluster", "runtime"],
    packages: [],
    node: false,
  },
  http: door,
  client: door,
  testing: door,
  cli: door,
  otel: { group: "door", folders: ["ports", "core"], packages: ["@opentelemetry/api"], node: true },
  mutate: { group: "door", folders: ["object", "core"], packages: ["immer"], node: false },

  runtime: engine("cluster", "alarms", "telemetry"),
  cluster: engine("telemetry"),
  alarms: { ...engine("telemetry"), packages: ["croner"] },
  telemetry: engine(),

  ports: { group: "seam", folders: ["core"], packages: [], node: false },

  memory: adapter(),
  sqlite: adapter("better-sqlite3"),
  postgres: adapter("pg"),
  nats: adapter("@nats-io/transport-node", "@nats-io/nats-core"),
  peers: adapter("ws"),
  "pg-boss": adapter("pg-boss"),
  "graphile-worker": adapter("graphile-worker"),

  object: { group: "word", folders: ["core", "util"], packages: ["@standard-schema/spec"], node: false },
  core: { group: "word", folders: ["util"], packages: [], node: false },
  util: { group: "word", folders: [], packages: [], node: false },
};

/** Who takes time and chance from `core/environment.ts` only, with the one file that asks the system for them. */
const clockless = { groups: new Set<Group>(["engine", "seam", "word"]), folders: new Set(["memory"]) };
const clockFile = "runtime/system-environment.ts";
const clockModules = new Set(["node:timers", "node:timers/promises", "node:perf_hooks"]);
const clocks = [
  /\bDate\.now\b|\bnew\s+Date\s*\(\s*\)|(?<!\bnew\s+)\bDate\s*\(\s*\)/g,
  /(?<![\w$#]|(?<!\bglobalThis)\.)(?:performance\.\w+|setTimeout|setInterval|setImmediate)\b/g,
  /\b(?:Math\.random|randomUUID|randomBytes|randomInt|getRandomValues|process\.hrtime|AbortSignal\.timeout)\b/g,
];

/** Globals that no browser has. */
const nodeGlobals = /(?<![\w$.#])(?:process|Buffer)\b(?=\s*(?:\.|\[|\?\.))/g;

/** Types of the words may speak of each other in circles. */
const circularTypes = "object";

/** What a package says about itself, as far as the layout depends on it. */
interface Manifest {
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Checks a package: a directory that holds `package.json` and `src`. */
export function checkLayers(packageDirectory: string): { problems: Problem[]; summary: string } {
  const manifest = JSON.parse(readFileSync(join(packageDirectory, "package.json"), "utf8")) as Manifest;
  const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));
  const subpaths = Object.keys(manifest.exports ?? {}).filter((subpath) => !subpath.endsWith(".json"));
  const publicFolders = new Set(subpaths.map((subpath) => (subpath === "." ? "." : subpath.slice(2))));
  const files = readSources(join(packageDirectory, "src"));
  const problems = [
    ...files.flatMap((file) => [
      ...importProblems(file, declared),
      ...clockProblems(file),
      ...browserProblems(file),
      ...nameProblems(file),
    ]),
    ...lengthProblems(files),
    ...indexProblems(files, publicFolders),
    ...cycleProblems(
      files,
      (from, to, kind) => kind === "type" && from.folder === circularTypes && to.folder === circularTypes,
    ),
  ];
  return { problems, summary: describeLengths(files) };
}

function importProblems(file: SourceFile, declared: ReadonlySet<string>): Problem[] {
  const row = folders[file.folder];
  if (file.folder === "." && file.path !== "index.ts") {
    return [problemAt(file.path, 1, "layout", "only index.ts stands in src/ itself. Move this file into a folder.")];
  }
  if (row === undefined) {
    const message = `${file.folder}/ is not in the layout. Add its row to scripts/check-layers.ts, or use another folder.`;
    return [problemAt(file.path, 1, "layout", message)];
  }
  return file.imports.flatMap(({ specifier, line }) => {
    const message = specifier.startsWith(".")
      ? folderProblem(file, row, specifier)
      : packageProblem(file, row, specifier, declared);
    return message === null ? [] : [problemAt(file.path, line, "import", message)];
  });
}

function folderProblem(file: SourceFile, row: Folder, specifier: string): string | null {
  const target = resolveImport(file, specifier);
  if (target.startsWith("../")) return `"${specifier}" leaves src/, and only src/ is published.`;
  const folder = topFolder(target);
  if (folder === file.folder || row.folders === "any" || row.folders.includes(folder)) return null;
  const what = folder === "." ? "a file of src/ itself" : `${folder}/`;
  const allowed = row.folders.length === 0 ? "no other folder" : `only ${row.folders.join(", ")}`;
  return `${nameOf(file, row)} may not import ${what}: it may import ${allowed}. Pass it in, or meet at ports/.`;
}

function packageProblem(
  file: SourceFile,
  row: Folder,
  specifier: string,
  declared: ReadonlySet<string>,
): string | null {
  if (specifier.startsWith("node:")) {
    if (row.node) return null;
    return `${nameOf(file, row)} runs in a browser and may not import "${specifier}". Take what it gives as an argument.`;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (row.packages !== "any" && !row.packages.includes(name)) {
    const owners = Object.keys(folders).filter((folder) => folders[folder]?.packages.includes(name));
    const advice =
      owners.length === 0 ? "Its row has to name it first." : `Only ${owners.join(", ")} and some doors may.`;
    return `${nameOf(file, row)} may not import the package "${name}". ${advice}`;
  }
  if (declared.has(name)) return null;
  return `"${name}" is neither a dependency nor a peer dependency. Declare it in package.json.`;
}

function nameOf(file: SourceFile, row: Folder): string {
  return file.folder === "." ? "the root index.ts" : `${file.folder}/ (${row.group})`;
}

function clockProblems(file: SourceFile): Problem[] {
  const group = folders[file.folder]?.group;
  const checked = (group !== undefined && clockless.groups.has(group)) || clockless.folders.has(file.folder);
  if (!checked || file.path === clockFile) return [];
  const advice = "time and chance come in through core/environment.ts. Take an Environment as an argument.";
  const uses = clocks
    .flatMap((pattern) => [...file.code.matchAll(pattern)])
    .map((match) => problemAt(file.path, lineAt(file.code, match.index), "clock", `${match[0]}: ${advice}`));
  const modules = file.imports
    .filter(({ specifier }) => clockModules.has(specifier))
    .map(({ specifier, line }) => problemAt(file.path, line, "clock", `${specifier}: ${advice}`));
  return [...uses, ...modules];
}

function browserProblems(file: SourceFile): Problem[] {
  if (folders[file.folder]?.group !== "word") return [];
  return [...file.code.matchAll(nodeGlobals)].map((match) => {
    const message = `${file.folder}/ runs in a browser, which has no \`${match[0]}\`. Take what it gives as an argument.`;
    return problemAt(file.path, lineAt(file.code, match.index), "browser", message);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const where = "packages/durable-object";
  const { problems, summary } = checkLayers(join(import.meta.dirname, "..", where));
  report(
    problems.map((problem) => ({ ...problem, file: `${where}/${problem.file}` })),
    summary,
  );
}
