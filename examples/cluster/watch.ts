/**
 * Watching: the cluster in the terminal and on a page, until somebody quits. Both show the same pictures, and give
 * the same commands.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import { openPage, type Page } from "./page.ts";
import type { Camera, Picture } from "./picture.ts";
import { Terminal } from "./terminal.ts";

/** How often a picture is taken, in ms. */
const frameMs = 500;

/** What somebody who watches can have done. */
export type Command = "kill" | "stop" | "pause" | "add";

/** What is shown. */
export interface Scene {
  readonly picture: Picture;
  /** What happened last, the newest last. */
  readonly events: readonly string[];
}

/** What watching needs. */
export interface WatchOptions {
  readonly fleet: Fleet;
  readonly camera: Camera;
  /** What this is, in one line. */
  readonly title: string;
  readonly port: number;
  /** Where to say from now on what happens. */
  readonly hear: (say: (text: string) => void) => void;
}

/** Resolves when somebody quits. */
export async function watch({ fleet, camera, title, port, hear }: WatchOptions): Promise<void> {
  const events: string[] = [];
  const say = (text: string): void => {
    events.push(`${new Date().toLocaleTimeString()}  ${text}`);
    if (events.length > 8) events.shift();
  };
  hear(say);
  const command = (name: Command, node: string | null): void => obey(fleet, name, node, say);
  const page: Page = await openPage(port, command);
  const terminal = new Terminal(`${title} · ${page.url}`, command);
  fleet.work();
  while (!terminal.isOver) {
    try {
      const scene: Scene = { picture: await camera.take(), events };
      terminal.draw(scene);
      page.send(scene);
    } catch (error) {
      say(`The database cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
    await Promise.race([sleep(frameMs), terminal.pressed()]);
  }
  terminal.close();
  await page.close();
}

function obey(fleet: Fleet, command: Command, name: string | null, say: (text: string) => void): void {
  if (command === "add") {
    say("a node is added");
    fleet.add().catch((error: unknown) => say(String(error)));
    return;
  }
  const node = name === null ? undefined : fleet.node(name);
  if (node === undefined) return;
  if (command === "kill") {
    say(`kill -9 ${node.name}`);
    node.kill();
  } else if (command === "stop") {
    say(`${node.name} is asked to stop`);
    node.stop();
  } else if (node.phase === "paused") {
    say(`${node.name} goes on`);
    node.resume();
  } else {
    say(`${node.name} hangs`);
    node.pause();
  }
}
