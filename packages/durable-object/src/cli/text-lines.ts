/**
 * The lines of a stream of text. Not by `node:readline`: that takes U+2028 and U+2029 for ends of lines, which may stand
 * in a JSON text as they are, and says nothing of a stream that fails.
 */

import type { Readable } from "node:stream";
import { TextDecoder } from "node:util";

/** The lines of UTF-8 text, without their ends; a line is in memory as a whole, and no other. */
export async function* textLines(from: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  for await (const chunk of from as AsyncIterable<Uint8Array | string>) {
    const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    const rest = lines.pop() ?? "";
    for (const line of lines) {
      yield withoutReturn(parts.join("") + line);
      parts = [];
    }
    if (rest !== "") parts.push(rest);
  }
  const last = parts.join("") + decoder.decode();
  if (last !== "") yield withoutReturn(last);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
