/** Listens to what the library publishes on `node:diagnostics_channel`, until the test is over. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { onTestFinished } from "vitest";

/** The messages of one channel, as copies made at the moment they were published. */
export function listen<Message extends object>(channel: string): Message[] {
  const heard: Message[] = [];
  const hear = (message: unknown): void => void heard.push({ ...(message as Message) });
  subscribe(channel, hear);
  onTestFinished(() => void unsubscribe(channel, hear));
  return heard;
}
