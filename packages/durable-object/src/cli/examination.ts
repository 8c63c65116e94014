/** What `doctor` looks at, in the order in which one thing needs another. */

import process from "node:process";
import { messageOf } from "../core/errors.ts";
import { StoreFailure, type ObjectStore } from "../ports/object-store.ts";
import type { InspectableStore, StoreFinding, StoreInspector } from "../ports/store-inspector.ts";
import { DefinitionTable } from "../runtime/definition-table.ts";
import { resolveOptions, type RuntimeOptions } from "../runtime/options.ts";
import { findConfiguration, findStore, type WhichStore } from "./configuration.ts";
import { installedVersion, isInRange, neededRange } from "./installed-package.ts";
import type { Shell } from "./shell.ts";
import { countText, timeText } from "./table.ts";

/** Node.js from which on the package works: `node:sqlite`, and TypeScript without a flag. */
const oldestNode = [22, 18] as const;

/** Looks at everything. Does not throw: whatever fails is a finding. */
export async function examine(shell: Shell, which: WhichStore): Promise<readonly StoreFinding[]> {
  const findings: StoreFinding[] = [nodeFinding(process.versions.node)];
  const application = await examineConfiguration(shell, which, findings);
  const store = await chooseStore(shell, which, application, findings);
  for (const name of packagesOf(application, store)) findings.push(packageFinding(name));
  if (store !== null) await examineStore(store, findings);
  const transport = application?.cluster?.transport;
  if (transport?.diagnose !== undefined) findings.push(...(await transport.diagnose()));
  return findings;
}

function nodeFinding(version: string): StoreFinding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1]);
  if (!isOld) return finding("node", "ok", `Node.js ${version}`);
  return finding("node", "error", `Node.js ${version}`, `Use Node.js ${oldestNode.join(".")} or newer.`);
}

/** The configuration; null if there is none, or none that can be used. */
async function examineConfiguration(
  shell: Shell,
  which: WhichStore,
  findings: StoreFinding[],
): Promise<RuntimeOptions | null> {
  let found: RuntimeOptions | null;
  try {
    found = await findConfiguration(shell, which);
  } catch (error) {
    findings.push(finding("configuration", "error", messageOf(error), "Mend the file, or name another with --config."));
    return null;
  }
  if (found === null) {
    const message = "There is no durable-object.config.ts here.";
    // Whoever names a store may have no application here.
    const isNeeded = which.store === undefined;
    const advice = isNeeded ? "`npx durable-object init` makes one." : null;
    findings.push(finding("configuration", isNeeded ? "warning" : "ok", message, advice));
    return null;
  }
  try {
    const { objects } = resolveOptions(found);
    const names = [...new DefinitionTable(objects)].map(({ name }) => name);
    findings.push(finding("configuration", "ok", "The configuration can be loaded."));
    findings.push(finding("definitions", "ok", `${countText(names.length, "type")}: ${names.join(", ")}`));
  } catch (error) {
    findings.push(finding("configuration", "error", messageOf(error), "createRuntime would refuse it for the same."));
  }
  return found;
}

async function chooseStore(
  shell: Shell,
  which: WhichStore,
  application: RuntimeOptions | null,
  findings: StoreFinding[],
): Promise<ObjectStore | null> {
  try {
    if (which.store === undefined && application !== null) return await findStore(shell, which);
    // A configuration that cannot be loaded was told of already.
    const hasUrl = which.store !== undefined || (shell.surroundings.env["DATABASE_URL"] ?? "") !== "";
    if (hasUrl) return await findStore(shell, withoutConfig(which, shell));
  } catch (error) {
    findings.push(
      finding(
        "store",
        "error",
        messageOf(error),
        "Name a SQLite file or a PostgreSQL URL with --store, and a --schema with the latter only.",
      ),
    );
    return null;
  }
  const advice = "Name one with --store app.db or --store postgres://…, or set DATABASE_URL.";
  findings.push(finding("store", "error", "There is no store to look at.", advice));
  return null;
}

function withoutConfig(which: WhichStore, { surroundings }: Shell): WhichStore {
  const { store = surroundings.env["DATABASE_URL"] ?? "", schema } = which;
  return schema === undefined ? { store } : { store, schema };
}

/** The optional packages that the store, the transport and the scheduler need. */
function packagesOf(application: RuntimeOptions | null, store: ObjectStore | null): readonly string[] {
  const needed: Readonly<Record<string, string>> = {
    postgres: "pg",
    nats: "@nats-io/transport-node",
    peers: "ws",
    "pg-boss": "pg-boss",
    "graphile-worker": "graphile-worker",
  };
  const parts = [store?.name, application?.cluster?.transport.name, application?.scheduler?.name];
  return parts.flatMap((name) => (name === undefined ? [] : (needed[name] ?? [])));
}

