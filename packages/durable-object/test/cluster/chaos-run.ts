/**
 * One run of chaos: episodes of one fault or two, each followed by a look whether every object answers again, and by
 * judging the objects that have retired meanwhile. The first violation ends it.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { NodeEvent } from "../fixtures/cluster-node.ts";
import { ClusterAudit, startAudit } from "../support/cluster-audit.ts";
import { Chance } from "../support/cluster-chance.ts";
import { ClusterClients } from "../support/cluster-clients.ts";
import { begin, faults, type Fault, type FaultTarget } from "../support/cluster-faults.ts";
import { ClusterHistory, type FailedAttempt, type ObjectHistory } from "../support/cluster-history.ts";
import { isRung, objectProblem } from "../support/cluster-judge.ts";
import type { ClusterNode } from "../support/cluster-node-process.ts";
import { ClusterProbes } from "../support/cluster-probes.ts";
import { ClusterProcesses, type ClusterOptions } from "../support/cluster-processes.ts";
import { answersEverywhere } from "../support/cluster-service.ts";
import { ClusterWorkload } from "../support/cluster-workload.ts";
import { codesOf, seconds, tableOf, type Episode } from "./chaos-report.ts";

/** What is run. */
export interface ChaosOptions extends Pick<ClusterOptions, "leaseMs" | "transport" | "startBroker"> {
  readonly seed: number;
  readonly minutes: number;
  readonly nodes: number;
  /** At most. */
  readonly faults: number;
  readonly clients: number;
  /** The names of the faults to choose from; null is all. */
  readonly only: readonly string[] | null;
  /** Where the history is written; null writes none. */
  readonly history: string | null;
  print(line: string): void;
}

/** How often two faults strike at once. */
const twoAtOnce = 0.2;
/** After the last fault is over, every object has to answer within so many leases. */
const answersWithinLeases = 3;
/** How long acknowledged alarms may take in the end. */
const ringWithinMs = 60_000;

/** A run. */
export class ChaosRun implements AsyncDisposable {
  readonly #options: ChaosOptions;
  readonly #processes: ClusterProcesses;
  readonly #history: ClusterHistory;
  readonly #chance: Chance;
  readonly #audit: ClusterAudit;
  readonly #episodes: Episode[] = [];
  readonly #problems: string[] = [];
  /** Reminders that nobody asks any more; their alarms may still be about to fire. */
  readonly #reminders: ObjectHistory[] = [];
  readonly #fired = new Set<string>();
  /** When nodes have lost everything they owned. */
  readonly #lost: { readonly atMs: number; readonly label: string }[] = [];
  readonly #target: FaultTarget;
  #judged = 0;

  private constructor(options: ChaosOptions, processes: ClusterProcesses, history: ClusterHistory) {
    this.#options = options;
    this.#processes = processes;
    this.#history = history;
    this.#chance = new Chance(options.seed);
    this.#audit = new ClusterAudit(processes);
    this.#target = {
      processes,
      chance: this.#chance,
      busy: new Set(),
      machines: new Map(),
      // From far shorter than a lease to well past it.
      hold: (_, length) => sleep(this.#chance.between(0.05, length === "a moment" ? 0.3 : 2.2) * options.leaseMs),
    };
  }

