/**
 * A SQLite connection in a worker thread, from outside: each call is a message and its answer another one.
 *
 * The worker takes the calls in order, so what is closed last sees everything before it. It keeps the
 * process alive only while a call is on its way. When the worker dies, nobody knows what became of a commit
 * it had: that call and all later ones fail, and the file can be opened anew once this store is closed.
 */

import { Worker } from "node:worker_threads";
import type { Address } from "../core/address.ts";
import { messageOf } from "../core/errors.ts";
import type {
  AddressedAlarm,
  CommitBatch,
  CommitResult,
  DeadAlarmsQuery,
  DueAlarmsQuery,
  ObjectListing,
  ObjectListQuery,
  RecordedReply,
  StoredAlarm,
  StoredObject,
} from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { reviveError } from "./sqlite-failure.ts";
import type { SqliteConnectionSettings, Sweep } from "./sqlite-connection.ts";
import type { SqliteWorkerAnswer, SqliteWorkerCall } from "./sqlite-worker-thread.ts";

interface PendingCall {
  readonly call: SqliteWorkerCall["call"];
  readonly resolve: (answer: unknown) => void;
  readonly reject: (failure: StoreFailure) => void;
}

/** The thread's file has the ending of this one: `.ts` in the sources, `.js` in the package. */
const threadUrl = new URL(`./sqlite-worker-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export class SqliteWorker {
  readonly #path: string;
  readonly #worker: Worker;
  /** In the order in which they were sent, which is the order of the answers. */
  readonly #pending: PendingCall[] = [];
  /** Why the worker is dead; null while it lives. */
  #death: string | null = null;

  private constructor(path: string, worker: Worker) {
    this.#path = path;
    this.#worker = worker;
    worker.on("message", (answer: SqliteWorkerAnswer) => this.#receive(answer));
    worker.on("messageerror", (error) => this.#die(messageOf(error)));
    worker.on("error", (error) => this.#die(messageOf(error)));
    worker.on("exit", (code) => this.#die(`it ended with code ${code}`));
  }

  /**
   * Starts a worker and opens the file in it.
   *
   * @param thread - what the worker runs
   * @throws {@link StoreFailure}
   */
  static async open(settings: SqliteConnectionSettings, thread: URL = threadUrl): Promise<SqliteWorker> {
    const worker = new SqliteWorker(settings.path, new Worker(thread, { name: "durable-object-sqlite" }));
    try {
      await worker.#call("open", settings);
      return worker;
    } catch (error) {
      await worker.#worker.terminate();
      throw error;
    }
  }

  load(addresses: readonly Address[]): Promise<readonly (StoredObject | null)[]> {
    return this.#call("load", addresses);
  }

  commit(batch: CommitBatch): Promise<CommitResult> {
    return this.#call("commit", batch);
  }

  findReply(address: Address, key: string, now: number): Promise<RecordedReply | null> {
    return this.#call("findReply", address, key, now);
  }

  listAlarms(address: Address): Promise<readonly StoredAlarm[]> {
    return this.#call("listAlarms", address);
  }

  dueAlarms(query: DueAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    return this.#call("dueAlarms", query);
  }

  nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    return this.#call("nextDueAfter", types, after);
  }

  dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    return this.#call("dueTenants", type, dueBy);
  }

  alarmTypes(): Promise<readonly string[]> {
    return this.#call("alarmTypes");
  }

  deadAlarms(query: DeadAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    return this.#call("deadAlarms", query);
  }

  listObjects(query: ObjectListQuery): Promise<readonly ObjectListing[]> {
    return this.#call("listObjects", query);
  }

  sweep(sweep: Sweep): Promise<number> {
    return this.#call("sweep", sweep);
  }

  /** Closes the file and ends the worker; a worker that is dead already has closed it. */
  async close(clean: boolean): Promise<void> {
    try {
      if (this.#death === null) await this.#call("close", clean);
    } finally {
      await this.#worker.terminate();
    }
  }

  #call<Answer>(call: SqliteWorkerCall["call"], ...args: readonly unknown[]): Promise<Answer> {
    if (this.#death !== null) return Promise.reject(this.#dead(this.#death, false));
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ call, args } satisfies SqliteWorkerCall);
      this.#worker.ref();
      this.#pending.push({ call, resolve: resolve as (answer: unknown) => void, reject });
    });
  }

  #receive(answer: SqliteWorkerAnswer): void {
    const pending = this.#pending.shift();
    if (this.#pending.length === 0) this.#worker.unref();
    if (answer.failure === null) {
      pending?.resolve(answer.value);
      return;
    }
    const { kind, code, message, maybeApplied, write, cause } = answer.failure;
    const details = { maybeApplied, write, cause: reviveError(cause) };
    pending?.reject(new StoreFailure(kind, code, message, details));
  }

  #die(reason: string): void {
    // An error is followed by an exit; the first one says more.
    this.#death ??= reason;
    for (const { call, reject } of this.#pending.splice(0)) reject(this.#dead(this.#death, call === "commit"));
  }

  #dead(reason: string, maybeApplied: boolean): StoreFailure {
    return new StoreFailure(
      "lost",
      "STORE_UNAVAILABLE",
      `The worker thread that writes ${this.#path} is gone: ${reason}. Stop this runtime and start it again.`,
      { maybeApplied },
    );
  }
}
