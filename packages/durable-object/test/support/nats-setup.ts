/**
 * One NATS server for the whole run, started before the first test and gone after the last one. Where there is none
 * to be had, the tests of NATS are skipped. `TEST_NATS_URL` names another server to use.
 */

import type { TestProject } from "vitest/node";
import { findNats, NatsServer } from "./nats-server.ts";

declare module "vitest" {
  // What the tests are told.
  interface ProvidedContext {
    /** Where a server is; null if there is none. */
    natsUrl: string | null;
    /** The program of a server, for tests that need one of their own; null if there is none. */
    natsProgram: string | null;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const program = findNats();
  const given = process.env["TEST_NATS_URL"] ?? null;
  const server = given === null && program !== null ? await NatsServer.create(program) : null;
  const url = given ?? server?.url ?? null;
  if (url === null) process.stderr.write("There is no NATS server on this machine: its tests are skipped.\n");
  else if (program === null) process.stderr.write("There is no program of NATS: tests of its faults are skipped.\n");
  project.provide("natsUrl", url);
  project.provide("natsProgram", program);
  return async () => {
    await server?.dispose();
  };
}
