/**
 * The story that is told where nobody watches: four nodes start, one is killed, one comes, one goes, and with enough
 * time one hangs for longer than its lease. After each step it waits until the cluster has come to rest, and says
 * what that took. At the end every acknowledged increment must be in the database, once.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import type { NodeProcess } from "./node-process.ts";
import type { Camera, Comparison, Picture } from "./picture.ts";

/** How often the database is asked, in ms. */
const lookMs = 50;
/** Nothing in the story takes as long as this. */
const patienceMs = 60_000;

/** What a story needs. */
export interface StoryOptions {
  readonly fleet: Fleet;
  readonly camera: Camera;
  readonly leaseMs: number;
  readonly seconds: number;
  readonly say: (text: string) => void;
}

/** Tells it. Resolves when all clients rest. */
export async function tellStory({ fleet, camera, leaseMs, seconds, say }: StoryOptions): Promise<Comparison> {
  const hasTimeToHang = seconds * 1_000 > 6 * leaseMs;
  const steps = hasTimeToHang ? 5 : 4;
  const stepMs = (seconds * 1_000) / steps;

  /** Does something, waits until all slots are shared by those that live, and says what happened meanwhile. */
  async function step(what: string, act: () => unknown, patientMs = stepMs): Promise<void> {
    const startedAt = performance.now();
    const { owners: before } = await camera.take();
    fleet.since();
    await act();
    const { owners } = await settled(fleet, camera);
    const restMs = performance.now() - startedAt;
    const { calls, failures, longestMs } = fleet.since();
    const moved = owners.filter((owner, slot) => owner !== before[slot]).length;
    const failed = Object.entries(failures).map(([code, count]) => `${count} × ${code}`);
    say(
      `${what}: at rest after ${shown(restMs)}, ${moved} slots moved; ` +
        `${calls} calls, longest wait ${shown(longestMs)}, failed ${failed.join(", ") || "none"}`,
    );
    await sleep(Math.max(0, patientMs - restMs));
  }

  fleet.work();
  await step("4 nodes work", () => sleep(Math.min(1_000, stepMs)));
  const first = oldest(fleet);
  await step(`kill -9 ${first.name} (pid ${first.pid})`, async () => {
    first.kill();
    await first.gone;
  });
  await step("a node is added", () => fleet.add());
  const second = oldest(fleet);
  await step(`${second.name} stops (SIGTERM)`, async () => {
    second.stop();
    await second.gone;
  });
  if (hasTimeToHang) {
    const third = oldest(fleet);
    await step(`${third.name} hangs for ${shown(2 * leaseMs)} (SIGSTOP), and goes on`, async () => {
      third.pause();
      await sleep(2 * leaseMs);
      third.resume();
    });
  }
  await fleet.rest();
  return await camera.compare();
}

/** Waits until the living nodes share all slots evenly, and nobody else is there. */
export async function settled(fleet: Fleet, camera: Camera): Promise<Picture> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const picture = await camera.take();
    if (isSettled(fleet, picture)) return picture;
    if (performance.now() > end) {
      const found = picture.nodes.map(({ name, phase, slots }) => `${name} ${phase} ${slots}`).join(", ");
      throw new Error(`The cluster did not come to rest: ${found}.`);
    }
    await sleep(lookMs);
  }
}

function isSettled(fleet: Fleet, { nodes, owners }: Picture): boolean {
  const shares = nodes.map(({ slots }) => slots);
  return (
    nodes.length === fleet.nodes.length &&
    nodes.every(({ phase, silentMs }) => phase === "running" && silentMs !== null) &&
    owners.every((owner) => owner !== null) &&
    Math.max(...shares) - Math.min(...shares) <= 1
  );
}

function oldest(fleet: Fleet): NodeProcess {
  const [node] = fleet.nodes;
  if (node === undefined) throw new Error("There is no node left.");
  return node;
}

/** A time for people. */
export function shown(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
