#!/usr/bin/env node
// Committed, because npm links a bin only if the file is there before the build.
import("../dist/cli/index.js").then(
  ({ main }) => main(),
  (error) => {
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    if (major < 22 || (major === 22 && minor < 18)) {
      console.error(`durable-object needs Node.js 22.18 or newer; this is ${process.version}.`);
    } else console.error(error);
    process.exit(2);
  },
);
