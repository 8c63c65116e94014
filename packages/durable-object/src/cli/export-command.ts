/**
 * `export`: objects and their alarms as JSON lines, for a copy, for another store, for other programs. Read page by page
 * beside the application: each object as it was committed at the moment when it was read.
 */

import type { Command } from "commander";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { formatAddress, type Address } from "../core/address.ts";
import { messageOf } from "../core/errors.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import type { InspectedObject, StoreInspector } from "../ports/store-inspector.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { exportedLine, firstLine, lastLine } from "./export-format.ts";
import { CommandFailure } from "./failure.ts";
import { allAlarms, allObjects, inspecting } from "./inspection.ts";
import { Progress } from "./progress.ts";
import type { Shell } from "./shell.ts";
import { countText } from "./table.ts";

interface ExportOptions extends WhichStore {
  readonly type?: string;
  readonly tenant?: string;
  readonly output?: string;
}

export function addExport(program: Command, shell: Shell): void {
  const command = program
    .command("export")
    .description("write objects and their alarms as JSON lines; also while the application runs")
    .option("--type <type>", "only objects of this type")
    .option("--tenant <tenant>", 'only this tenant\'s; "" is the tenant without a name')
    .option("-o, --output <file>", "where to, instead of the standard output")
    .action(async (options: ExportOptions) => await exportAll(shell, options));
  withStoreOptions(command);
}

async function exportAll(shell: Shell, { type, tenant, output, ...which }: ExportOptions): Promise<void> {
  const { cwd, stdout } = shell.surroundings;
  const file = output === undefined ? null : resolve(cwd, output);
  if (file !== null && existsSync(file)) {
    const message = `There is a file ${file} already. Nothing was written. Choose another name, or delete it first.`;
    throw new CommandFailure(exitCodes.usage, "FILE_EXISTS", message);
  }
  await inspecting(shell, which, async (inspector) => {
    const query = { type: type ?? null, tenant: tenant ?? null };
    // Under the name that was asked for there is a whole export, or nothing.
    const partial = `${file}.partial`;
    const to = file === null ? stdout : createWriteStream(partial);
    // A failure is met at the next line, or at the end.
    const met = (): void => {};
    to.on("error", met);
    try {
      const written = await writeAll(shell, inspector, query, to);
      if (file !== null) {
        to.end();
        await finished(to);
        await rename(partial, file);
      }
      const { objects, alarms, unreadable } = written;
      const words = `Exported ${countText(objects, "object")} and ${countText(alarms, "alarm")} of ${inspector.location}`;
      // Idempotency records are as old as a day, and belong to calls that somebody made to that store.
      const rest = "Recorded replies of calls with an idempotency key are not exported.";
      if (file === null) shell.note(`${words}. ${rest}`);
      else shell.result({ file, objects, alarms, unreadable }, () => `${words} to ${file}. ${rest}`);
      if (unreadable.length === 0) return;
      shell.exitCode = exitCodes.found;
      const some = unreadable.slice(0, 5).join(", ");
      shell.note(`Left out, because what is stored is no JSON: ${some}${unreadable.length > 5 ? ", …" : ""}.`);
    } catch (error) {
      if (file !== null) {
        to.destroy();
        await rm(partial, { force: true });
      }
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (syscall === undefined) throw error;
      // Whoever reads has seen enough.
      if (file === null && code === "EPIPE") return;
      const where = file ?? "the standard output";
      throw new CommandFailure(exitCodes.unavailable, code ?? "NOT_WRITTEN", `${where}: ${messageOf(error)}`, error);
    }
  });
}

async function writeAll(
  shell: Shell,
  inspector: StoreInspector,
  query: { readonly type: string | null; readonly tenant: string | null },
  to: Writable,
): Promise<{ readonly objects: number; readonly alarms: number; readonly unreadable: readonly string[] }> {
  const count = { objects: 0, alarms: 0, unreadable: [] as string[] };
  const ours = (await inspector.counts()).filter(
    (each) => each.type === (query.type ?? each.type) && each.tenant === (query.tenant ?? each.tenant),
  );
  const progress = new Progress(
    shell,
    "Exporting",
    ours.reduce((sum, { objects }) => sum + objects, 0),
  );
  const write = async (line: string): Promise<void> => {
    if (to.errored !== null) throw to.errored;
    if (!to.write(`${line}\n`)) await once(to, "drain");
  };
  await write(firstLine);
  for await (const { address, object, alarms } of together(inspector, query)) {
    const line = exportedLine(address, object, alarms);
    if (line === null) count.unreadable.push(formatAddress(address));
    else {
      count.objects += 1;
      count.alarms += alarms.length;
      await write(line);
    }
    progress.step();
  }
  await write(lastLine);
  progress.end();
  return count;
}

/** Objects with their alarms. Both come in the order of addresses, so that neither has to be kept. */
async function* together(
  inspector: StoreInspector,
  query: { readonly type: string | null; readonly tenant: string | null },
): AsyncGenerator<{
  readonly address: Address;
  readonly object: InspectedObject | null;
  readonly alarms: readonly AddressedAlarm[];
}> {
  const rest = allAlarms(inspector, { ...query, id: null, status: null });
  let ahead = await rest.next();
  const take = async (address: Address): Promise<readonly AddressedAlarm[]> => {
    const own: AddressedAlarm[] = [];
    while (ahead.done !== true && compareAddresses(ahead.value.address, address) === 0) {
      own.push(ahead.value);
      ahead = await rest.next();
    }
    return own;
  };
  for await (const object of allObjects(inspector, query)) {
    // Alarms of which there is no object, or only since a moment ago.
    while (ahead.done !== true && compareAddresses(ahead.value.address, object.address) < 0) {
      const { address } = ahead.value;
      yield { address, object: null, alarms: await take(address) };
    }
    yield { address: object.address, object, alarms: await take(object.address) };
  }
  while (ahead.done !== true) {
    const { address } = ahead.value;
    yield { address, object: null, alarms: await take(address) };
  }
}

/** In the order of the stores: tenant, type and id, by their UTF-8 bytes. */
function compareAddresses(a: Address, b: Address): number {
  return compareBytes(a.tenant, b.tenant) || compareBytes(a.type, b.type) || compareBytes(a.id, b.id);
}

function compareBytes(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