  /** Starts the servers and the nodes. */
  static async create(options: ChaosOptions): Promise<ChaosRun> {
    const history = new ClusterHistory(options.history);
    const { leaseMs, transport, startBroker } = options;
    const hear = (node: ClusterNode, event: NodeEvent): void => run.#hear(node, event);
    const processes = await ClusterProcesses.create({ leaseMs, transport, startBroker, hear });
    const run = new ChaosRun(options, processes, history);
    // The first one makes the tables.
    await begin(run.#target, "own");
    await startAudit(processes);
    await Promise.all(
      Array.from({ length: options.nodes - 1 }, (_, index) => begin(run.#target, index % 2 === 0 ? "shared" : "own")),
    );
    return run;
  }

  #hear(node: ClusterNode, event: NodeEvent): void {
    const { label } = node;
    const atMs = Math.round(this.#history.nowMs);
    this.#history.note({ what: "event", atMs, node: label, ...event });
    if (event.event === "fired") this.#fired.add(`${event.id} ${event.fired.entry}`);
    else if (event.event === "ownership" && event.change === "lost") this.#lost.push({ atMs, label });
  }

  /** Runs; resolves with what was violated. */
  async run(): Promise<readonly string[]> {
    const { seed, minutes, clients: count, print } = this.#options;
    const parts = { processes: this.#processes, history: this.#history, chance: new Chance(seed + 1) };
    const workload = new ClusterWorkload(new Chance(seed + 2));
    const clients = new ClusterClients({ ...parts, workload }, { clients: count, thinkMs: 15, patienceMs: 6_000 });
    const probes = new ClusterProbes({ ...parts, chance: new Chance(seed + 3) }, 16);
    const endMs = this.#history.nowMs + minutes * 60_000;
    print(
      `chaos --seed ${seed}: ${this.#processes.nodes.length} nodes, ${count} clients, lease ${this.#options.leaseMs} ms`,
    );
    while (
      this.#problems.length === 0 &&
      this.#history.nowMs < endMs &&
      this.#episodes.flatMap(({ faults: struck }) => struck).length < this.#options.faults
    ) {
      await this.#episode(workload, probes);
      for (const object of [...workload.takeRetired(), ...probes.takeRetired()]) await this.#judge(object);
      this.#problems.push(...this.#processes.crashes);
    }
    await Promise.all([clients.stop(), probes.stop()]);
    await this.#judgeRest([...workload.takeRest(), ...probes.takeRest()]);
    this.#report();
    return this.#problems;
  }

  async #episode(workload: ClusterWorkload, probes: ClusterProbes): Promise<void> {
    await sleep(this.#chance.between(0.1, 0.4) * this.#options.leaseMs);
    const struck = this.#draw();
    const names = struck.map(({ name }) => name);
    const startMs = this.#history.nowMs;
    const known = this.#history.failures.length;
    this.#history.note({ what: "fault", atMs: Math.round(startMs), faults: names });
    await Promise.all(struck.map((fault) => fault.strike(this.#target)));
    this.#history.note({ what: "healed", atMs: Math.round(this.#history.nowMs), faults: names });
    const within = answersWithinLeases * this.#options.leaseMs;
    const objects = [...workload.current, ...probes.current];
    const answers = await answersEverywhere(this.#processes, objects, 10 * within);
    const failures = this.#history.failures.slice(known).filter(({ calledMs }) => calledMs >= startMs);
    const episode = {
      faults: names,
      failures,
      longestGapMs: probes.longestGapMs(startMs, this.#history.nowMs),
      answersAfterMs: answers.afterMs,
    };
    this.#episodes.push(episode);
    this.#options.print(
      `${String(this.#episodes.length).padStart(4)}  ${names.join(" + ").padEnd(36)} ` +
        `without service ${seconds(episode.longestGapMs)}, answers after ${seconds(answers.afterMs)}, ` +
        `${failures.length} failed: ${codesOf(failures)}`,
    );
    if (answers.missing !== null || answers.afterMs > within) {
      this.#problems.push(
        `after "${names.join(" + ")}" not every object answered within ${seconds(within)}, but after ` +
          `${seconds(answers.afterMs)}: ${answers.missing ?? answers.last}`,
      );
    }
    const unexpected = failures.filter((failure) => !isImpatience(failure));
    if (struck.every(({ isQuiet }) => isQuiet) && unexpected.length > 0) {
      const [first] = unexpected;
      this.#problems.push(
        `"${names.join(" + ")}" let ${unexpected.length} calls fail: ${codesOf(unexpected)}; the first one at ` +
          `${first?.label}, ${first?.object}: ${first?.message}${this.#lostSince(startMs)}`,
      );
    }
  }

  /** Nodes that lost what they owned: on a machine that is too busy they cannot keep their leases. */
  #lostSince(startMs: number): string {
    const labels = this.#lost.filter(({ atMs }) => atMs >= startMs).map(({ label }) => label);
    return labels.length === 0 ? "" : ` (Meanwhile ${labels.join(", ")} lost what they owned.)`;
  }

  /** One fault, or two that have nothing in common. */
  #draw(): Fault[] {
    const { only, nodes } = this.#options;
    const has = { nothing: true, broker: this.#processes.broker !== null, cluster: nodes > 1, alone: nodes === 1 };
    const possible = faults.filter(({ needs, name }) => has[needs] && (only === null || only.includes(name)));
    const first = this.#chance.pick(possible);
    const others = possible.filter(({ uses }) => uses !== first.uses || (uses === "node" && nodes > 3));
    if (others.length === 0 || nodes < 2 || this.#chance.number() >= twoAtOnce) return [first];
    return [first, this.#chance.pick(others)];
  }

  /** Judges an object that nobody asks any more, or leaves it for later if its alarms are still to fire. */
  async #judge(object: ObjectHistory): Promise<void> {
    if (object.type === "reminder" && !(await isRung(object, this.#audit))) {
      this.#reminders.push(object);
      return;
    }
    const problem = await objectProblem(object, this.#audit, (id, entry) => this.#fired.has(`${id} ${entry}`));
    if (problem !== null) this.#problems.push(problem);
    this.#judged += 1;
  }

  async #judgeRest(objects: readonly ObjectHistory[]): Promise<void> {
    const waiting = [...objects, ...this.#reminders.splice(0)].filter(({ type }) => type === "reminder");
    const endMs = this.#history.nowMs + ringWithinMs;
    for (const reminder of waiting) {
      while (!(await isRung(reminder, this.#audit)) && this.#history.nowMs < endMs) await sleep(100);
      const problem = await objectProblem(reminder, this.#audit, (id, entry) => this.#fired.has(`${id} ${entry}`));
      if (problem !== null) this.#problems.push(problem);
      this.#judged += 1;
    }
    for (const object of objects) if (object.type !== "reminder") await this.#judge(object);
    this.#problems.push(...this.#processes.crashes.filter((crash) => !this.#problems.includes(crash)));
  }

  #report(): void {
    const { print, seed } = this.#options;
    const { operations, acknowledged, unknown, notApplied } = this.#history;
    print(`\n${tableOf(this.#episodes)}\n`);
    print(
      `${operations} operations on ${this.#judged} judged objects: ${acknowledged} acknowledged, ${notApplied} not ` +
        `applied, ${unknown} unknown; ${this.#fired.size} alarms fired.`,
    );
    for (const problem of this.#problems) print(`\nVIOLATION (seed ${seed}): ${problem}`);
    if (this.#problems.length === 0) print("Nothing was violated.");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes[Symbol.asyncDispose]();
    await this.#history.close();
  }
}

/** Whether a probe did not wait for as long as a client would: that is latency, which the table tells. */
function isImpatience({ object, code }: FailedAttempt): boolean {
  return code === "CALL_TIMEOUT" && object.startsWith("counter/probe-");
}
