/**
 * A NATS server for tests: private, on a port of this machine only. It is gone when its process is, even if
 * that is killed.
 */

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const program = "nats-server";
const cache = join(import.meta.dirname, "../../../../node_modules/.cache/nats");

/**
 * The program of a NATS server: of this machine, or fetched as a package of Debian where that is possible; null if
 * there is none to be had.
 */
export function findNats(): string | null {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const places = [...directories, "/opt/homebrew/bin", join(cache, "usr/sbin")].map((path) => join(path, program));
  return places.find(isThere) ?? fetchNats();
}

/** Unpacks the package of the distribution, without installing it. */
function fetchNats(): string | null {
  if (process.platform !== "linux") return null;
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, "fetching-"));
  try {
    const options = { cwd: directory, stdio: "ignore", timeout: 60_000 } as const;
    execFileSync("apt-get", ["download", program], options);
    const [file = ""] = readdirSync(directory);
    execFileSync("dpkg", ["-x", file, "unpacked"], options);
    // Whoever is first: the others have fetched the same.
    if (!isThere(join(cache, "usr/sbin", program))) renameSync(join(directory, "unpacked/usr"), join(cache, "usr"));
  } catch {
    // Another system, no network, or somebody was faster.
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const fetched = join(cache, "usr/sbin", program);
  return isThere(fetched) ? fetched : null;
}

function isThere(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A server. */
export class NatsServer {
  readonly #program: string;
  readonly #directory: string;
  #process: ChildProcess | null = null;
  #port = -1;

  private constructor(path: string) {
    this.#program = path;
    this.#directory = mkdtempSync(join(tmpdir(), "durable-object-nats-"));
  }

  /**
   * Makes a server and starts it.
   *
   * @param path - what `findNats` has returned
   * @param configuration - as of the server's file, besides the address
   */
  static async create(path: string, configuration = ""): Promise<NatsServer> {
    const server = new NatsServer(path);
    server.configure(configuration);
    await server.start();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  /** `host:port`. */
  get url(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** What the server is told when it starts the next time. */
  configure(configuration: string): void {
    writeFileSync(join(this.#directory, "server.conf"), `${configuration}\n`);
  }

  /** Starts it, on the port it had before; resolves when it takes connections. */
  async start(): Promise<void> {
    const options = [
      "--addr",
      "127.0.0.1",
      "--port",
      `${this.#port}`,
      "--config",
      join(this.#directory, "server.conf"),
    ];
    // The shell ends the server when whoever started it goes away, for whatever reason.
    const script = '"$@" & server=$!; read -r _; kill -s KILL $server; wait $server';
    const started = spawn("/bin/sh", ["-c", script, "sh", this.#program, ...options], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    this.#process = started;
    await new Promise<void>((resolve, reject) => {
      let log = "";
      started.stderr.setEncoding("utf8").on("data", (text: string) => {
        log = `${log}${text}`.slice(-10_000);
        this.#port = Number(/Listening for client connections on .*:(\d+)/.exec(log)?.[1] ?? this.#port);
        if (log.includes("Server is ready")) resolve();
      });
      started.once("close", () => reject(new Error(`NATS did not start: ${log}`)));
    });
  }

  /** Kills it: whatever it was doing is lost. Resolves when it is gone. */
  async kill(): Promise<void> {
    const stopping = this.#process;
    this.#process = null;
    if (stopping === null) return;
    const closed = once(stopping, "close");
    stopping.stdin?.end("\n");
    await closed;
  }

  /** Stops it and removes what it has left. */
  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
