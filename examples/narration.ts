/** What `npm start` says in the terminal. */

import { styleText } from "node:util";
import type { Comparison, Spectator } from "./demonstration.ts";
import type { ShopProcess } from "./shop-process.ts";
import type { ShopSummary } from "./shop-rows.ts";

const bold = (text: string): string => styleText("bold", text);
const dim = (text: string): string => styleText("dim", text);
const grouped = (count: number): string => count.toLocaleString("en");
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;

function say(...lines: string[]): void {
  console.log(lines.join("\n"));
}

/** @param keptIn - what holds the data, in words */
export function introduce(keptIn: string): void {
  say("", bold("A small shop on durable objects"), dim(`Carts, stock, rate limits and counters, in ${keptIn}.`), "");
}

/** Where the shop is, and what an earlier start left there. */
export function announce(shop: ShopProcess, wantedPort: number, place: string, found: ShopSummary): void {
  const taken = shop.port === wantedPort ? "" : dim(`   ${wantedPort} is taken`);
  say(`  page   ${styleText("cyan", shop.url)}${taken}`);
  say(`  data   ${place}   ${dim(describe(found))}`, "");
}

function describe({ counted, carts, orders }: ShopSummary): string {
  const parts = [some(counted, "counted write"), some(carts, "cart"), some(orders, "order")];
  const found = parts.filter((part) => !part.startsWith("0 ")).join(", ");
  return found === "" ? "new, nothing in it yet" : `found in it: ${found}`;
}

function some(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** The demonstration, line by line. */
export const narrate: Spectator = {
  writing(clients) {
    say(bold("kill -9 in the middle of writing"));
    say(`  ${clients} clients write; each waits for the answer before it writes again …`);
  },
  killed(pid, atOnce) {
    say(`  ${styleText("red", "✗")} killed pid ${pid}; read in SQL while no server runs:`, `    ${figures(atOnce)}`);
    if (atOnce.extra > 0)
      say(dim(`    ${some(atOnce.extra, "write")} reached the disk, but the kill came before the answer`));
  },
  finished(restartMs, atEnd) {
    say(
      `  ${styleText("green", "✓")} started again in ${seconds(restartMs)}; what got no answer was repeated, and more written:`,
    );
    say(`    ${figures(atEnd)}${dim(` · applied twice ${grouped(atEnd.extra)}`)}`, "");
  },
};

function figures({ acknowledged, found, lost }: Comparison): string {
  const verdict = styleText(lost === 0 ? "green" : "red", `lost ${grouped(lost)}`);
  return bold(`acknowledged ${grouped(acknowledged)} · found ${grouped(found)} · ${verdict}`);
}

/** What to do next. */
export function suggest(url: string, keepsOpen: boolean): void {
  if (!keepsOpen) {
    say(dim("That was the demonstration. In a terminal, `npm start` keeps the shop open, to try it by hand."), "");
    return;
  }
  const post = (path: string, product: string, quantity: number): string =>
    `curl -b visitor=ann ${url}${path} -d '${JSON.stringify({ product, quantity })}'`;
  say(
    bold("Now you"),
    `  Open ${styleText("cyan", url)}, start writing, and press "kill -9 the server". Or:`,
    "",
    `  ${post("/cart/put", "tea", 2)}    ${dim("# 200, the cart")}`,
    `  ${post("/cart/put", "tea", 99)}   ${dim("# 400, and why; after ten requests in a row 429")}`,
    `  curl -b visitor=ann ${url}/checkout -X POST`,
    `  curl -b visitor=ann ${url}/kill -X POST       ${dim("# SIGKILL; it is started again")}`,
    `  curl -b visitor=ann ${url}/shop               ${dim("# the order is still there")}`,
    "",
    dim("  Ctrl-C stops the shop. The next start goes on with the same data."),
    "",
  );
}

/** The shop was killed by somebody, and is back. */
export function restarted(shop: ShopProcess, signal: string, ms: number, found: ShopSummary): void {
  say(`  ${signal}: started again in ${seconds(ms)} as pid ${shop.pid}; ${describe(found)}`);
}

export function bye(place: string): void {
  say("", `Stopped. Everything is in ${place}.`);
}
