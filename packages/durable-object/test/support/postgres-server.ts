/**
 * A PostgreSQL server for tests and benchmarks: private, with data of its own, on a Unix socket only. It is gone
 * when its process is, even if that is killed. PostgreSQL refuses to run as root; for root it runs as the user
 * `postgres`.
 */

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, chownSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

/** What makes a server durable is off: no test cuts the power. */
const testSettings: PostgresSettings = {
  fsync: "off",
  full_page_writes: "off",
  max_connections: "200",
  shared_buffers: "64MB",
  jit: "off",
  log_min_messages: "log",
};

/** Where the programs of the newest PostgreSQL of this machine are; null if it has none. */
export function findPostgres(): string | null {
  const debian = globSync("/usr/lib/postgresql/*/bin/postgres").toSorted((a, b) => versionIn(b) - versionIn(a));
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "postgres"));
  const homebrew = globSync("/{opt/homebrew,usr/local}/opt/postgresql@*/bin/postgres");
  const found = [...debian, ...onPath, ...homebrew].find(
    (path) => isThere(path) && isThere(join(dirname(path), "initdb")),
  );
  return found === undefined ? null : dirname(found);
}

function versionIn(path: string): number {
  return Number(/\/(\d+)\/bin\//.exec(path)?.[1] ?? 0);
}

function isThere(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Settings that differ from those PostgreSQL comes with. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** How a server is made. */
export interface PostgresServerOptions {
  /** Where its data lie; a directory that its user may reach. Default: that of temporary files. */
  readonly place?: string;
  /** Default: those for tests. */
  readonly settings?: PostgresSettings;
}

/** A server. */
export class PostgresServer {
  readonly #bin: string;
  readonly #settings: PostgresSettings;
  /** Of the Unix socket, whose path may not be long. */
  readonly #directory: string;
  readonly #data: string;
  readonly #user: { readonly uid?: number; readonly gid?: number };
  #process: ChildProcess | null = null;

  private constructor(bin: string, { place = tmpdir(), settings = testSettings }: PostgresServerOptions) {
    this.#bin = bin;
    this.#settings = settings;
    this.#user = unprivileged();
    const own = (directory: string): string => {
      if (this.#user.uid !== undefined) chownSync(directory, this.#user.uid, this.#user.gid ?? 0);
      return directory;
    };
    this.#directory = own(mkdtempSync(join(tmpdir(), "durable-object-")));
    this.#data = own(mkdtempSync(join(place, "durable-object-postgres-")));
  }

  /**
   * Makes a server and starts it.
   *
   * @param bin - what `findPostgres` has returned
   */
  static async create(bin: string, options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const server = new PostgresServer(bin, options);
    const initdb = ["--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"];
    execFileSync(join(bin, "initdb"), [`--pgdata=${server.#data}`, ...initdb], {
      ...server.#user,
      cwd: server.#directory,
      stdio: ["ignore", "ignore", "inherit"],
    });
    await server.start();
    return server;
  }

  /** The URL of a database, `postgres` unless said otherwise. */
  url(database = "postgres"): string {
    return `postgres://postgres@localhost/${database}?host=${encodeURIComponent(this.#directory)}`;
  }

  /**
   * Starts it; resolves when it takes connections.
   *
   * @param as - `standby`: it takes no writes, until somebody calls `pg_promote()`
   */
  async start(as: "primary" | "standby" = "primary"): Promise<void> {
    if (as === "standby") writeFileSync(join(this.#data, "standby.signal"), "");
    const all = { ...this.#settings, listen_addresses: "", unix_socket_directories: this.#directory };
    const options = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    // The shell ends the server when whoever started it goes away, for whatever reason.
    const script =
      '"$@" & server=$!; how=QUIT; read -r how; kill -s "$how" $server || kill -s QUIT $server; wait $server';
    const command = [join(this.#bin, "postgres"), "-D", this.#data, ...options];
    const started = spawn("/bin/sh", ["-c", script, "sh", ...command], {
      ...this.#user,
      cwd: this.#directory,
      stdio: ["pipe", "ignore", "pipe"],
    });
    this.#process = started;
    await new Promise<void>((resolve, reject) => {
      let log = "";
      started.stderr.setEncoding("utf8").on("data", (text: string) => {
        log = `${log}${text}`.slice(-10_000);
        if (/ready to accept (?:read-only )?connections/.test(log)) resolve();
      });
      started.once("close", () => reject(new Error(`PostgreSQL did not start: ${log}`)));
    });
  }

  /** Stops it: `immediate` as a crash would, `fast` in order. Resolves when it is gone. */
  async stop(how: "immediate" | "fast"): Promise<void> {
    const stopping = this.#process;
    this.#process = null;
    if (stopping === null) return;
    const closed = once(stopping, "close");
    stopping.stdin?.end(how === "fast" ? "INT\n" : "QUIT\n");
    await closed;
  }

  /** Stops it and removes its data. */
  async dispose(): Promise<void> {
    await this.stop("immediate");
    this.remove();
  }

  /** Removes its data, without waiting for anything: for the end of a process. */
  remove(): void {
    for (const directory of [this.#data, this.#directory]) {
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const user of ["postgres", "nobody"]) {
    try {
      const id = (option: string): number => Number(execFileSync("id", [option, user], { stdio: "pipe" }).toString());
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // There is no such user.
    }
  }
  throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as");
}
