#!/usr/bin/env node
// Committed, because npm links a bin only if the file is there before the build. Written for any Node.js that can read it.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`durable-object needs Node.js 22.18 or newer; this is ${process.version}.\n`);
  process.exit(2);
}
const { main } = await import("../dist/cli/main.js");
await main();
