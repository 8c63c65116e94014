/** The page: one HTML document with its style and its script inside, so that it loads in one request. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

function read(name: string): string {
  return readFileSync(join(import.meta.dirname, "page", name), "utf8");
}

/** The whole document. */
export const page = read("page.html")
  .replace("/* page.css */", () => read("page.css"))
  .replace("/* page.js */", () => read("page.js"));
