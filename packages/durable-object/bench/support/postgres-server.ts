/**
 * A PostgreSQL server for a benchmark: a new one with the settings that it comes with, so `fsync` is on, a
 * commit waits for the disk, and autovacuum runs. It takes connections on a Unix socket only, and is gone when
 * this process is.
 *
 * Its data lie beside the results, on the disk that holds the repository. PostgreSQL refuses to run as root; for
 * root it runs as the user `postgres`, who may not reach that place, so its data lie in `/var/tmp` then.
 */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPostgres } from "../../test/support/postgres-server.ts";
import { resultsDirectory } from "./scratch.ts";

/** A server that runs. */
export interface BenchmarkServer {
  /** The URL of its database. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Makes a server and starts it; ends the process if this machine has no PostgreSQL. */
export async function startServer(): Promise<BenchmarkServer> {
  const bin = findPostgres();
  if (bin === null) {
    console.error("This benchmark starts a PostgreSQL server of its own, and this machine has no PostgreSQL.");
    process.exit(1);
  }
  const isRoot = process.getuid?.() === 0;
  const data = mkdtempSync(join(isRoot ? "/var/tmp" : resultsDirectory, "postgres-"));
  // The path of a socket may not be long.
  const socket = mkdtempSync(join(tmpdir(), "durable-object-"));
  const user = isRoot ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  for (const directory of isRoot ? [data, socket] : []) chownSync(directory, user.uid ?? 0, user.gid ?? 0);
  const remove = (): void => {
    for (const directory of [data, socket]) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once("exit", remove);

  const initdb = [`--pgdata=${data}`, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"];
  execFileSync(join(bin, "initdb"), initdb, { ...user, cwd: data, stdio: ["ignore", "ignore", "inherit"] });
  // The shell ends the server when this process goes away, for whatever reason.
  const script = '"$@" & server=$!; read -r _; kill -s INT $server; wait $server';
  const command = [join(bin, "postgres"), "-D", data, "-c", "listen_addresses=", "-k", socket];
  const server = spawn("/bin/sh", ["-c", script, "sh", ...command], {
    ...user,
    cwd: data,
    stdio: ["pipe", "ignore", "pipe"],
  });
  const closed = once(server, "close");
  let log = "";
  await new Promise<void>((resolve, reject) => {
    server.stderr.setEncoding("utf8").on("data", (text: string) => {
      log = `${log}${text}`.slice(-10_000);
      if (log.includes("ready to accept connections")) resolve();
    });
    void closed.then(() => reject(new Error(`PostgreSQL did not start: ${log}`)));
  });
  return {
    url: `postgres://postgres@localhost/postgres?host=${encodeURIComponent(socket)}`,
    async stop() {
      server.stdin.end("\n");
      await closed;
      remove();
    },
  };
}

function idOf(option: "-u" | "-g"): number {
  return Number(execFileSync("id", [option, "postgres"]).toString());
}
