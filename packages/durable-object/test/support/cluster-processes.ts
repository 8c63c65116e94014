/**
 * A cluster of real processes: a PostgreSQL server of its own, a message broker of its own if there is one, and nodes
 * that reach both through lines that a test can cut. Everything ends with it, and with the process that made it.
 *
 * ```ts
 * await using processes = await ClusterProcesses.create({ leaseMs: 3_000, transport: "nats" });
 * const [first, second] = await processes.join(2);
 * await first.call({ type: "counter", id: "a", handler: "increment", args: [1] });
 * first.pause();
 * ```
 *
 * With the transport `null` a node is a process by itself, which owns everything.
 */

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "pg";
import type { NodeEvent } from "../fixtures/cluster-node.ts";
import { ClusterLine } from "./cluster-line.ts";
import { ClusterNode } from "./cluster-node-process.ts";
import { findPostgres, PostgresServer } from "./postgres-server.ts";

/** The schema that the nodes have their tables in. */
export const clusterSchema = "cluster";

/** What a broker has to be able to do. */
export interface ClusterBroker {
  /** Where it listens on this machine; the same after a restart. */
  readonly port: number;
  restart(): Promise<void>;
  dispose(): Promise<void>;
}

/** How a cluster is made. */
export interface ClusterOptions {
  readonly leaseMs: number;
  readonly callTimeoutMs?: number | undefined;
  /** Null: each node is a process by itself. */
  readonly transport: "nats" | "peers" | null;
  /** Starts a broker, for transports that need one. */
  readonly startBroker?: (() => Promise<ClusterBroker>) | undefined;
  /** Hears what happens in the nodes. */
  readonly hear?: ((node: ClusterNode, event: NodeEvent) => void) | undefined;
}

/** A cluster. */
export class ClusterProcesses implements AsyncDisposable {
  readonly leaseMs: number;
  readonly postgres: PostgresServer;
  readonly broker: ClusterBroker | null;
  readonly #options: ClusterOptions;
  readonly #directory: string;
  readonly #nodes: ClusterNode[] = [];
  readonly #pool: Pool;
  #started = 0;

  private constructor(
    options: ClusterOptions,
    directory: string,
    postgres: PostgresServer,
    broker: ClusterBroker | null,
  ) {
    this.leaseMs = options.leaseMs;
    this.#options = options;
    this.#directory = directory;
    this.postgres = postgres;
    this.broker = broker;
    this.#pool = new Pool({ connectionString: postgres.url(), max: 4 });
    // Connections that nobody uses are lost when the server is restarted.
    this.#pool.on("error", () => undefined);
  }

  /** Starts the servers, without a node. */
  static async create(options: ClusterOptions): Promise<ClusterProcesses> {
    const programs = findPostgres();
    if (programs === null) throw new Error("there is no PostgreSQL on this machine");
    const postgres = await PostgresServer.create(programs);
    const broker = (await options.startBroker?.()) ?? null;
    const directory = mkdtempSync(join(tmpdir(), "durable-object-cluster-"));
    return new ClusterProcesses(options, directory, postgres, broker);
  }

  /** The nodes that were started and are not gone. */
  get nodes(): readonly ClusterNode[] {
    return this.#nodes.filter(({ state }) => state !== "gone");
  }

  /** The nodes that take calls, as far as one who spreads calls over nodes can know: a paused one does not tell. */
  get open(): readonly ClusterNode[] {
    return this.#nodes.filter(({ state }) => state === "up" || state === "paused");
  }

  /** How nodes have ended that should not have. */
  get crashes(): readonly string[] {
    return this.#nodes.flatMap(({ crashed }) => (crashed === null ? [] : [crashed]));
  }

  /** Has nodes join, and waits until they are up. */
  async join(count: number): Promise<readonly ClusterNode[]> {
    return await Promise.all(Array.from({ length: count }, () => this.start()));
  }

  /**
   * Starts a node; resolves when it is up, rejects if it died before. The cluster has it among its nodes from now on.
   *
   * @param machine - `shared`: others on it find out at once that the process is no more; `own`: only its silence tells
   */
  async start(machine: "own" | "shared" = "own"): Promise<ClusterNode> {
    const { hear = () => undefined, callTimeoutMs = 5_000 } = this.#options;
    const { transport } = this.#options;
    const directory = new URL(this.postgres.url()).searchParams.get("host") ?? "";
    const postgres = await ClusterLine.create({ path: join(directory, ".s.PGSQL.5432") });
    // Without a broker others connect to the node itself, over its line.
    const brokerPort = this.broker?.port ?? (transport === "peers" ? await freePort() : 0);
    const broker = transport === null ? null : await ClusterLine.create({ port: brokerPort, host: "127.0.0.1" });
    const linePort = broker?.port ?? 0;
    const label = `node-${(this.#started += 1)}`;
    const node: ClusterNode = new ClusterNode({
      label,
      postgres,
      broker,
      cache: join(this.#directory, "compile-cache"),
      hear: (event) => hear(node, event),
    });
    this.#nodes.push(node);
    const byKind = {
      nats: { kind: "nats", servers: `127.0.0.1:${linePort}` },
      peers: { kind: "peers", port: brokerPort, url: `ws://127.0.0.1:${linePort}` },
    } as const;
    await node.start({
      name: label,
      machine: machine === "own" ? label : null,
      // The name is what the database calls its connections (`cluster-audit.ts`).
      url: `postgres://postgres@127.0.0.1:${postgres.port}/postgres?application_name=${encodeURIComponent(label)}`,
      schema: clusterSchema,
      leaseMs: this.leaseMs,
      callTimeoutMs,
      transport: transport === null ? null : byKind[transport],
    });
    return node;
  }

  /** Restarts PostgreSQL: `immediate` as a crash would, `fast` in order. Resolves when it takes connections again. */
  async restartPostgres(how: "immediate" | "fast"): Promise<void> {
    await this.postgres.stop(how);
    await this.postgres.start();
  }

  /** Runs one statement as an administrator, past all lines. It waits out a restart. */
  async sql(text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    for (;;) {
      try {
        return (await this.#pool.query<Record<string, unknown>>(text, [...values])).rows;
      } catch (error) {
        // The connection was lost, or there is none just now; what the server says to a statement is another matter.
        const { code = "" } = error as { readonly code?: string };
        const isServers = /^[0-9A-Z]{5}$/.test(code) && !/^(?:57P|08|53)/.test(code);
        if (isServers || this.#pool.ended) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Whether a node has a row: without one it owns nothing and can write nothing. It gets another one when it joins again. */
  async isMember({ node, label }: ClusterNode): Promise<boolean> {
    const [row] = await this.sql(
      `SELECT count(*)::int AS rows FROM ${clusterSchema}.durable_object_nodes WHERE name = $1 OR name LIKE $2`,
      [node, `${label}.%`],
    );
    return row?.["rows"] !== 0;
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.#pool.end();
    await Promise.all([this.postgres.dispose(), this.broker?.dispose()]);
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A port of this machine that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
