/** Compiles projects of users, all at once, under settings as strict as there are. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tsc } from "../package/packed-package.ts";
import { emptyProject, linkPackages } from "./project.ts";

/** What the compiler has to say: nothing, if all is well. JavaScript is checked too. */
export async function compileProjects(written: readonly Readonly<Record<string, string>>[]): Promise<string> {
  const all = emptyProject();
  linkPackages(all.directory, "@types/node", "pg", "pg-boss", "ws", "@nats-io/transport-node");
  for (const [index, files] of written.entries()) {
    for (const [path, text] of Object.entries(files)) {
      if (path !== "tsconfig.json") all.write(`project-${index}/${path}`, text);
    }
  }
  const [settings = "{}"] = written.flatMap((files) => files["tsconfig.json"] ?? []);
  const { compilerOptions } = JSON.parse(settings) as { readonly compilerOptions: Readonly<Record<string, unknown>> };
  const strictest = {
    checkJs: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    noUnusedLocals: true,
    noUnusedParameters: true,
    noImplicitReturns: true,
  };
  const tsconfig = { compilerOptions: { ...compilerOptions, ...strictest }, include: ["project-*/**/*"] };
  writeFileSync(join(all.directory, "tsconfig.json"), JSON.stringify(tsconfig));
  return await tsc(["-p", all.directory, "--pretty", "false"], all.directory).catch(String);
}
