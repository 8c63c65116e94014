/** The cluster in a terminal: a line for each node, drawn again and again, and a key for each command. */

import { emitKeypressEvents, type Key } from "node:readline";
import { styleText } from "node:util";
import type { NodePicture } from "./picture.ts";
import { shown } from "./story.ts";
import type { Command, Scene } from "./watch.ts";

const commands: Readonly<Record<string, Command>> = { k: "kill", s: "stop", p: "pause", a: "add" };
/** How many slots a character of a bar stands for. */
const slotsPerCharacter = 16;
const dim = (text: string): string => styleText("dim", text);

/** The terminal this process was started in. */
export class Terminal {
  readonly #title: string;
  readonly #command: (command: Command, node: string | null) => void;
  /** The names of the nodes, and that of the chosen one. */
  #names: readonly string[] = [];
  #chosen: string | null = null;
  #isOver = false;
  #press = (): void => {};
  readonly #hear = (_text: string, { name, ctrl }: Key): void => {
    this.#key(name === "c" && ctrl ? "q" : (name ?? ""));
    this.#press();
  };

  constructor(title: string, command: (command: Command, node: string | null) => void) {
    this.#title = title;
    this.#command = command;
    // A screen of its own: what was in the terminal before is there again afterwards.
    process.stdout.write("\u001b[?1049h\u001b[?25l");
    emitKeypressEvents(process.stdin);
    process.stdin.setRawMode(true).resume().on("keypress", this.#hear);
    process.once("exit", () => this.close());
  }

  /** Whether somebody wants to quit. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when a key is pressed. */
  pressed(): Promise<void> {
    return new Promise((resolve) => (this.#press = resolve));
  }

  close(): void {
    if (!process.stdin.isRaw) return;
    process.stdin.off("keypress", this.#hear).setRawMode(false).pause();
    process.stdout.write("\u001b[?25h\u001b[?1049l");
  }

  draw({ picture: { nodes, comparison }, events }: Scene): void {
    this.#names = nodes.map(({ name }) => name);
    if (this.#chosen === null || !this.#names.includes(this.#chosen)) this.#chosen = this.#names[0] ?? null;
    const { acknowledged, found, lost, twice, unknown } = comparison;
    const isSound = lost === 0 && twice === 0;
    const total = `acknowledged ${grouped(acknowledged)} · in the database ${grouped(found)}`;
    const broken = `lost ${lost} · applied twice ${twice}`;
    const lines = [
      styleText("bold", this.#title),
      "",
      dim("   node     pid  slots                        calls/s  failed  longest wait  renewed"),
      ...nodes.map((node) => this.#line(node, node.name === this.#chosen)),
      "",
      `${total} · ${styleText(isSound ? "green" : "red", broken)} ${dim(`(${unknown} under way or unknown)`)}`,
      "",
      ...events.map((event) => dim(event.slice(0, process.stdout.columns))),
      "",
      "↑↓ choose   k kill -9   s stop   p pause, go on   a add   q quit",
    ];
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join("")}\u001b[J`);
  }

  #line(node: NodePicture, isChosen: boolean): string {
    const { name, pid, phase, slots, callsPerSecond, failures, longestMs, silentMs } = node;
    const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
    const bar = "█".repeat(Math.ceil(slots / slotsPerCharacter)).slice(0, 20);
    const cells = [
      name.padEnd(4),
      String(pid).padStart(7),
      `  ${bar.padEnd(20)} ${String(slots).padStart(5)}`,
      String(callsPerSecond).padStart(10),
      String(failed).padStart(7),
      shown(longestMs).padStart(13),
      (silentMs === null ? "–" : `${(silentMs / 1_000).toFixed(1)} s ago`).padStart(12),
      phase === "running" ? "" : `  ${phase}`,
    ];
    const text = cells.join("");
    const coloured = phase === "running" ? text : styleText(phase === "gone" ? "red" : "yellow", text);
    return `${isChosen ? styleText("cyan", "▸") : " "}  ${coloured}`;
  }

  #choose(step: number): void {
    const index = this.#names.indexOf(this.#chosen ?? "") + step;
    this.#chosen = this.#names[index] ?? this.#chosen;
  }

  #key(key: string): void {
    const command = commands[key];
    if (command !== undefined) this.#command(command, this.#chosen);
    else if (key === "up") this.#choose(-1);
    else if (key === "down") this.#choose(1);
    else if (key === "q") this.#isOver = true;
  }
}

function grouped(count: number): string {
  return count.toLocaleString("en");
}
