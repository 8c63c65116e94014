/** What `init` and `new object` write into a project: small files that their owner goes on with. */

/** How a project is set up. */
export interface ProjectChoice {
  readonly language: "ts" | "js";
  readonly store: "sqlite" | "postgres";
  readonly scheduler: "polling" | "pg-boss";
  /** Whether several processes share the store. */
  readonly cluster: boolean;
  /** The first object, as `Counter`. */
  readonly object: string;
}

/** A file of a project. */
export interface ProjectFile {
  readonly path: string;
  readonly text: string;
}

/** `HTTPServer` → `http-server`: how the file of an object is called. */
export function kebabCase(name: string): string {
  return name
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .replaceAll(/([a-z\d])([A-Z])/g, "$1-$2")
    .replaceAll("_", "-")
    .toLowerCase();
}

/** Where an object is declared. */
export function objectPath(name: string, language: ProjectChoice["language"]): string {
  return `src/objects/${kebabCase(name)}.${language}`;
}

/** All files of a new project but package.json, .gitignore and the rules for agents, which may be there already. */
export function projectFiles(choice: ProjectChoice): readonly ProjectFile[] {
  const { language, object } = choice;
  return [
    { path: `durable-object.config.${language}`, text: configuration(choice) },
    { path: objectPath(object, language), text: firstObject(object) },
    { path: `src/main.${language}`, text: main(choice) },
    ...(language === "ts" ? [{ path: "tsconfig.json", text: tsconfig }] : []),
  ];
}

/** The packages a project needs besides this one, with the ranges that are known to work. */
export function dependenciesOf({ store, scheduler, cluster }: ProjectChoice): Readonly<Record<string, string>> {
  return {
    ...(store === "postgres" ? { pg: "^8.12.0" } : {}),
    ...(scheduler === "pg-boss" ? { "pg-boss": "^12.0.0" } : {}),
    ...(cluster ? { ws: "^8.17.0" } : {}),
  };
}

function configuration({ language, store, scheduler, cluster, object }: ProjectChoice): string {
  const isTyped = language === "ts";
  const names = ["cluster"].filter(() => cluster);
  const imports = [
    ...(names.length > 0 ? [`import { ${names.join(", ")} } from "durable-object";`] : []),
    ...(isTyped ? ['import type { RuntimeOptions } from "durable-object";'] : []),
    ...(cluster ? ['import { peers } from "durable-object/peers";'] : []),
    ...(scheduler === "pg-boss" ? ['import { pgBoss } from "durable-object/pg-boss";'] : []),
    store === "sqlite"
      ? 'import { sqlite } from "durable-object/sqlite";'
      : 'import { postgres } from "durable-object/postgres";',
    ...(scheduler === "pg-boss" ? ['import { PgBoss } from "pg-boss";'] : []),
    `import { ${object} } from "./${objectPath(object, language)}";`,
  ];
  const database =
    store === "postgres"
      ? [
          "",
          "const databaseUrl = process.env.DATABASE_URL;",
          'if (databaseUrl === undefined) throw new Error("Set DATABASE_URL, as postgres://user:password@localhost/app");',
        ]
      : [];
  const boss =
    scheduler === "pg-boss"
      ? ["", "const boss = new PgBoss(databaseUrl);", 'boss.on("error", console.error);', "await boss.start();"]
      : [];
  return `${[
    ...imports,
    ...database,
    ...boss,
    "",
    "/** What createRuntime takes: for the application, and for `npx durable-object`. */",
    "export default {",
    `  objects: [${object}],`,
    store === "sqlite" ? '  store: sqlite("app.db"),' : "  store: postgres(databaseUrl),",
    ...(scheduler === "pg-boss" ? ["  scheduler: pgBoss({ boss }),"] : []),
    ...(cluster
      ? ["  // Nodes talk to each other over this port.", "  cluster: cluster({ transport: peers() }),"]
      : []),
    `}${isTyped ? " satisfies RuntimeOptions" : ""};`,
  ].join("\n")}\n`;
}

function firstObject(name: string): string {
  return `import { defineObject, noreply, reply, schedule } from "durable-object";

/** A count that is kept. Its state is saved before a caller hears the reply. */
export const ${name} = defineObject({
  type: "${kebabCase(name)}",
  state: { count: 0, chimes: 0 },
  handlers: {
    increment: ({ state }, amount = 1) => {
      const count = state.count + amount;
      // The next state and the alarm are one commit.
      return reply(count, { ...state, count }, schedule("chime", "2s"));
    },
    get: ({ state }) => reply(state),
  },
  alarms: {
    // Fires two seconds after the last increment, also if the process was restarted in between.
    chime: ({ state, id }) => {
      console.log(\`alarm: \${id} chimes, for the \${state.chimes + 1}. time\`);
      return noreply({ ...state, chimes: state.chimes + 1 });
    },
  },
});
`;
}

function main({ language, object }: ProjectChoice): string {
  return `import { createServer } from "node:http";
import { createRuntime } from "durable-object";
import configuration from "../durable-object.config.${language}";
import { ${object} } from "./objects/${kebabCase(object)}.${language}";

const runtime = await createRuntime(configuration);

// A call: one live object for each id, one call at a time, saved before the answer.
const count = await runtime.get(${object}, "starts").increment();
console.log(\`call: this application was started \${count} \${count === 1 ? "time" : "times"}\`);

// The same over HTTP: POST /some-id adds one, GET /some-id shows it.
const server = createServer((request, response) => {
  const id = decodeURIComponent(request.url?.slice(1) || "visits");
  const object = runtime.get(${object}, id);
  const answer = request.method === "POST" ? object.increment() : object.get();
  answer.then(
    (result) => response.end(\`\${JSON.stringify(result)}\\n\`),
    (error) => response.writeHead(500).end(\`\${error.message}\\n\`),
  );
});
server.on("error", (error) => console.log(\`no HTTP: \${error.message}\`));
server.listen(Number(process.env.PORT ?? 3000), () => {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : address;
  console.log(\`listening: curl -X POST http://localhost:\${port}/visits\`);
});

// Turns finish, commits land, and the store is given away.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    server.close();
    await runtime.stop();
    process.exit();
  });
}
`;
}

const tsconfig = `{
  "compilerOptions": {
    "target": "es2023",
    "module": "nodenext",
    "strict": true,
    "noEmit": true,
    "allowImportingTsExtensions": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "skipLibCheck": true,
    "types": ["node"]
  },
  "include": ["src", "durable-object.config.ts"]
}
`;
