/**
 * Says in plain words that the running Node.js is too old, before anything fails in a way that does not.
 * Plain JavaScript on purpose: an old Node.js must be able to run it.
 */

const required = [22, 18];
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < required[0] || (major === required[0] && minor < required[1])) {
  console.error(
    [
      `This repository needs Node.js ${required.join(".")} or newer, which runs TypeScript files as they are.`,
      `Running now: ${process.version} (${process.execPath})`,
      "",
      "What to do:",
      "  - On Linux (x64, arm64) and Windows (x64), `npm ci` installs a Node.js for the scripts of this repository.",
      "    Start them through npm: `npm test`, `npm run check`, `npm run node -- file.ts`, `npx vitest`.",
      "  - Elsewhere, install Node.js 24 from https://nodejs.org and start again.",
    ].join("\n"),
  );
  process.exit(1);
}
