/** Lines of a stream, wherever its pieces end. */

import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { textLines } from "../../src/cli/text-lines.ts";

async function linesOf(pieces: readonly (Uint8Array | string)[]): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of textLines(Readable.from(pieces))) lines.push(line);
  return lines;
}

test("pieces may end anywhere, in the middle of a character too", async () => {
  const bytes = Buffer.from("ü\u2028x\r\n\n𐐷 last");
  const lines = ["ü\u2028x", "", "𐐷 last"];
  expect(await linesOf([bytes])).toEqual(lines);
  expect(await linesOf([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(lines);
  expect(await linesOf(["a\nb", "c\n"])).toEqual(["a", "bc"]);
  expect(await linesOf([])).toEqual([]);
});
