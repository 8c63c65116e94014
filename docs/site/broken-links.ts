/** Finds links of a built site that lead nowhere: files that are not there, and anchors that a page does not have. */

import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";

/** A link that leads nowhere. */
export interface BrokenLink {
  /** Relative to the site. */
  readonly page: string;
  readonly target: string;
}

/** All links of the pages of a site that lead nowhere. Those to other sites are not followed. */
export function brokenLinks(site: string): BrokenLink[] {
  const pages = globSync("**/*.html", { cwd: site }).map((path) => path.replaceAll("\\", "/"));
  const anchors = new Map<string, ReadonlySet<string>>();
  const targets = new Map<string, readonly string[]>();
  for (const page of pages) {
    const html = readFileSync(join(site, page), "utf8").replaceAll(/<(pre|script)\b[\s\S]*?<\/\1>/g, "");
    anchors.set(page, new Set(Array.from(html.matchAll(/\s(?:id|name)="([^"]+)"/g), ([, id]) => decode(id ?? ""))));
    targets.set(page, [
      ...new Set(Array.from(html.matchAll(/<a\b[^>]*?\shref="([^"]*)"/g), ([, href]) => decode(href ?? ""))),
    ]);
  }
  return [...targets].flatMap(([page, hrefs]) =>
    hrefs.filter((target) => !leadsSomewhere(site, page, target, anchors)).map((target) => ({ page, target })),
  );
}

function leadsSomewhere(
  site: string,
  page: string,
  target: string,
  anchors: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  if (/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(target)) return true;
  const [path = "", anchor = ""] = target.split("#", 2);
  const file = path === "" ? page : posix.join(posix.dirname(page), decodeURIComponent(path));
  if (file.startsWith("../") || !existsSync(join(site, file)) || !statSync(join(site, file)).isFile()) return false;
  return anchor === "" || anchors.get(file)?.has(decodeURIComponent(anchor)) !== false;
}

function decode(html: string): string {
  return html.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'");
}
