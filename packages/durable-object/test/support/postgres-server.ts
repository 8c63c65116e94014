/**
 * A PostgreSQL server for tests: private, in a directory of its own, on a Unix socket only. It is gone when
 * its process is, even if that is killed. What makes a server durable is off: no test cuts the power.
 */

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, chownSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

const settings = {
  listen_addresses: "",
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

/** A server. */
export class PostgresServer {
  readonly #bin: string;
  readonly #directory: string;
  readonly #user: { readonly uid?: number; readonly gid?: number };
  #process: ChildProcess | null = null;

  private constructor(bin: string, directory: string) {
    this.#bin = bin;
    this.#directory = directory;
    this.#user = unprivileged();
    if (this.#user.uid !== undefined) chownSync(directory, this.#user.uid, this.#user.gid ?? 0);
  }

  /**
   * Makes a server and starts it.
   *
   * @param bin - what `findPostgres` has returned
   */
  static async create(bin: string): Promise<PostgresServer> {
    const server = new PostgresServer(bin, mkdtempSync(join(tmpdir(), "durable-object-postgres-")));
    const options = ["--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"];
    execFileSync(join(bin, "initdb"), [`--pgdata=${server.#data}`, ...options], {
      ...server.#user,
      cwd: server.#directory,
      stdio: ["ignore", "ignore", "inherit"],
    });
    await server.start();
    return server;
  }

  get #data(): string {
    return join(this.#directory, "data");
  }

  /** The file of the Unix socket. */
  get socket(): string {
    return join(this.#directory, ".s.PGSQL.5432");
  }

  /** The URL of a database, `postgres` unless said otherwise. */
  url(database = "postgres"): string {
    return `postgres://postgres@localhost/${database}?host=${encodeURIComponent(this.#directory)}`;
  }

  /** Starts it; resolves when it takes connections. */
  async start(): Promise<void> {
    const all = { ...settings, unix_socket_directories: this.#directory };
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
        if (log.includes("ready to accept connections")) resolve();
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
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
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