function packageFinding(name: string): StoreFinding {
  const [version, range] = [installedVersion(name), neededRange(name)];
  if (version === null) return finding("package", "error", `${name} is not installed.`, `npm install ${name}`);
  if (isInRange(version, range)) return finding("package", "ok", `${name} ${version}`);
  return finding("package", "warning", `${name} ${version}, and ${range} is needed.`, `npm install "${name}@${range}"`);
}

async function examineStore(store: ObjectStore, findings: StoreFinding[]): Promise<void> {
  if (typeof (store as Partial<InspectableStore>).inspect !== "function") {
    const message = `A store of ${store.name}() lives in its process, and cannot be looked at.`;
    findings.push(finding("store", "warning", message, "Use sqlite() or postgres() for what has to stay."));
    return;
  }
  let inspector: StoreInspector;
  try {
    inspector = await (store as ObjectStore & InspectableStore).inspect();
  } catch (error) {
    const advice = "Is it the right place, does the server run, and are role and password right?";
    findings.push(finding("store", "error", messageOf(error), advice));
    return;
  }
  try {
    findings.push(finding("store", "ok", inspector.location), ...(await inspector.diagnose()));
    for (const [check, look] of Object.entries({
      tables: tablesFinding,
      owner: ownersFinding,
      alarms: alarmsFinding,
    })) {
      const found = await look(inspector).catch((error: unknown) => unread(check, error));
      findings.push(found);
      // What is in tables of another kind cannot be known.
      if (check === "tables" && found.level === "error") break;
    }
  } finally {
    await inspector.close();
  }
}

/** What could not be read just now says less than what cannot be read at all. */
function unread(check: string, error: unknown): StoreFinding {
  const isPassing = error instanceof StoreFailure && error.kind === "retry";
  return finding(check, isPassing ? "warning" : "error", `This could not be found out: ${messageOf(error)}`);
}

async function tablesFinding(inspector: StoreInspector): Promise<StoreFinding> {
  const migrations = await inspector.migrations();
  const missing = migrations.filter(({ state }) => state === "missing");
  const newer = migrations.filter(({ state }) => state === "newer");
  const applied = migrations.length - missing.length;
  if (newer.length > 0) {
    const message = `The tables have version ${newer.at(-1)?.version}, which a newer version of durable-object made.`;
    return finding("tables", "error", message, "Update durable-object.");
  }
  if (migrations.some(({ state }) => state === "changed")) {
    const message = "The tables were not made by this code: a migration has another checksum.";
    return finding("tables", "error", message, "Use another schema or file, or restore a backup.");
  }
  if (missing.length === 0) return finding("tables", "ok", `The tables have version ${applied}, the newest.`);
  const message =
    applied === 0
      ? "There are no tables yet."
      : `The tables have version ${applied}; ${migrations.length} is the newest.`;
  return finding("tables", "warning", message, "Run `npx durable-object migrate`, or start the application.");
}

async function ownersFinding(inspector: StoreInspector): Promise<StoreFinding> {
  const owners = await inspector.owners();
  if (owners.length === 0) return finding("owner", "ok", "Nobody owns it: no application is running.");
  const described = owners.map(
    ({ pid, command, host, node, since, sole, alive }) =>
      `${sole ? "" : `node ${node}, `}pid ${pid} (${command}, host ${host}) since ${timeText(since)}${alive ? "" : ", gone"}`,
  );
  const message = `Owned by ${described.join("; ")}`;
  if (owners.every(({ alive }) => alive)) return finding("owner", "ok", message);
  const advice = "Whoever opens it next takes over; what it did not finish is done again.";
  return finding("owner", owners.some(({ sole }) => sole) ? "warning" : "ok", message, advice);
}

async function alarmsFinding(inspector: StoreInspector): Promise<StoreFinding> {
  const counts = await inspector.counts();
  const sum = (of: "objects" | "alarms" | "dead"): number => counts.reduce((total, count) => total + count[of], 0);
  const message = `${countText(sum("objects"), "object")}, ${countText(sum("alarms"), "alarm")}`;
  if (sum("dead") === 0) return finding("alarms", "ok", message);
  const advice = "`npx durable-object alarms --dead` says why; `redrive` has them tried again.";
  return finding("alarms", "warning", `${message}, of which ${sum("dead")} failed too often and wait.`, advice);
}

function finding(
  check: string,
  level: StoreFinding["level"],
  message: string,
  advice: string | null = null,
): StoreFinding {
  return { check, level, message, advice };
}
