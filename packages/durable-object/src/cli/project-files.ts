/** What `init` writes into a project: small files that their owner goes on with. */

import { firstObjectText, type Language } from "./object-text.ts";
import { kebabCase } from "./object-name.ts";
import { peerRange } from "./own-manifest.ts";
import type { ProjectFile } from "./project.ts";

/** The ending of the files that are written: `mts` and `mjs` where package.json does not say `"type": "module"`. */
export type Extension = "ts" | "mts" | "js" | "mjs";

/** How a project is set up. */
export interface ProjectChoice {
  readonly extension: Extension;
  readonly store: "sqlite" | "postgres";
  readonly scheduler: "polling" | "pg-boss";
  /** The queue of pg-boss that alarms are jobs of. */
  readonly queue: string;
  /** What carries calls between the processes that share the store; null if one process has it for itself. */
  readonly cluster: "peers" | "nats" | null;
  /** The first object, as `Counter`. */
  readonly object: string;
}

export function languageOf(extension: Extension): Language {
  return extension.endsWith("ts") ? "ts" : "js";
}

/** Where an object is declared. */
export function objectPath(name: string, extension: Extension): string {
  return `src/objects/${kebabCase(name)}.${extension}`;
}

/** The first object, `main` and what the compiler is told; the configuration is the file that stands for all of it. */
export function applicationFiles(choice: ProjectChoice): readonly ProjectFile[] {
  const { extension, object } = choice;
  return [
    { path: objectPath(object, extension), text: firstObjectText(object) },
    { path: `src/main.${extension}`, text: mainText(choice) },
  ];
}

/** The packages a project needs besides this one. */
export function dependenciesOf({ store, scheduler, cluster }: ProjectChoice): Readonly<Record<string, string>> {
  const names = [
    ...(store === "postgres" ? ["pg"] : []),
    ...(scheduler === "pg-boss" ? ["pg-boss"] : []),
    ...(cluster === "peers" ? ["ws"] : cluster === "nats" ? ["@nats-io/transport-node"] : []),
  ];
  return Object.fromEntries(names.map((name) => [name, peerRange(name)]));
}

/** The configuration: what `createRuntime` takes, in the shape that `new object` can add to. */
export function configurationFile(choice: ProjectChoice): ProjectFile {
  const { extension, store, scheduler, cluster, object } = choice;
  const isTyped = languageOf(extension) === "ts";
  const named = [...(cluster === null ? [] : ["cluster"]), ...(isTyped ? ["type RuntimeOptions"] : [])];
  const hasBoss = scheduler === "pg-boss";
  const imports = [
    ...(named.length === 0 ? [] : [`import { ${named.join(", ")} } from "durable-object";`]),
    ...(cluster === null ? [] : [`import { ${cluster} } from "durable-object/${cluster}";`]),
    ...(hasBoss ? ['import { pgBoss } from "durable-object/pg-boss";'] : []),
    `import { ${store} } from "durable-object/${store}";`,
    ...(hasBoss ? ['import { PgBoss } from "pg-boss";'] : []),
    `import { ${object} } from "./${objectPath(object, extension)}";`,
  ];
  const database = [
    "",
    'const url = process.env["DATABASE_URL"];',
    'if (!url) throw new Error("Set DATABASE_URL, for example postgres://user:password@localhost/app");',
  ];
  const boss = [
    "",
    "// The application starts and stops it; if you have one already, take that.",
    "export const boss = new PgBoss(url);",
    'boss.on("error", (error) => console.error("pg-boss:", error.message));',
  ];
  const text = [
    ...imports,
    ...(store === "postgres" ? database : []),
    ...(hasBoss ? boss : []),
    "",
    "/** What createRuntime takes: the application imports it, and `npx durable-object` reads it. */",
    ...(isTyped ? [] : ['/** @satisfies {import("durable-object").RuntimeOptions} */']),
    isTyped ? "export default {" : "export default ({",
    `  objects: [${object}],`,
    ...settingsOf(choice).map((line) => `  ${line}`),
    isTyped ? "} satisfies RuntimeOptions;" : "});",
  ];
  return { path: `durable-object.config.${extension}`, text: `${text.join("\n")}\n` };
}

/** The lines of the configuration that say where objects are kept and how they are run. */
export function settingsOf({ store, scheduler, queue, cluster }: ProjectChoice): readonly string[] {
  const transport =
    cluster === "nats"
      ? ['cluster: cluster({ transport: nats({ servers: process.env["NATS_URL"] ?? "localhost:4222" }) }),']
      : [
          "cluster: cluster({",
          "  // Nodes on one machine find each other. On several: PEERS_HOST=0.0.0.0, a secret, and where others reach this one.",
          "  transport: peers({",
          '    host: process.env["PEERS_HOST"],',
          '    url: process.env["PEERS_URL"],',
          '    secret: process.env["PEERS_SECRET"],',
          "  }),",
          "}),",
        ];
  return [
    store === "sqlite" ? 'store: sqlite("app.db"),' : "store: postgres(url),",
    ...(scheduler === "pg-boss" ? [`scheduler: pgBoss({ boss, queue: ${JSON.stringify(queue)} }),`] : []),
    ...(cluster === null ? [] : transport),
  ];
}

function mainText({ extension, scheduler, queue, object }: ProjectChoice): string {
  const hasBoss = scheduler === "pg-boss";
  const start = hasBoss
    ? `// Before the runtime, which makes its queue "${queue}" if it is not there.
await boss.start();

`
    : "";
  return `import { createServer } from "node:http";
import { createRuntime } from "durable-object";
import configuration${hasBoss ? ", { boss }" : ""} from "../durable-object.config.${extension}";
import { ${object} } from "./objects/${kebabCase(object)}.${extension}";

${start}const runtime = await createRuntime(configuration);

// A call: one live object for each id, one call at a time, saved before the reply.
const starts = await runtime.get(${object}, "starts").increment();
console.log(\`call: this application was started \${starts} \${starts === 1 ? "time" : "times"}; an alarm is set\`);

// The same over HTTP: POST /some-id adds one, GET /some-id shows it.
const server = createServer(async (request, response) => {
  try {
    const counter = runtime.get(${object}, request.url?.slice(1) || "visits");
    const result = request.method === "POST" ? await counter.increment() : await counter.get();
    response.end(\`\${JSON.stringify(result)}\\n\`);
  } catch (error) {
    response.writeHead(500).end(\`\${error}\\n\`);
  }
});
// If the port is taken, any other.
server.once("error", () => server.listen(0));
server.on("listening", () => {
  const address = server.address();
  if (typeof address === "object") console.log(\`listening: curl -X POST http://localhost:\${address?.port}/visits\`);
});
server.listen(Number(process.env["PORT"] ?? 3000));

// Turns finish, commits land, and the store is there for the next one.
let isStopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    if (isStopping) return;
    isStopping = true;
    server.close();
    server.closeIdleConnections();
    await runtime.stop();
${hasBoss ? "    await boss.stop();\n" : ""}    console.log("stopped: what was answered is kept");
  });
}
`;
}

/** What the compiler is told where nobody has told it anything: what Node.js runs as it is. */
export function tsconfigFile(extension: Extension): ProjectFile {
  const text = `{
  "compilerOptions": {
    "target": "es2023",
    "lib": ["es2024", "esnext.disposable"],
    "module": "nodenext",
    "types": ["node"],
    "strict": true,
    "noEmit": true,
    "allowImportingTsExtensions": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "skipLibCheck": true
  },
  "include": ["src", "durable-object.config.${extension}"]
}
`;
  return { path: "tsconfig.json", text };
}
