/**
 * The servers a cluster needs: those that DATABASE_URL and NATS_URL name, or else private ones of this machine's own
 * programs, which are gone, with all they have stored, when this process is.
 */

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, chownSync, constants, globSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Servers that are there. */
export interface Servers {
  readonly database: string;
  /** Null if there is no NATS: the nodes talk to each other directly. */
  readonly nats: string | null;
  stop(): Promise<void>;
}

/** A server cannot be had here; the message says what to do about it. */
export class NoServer extends Error {}

/** @param directory - where private servers keep their files */
export async function findServers(directory: string): Promise<Servers> {
  const own: ChildProcess[] = [];
  const database = process.env["DATABASE_URL"] ?? (await startPostgres(directory, own));
  const nats = process.env["NATS_URL"] ?? (await startNats(own));
  return {
    database,
    nats,
    async stop() {
      await Promise.all(
        own.map(async (server) => {
          const closed = once(server, "close");
          server.stdin?.end();
          await closed;
        }),
      );
    },
  };
}

async function startPostgres(directory: string, own: ChildProcess[]): Promise<string> {
  const versionIn = (place: string): number => Number(/\/(\d+)\/bin/.exec(place)?.[1] ?? 0);
  const debian = globSync("/usr/lib/postgresql/*/bin").toSorted((a, b) => versionIn(b) - versionIn(a));
  const homebrew = globSync("/{opt/homebrew,usr/local}/opt/postgresql@*/bin");
  // On Debian what is in the PATH is a script of another kind; so the real directories come first.
  const bin = [...debian, ...path(), ...homebrew].find((place) => has(place, "postgres") && has(place, "initdb"));
  if (bin === undefined) {
    throw new NoServer("No PostgreSQL here: install it (apt install postgresql), or set DATABASE_URL to a database.");
  }
  const user = unprivileged();
  const sockets = join(directory, "postgres");
  const data = join(sockets, "data");
  for (const place of [sockets, data]) {
    mkdirSync(place, { mode: 0o700 });
    if (user.uid !== undefined) chownSync(place, user.uid, user.gid ?? 0);
  }
  if (user.uid !== undefined) chownSync(directory, user.uid, user.gid ?? 0);
  const initdb = ["-D", data, "--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"];
  execFileSync(join(bin, "initdb"), initdb, { ...user, cwd: sockets, stdio: ["ignore", "ignore", "inherit"] });
  // No network, only a socket that this user can reach.
  const settings = ["listen_addresses=", `unix_socket_directories=${sockets}`, "max_connections=200"];
  const command = [join(bin, "postgres"), "-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  await start(command, own, /ready to accept connections/, user);
  return `postgres://postgres@localhost/postgres?host=${encodeURIComponent(sockets)}`;
}

async function startNats(own: ChildProcess[]): Promise<string | null> {
  // Where a package puts it, and where the tests of this repository keep one.
  const fetched = join(import.meta.dirname, "../../node_modules/.cache/nats/usr/sbin");
  const place = [...path(), "/usr/sbin", "/opt/homebrew/bin", fetched].find((each) => has(each, "nats-server"));
  if (place === undefined) return null;
  const command = [join(place, "nats-server"), "--addr", "127.0.0.1", "--port", "-1"];
  const log = await start(command, own, /Server is ready/);
  return `127.0.0.1:${/client connections on .*:(\d+)/.exec(log)?.[1]}`;
}

/** Starts a server; resolves to what it has said when it takes connections. */
async function start(command: string[], own: ChildProcess[], ready: RegExp, user: User = {}): Promise<string> {
  // The shell ends the server when this process is gone, for whatever reason.
  const script = '"$@" & server=$!; read -r end; kill -s INT $server; wait $server';
  const server = spawn("/bin/sh", ["-c", script, "sh", ...command], {
    ...user,
    cwd: "/",
    // Ctrl-C in a terminal is for the process that watches; the servers end after the nodes.
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  own.push(server);
  // Before its files are removed.
  process.prependOnceListener("exit", () => end(server));
  return await new Promise((resolve, reject) => {
    let log = "";
    server.stderr.setEncoding("utf8").on("data", (text: string) => {
      log = `${log}${text}`.slice(-10_000);
      if (ready.test(log)) resolve(log);
    });
    server.once("close", () => reject(new NoServer(`${command[0]} did not start:\n${log}`)));
  });
}

/** Kills a server with its shell; it may be gone. */
function end({ pid, exitCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root: then it runs as another user. */
function unprivileged(): User {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (option: string): number => Number(execFileSync("id", [option, name], { stdio: "pipe" }).toString());
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // There is no such user.
    }
  }
  throw new NoServer("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as.");
}

function path(): string[] {
  return (process.env["PATH"] ?? "").split(delimiter);
}

function has(place: string, program: string): boolean {
  try {
    accessSync(join(place, program), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
