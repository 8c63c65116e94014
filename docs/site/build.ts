/**
 * Builds the site of the documentation into `docs/site/dist`: the pages that `docs/README.md` lists, in its order, and the
 * reference of every public name, from the doors of the library. Whatever TypeDoc warns of, and every link that leads
 * nowhere, fails the build. What is built needs no server: it can be opened from the disk, and search works there too.
 *
 *   npm run site
 */

import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Application,
  ConsoleLogger,
  Converter,
  LogLevel,
  ReflectionKind,
  type Models,
  type TypeDocOptions,
} from "typedoc";
import { readIndex } from "../../scripts/check/doc-index.ts";
import { brokenLinks } from "./broken-links.ts";
import { keepCodeInHeadings } from "./code-in-headings.ts";
import { linkByName } from "./named-links.ts";
import { framePages } from "./page-frame.ts";

const root = join(import.meta.dirname, "../..");
const library = join(root, "packages/durable-object");
const out = join(import.meta.dirname, "dist");
const entries = readIndex(root);
const sections = [...new Set(entries.map(({ section }) => section))];
/** How many pages have been read; they come in the order of the list. */
let documents = 0;

/** The name of the group of the public subpaths. */
const modules = "Modules";

const options: TypeDocOptions = {
  name: "durable-object",
  entryPoints: doors(),
  tsconfig: join(library, "tsconfig.build.json"),
  out,
  readme: join(root, "docs/README.md"),
  projectDocuments: entries.map(({ path }) => join(root, path)),
  customCss: join(import.meta.dirname, "site.css"),
  basePath: root,
  disableGit: true,
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  sort: ["alphabetical-ignoring-documents"],
  groupOrder: [...sections.slice(0, 2), modules, ...sections.slice(2), "*"],
  navigation: { includeGroups: true, includeCategories: false, compactFolders: false, excludeReferences: true },
  sortEntryPoints: false,
  hideGenerator: true,
  searchInDocuments: true,
  searchInComments: true,
  highlightLanguages: ["typescript", "javascript", "json", "bash", "sql", "elixir", "yaml", "ini", "toml", "console"],
  ignoredHighlightLanguages: ["mermaid"],
  markdownItLoader: keepCodeInHeadings,
  lightHighlightTheme: "github-light",
  darkHighlightTheme: "github-dark",
  treatWarningsAsErrors: true,
  validation: { notExported: false, invalidLink: true, invalidPath: true, notDocumented: false },
  logLevel: "Warn",
};

/** Passes on all warnings but one: a docstring is written once for all overloads, and not all have all parameters. */
class SiteLogger extends ConsoleLogger {
  override log(message: string, level: Exclude<LogLevel, LogLevel.None>): void {
    if (!message.includes("has an @param with name")) super.log(message, level);
  }
}

rmSync(out, { recursive: true, force: true });
const app = await Application.bootstrap(options);
app.logger = new SiteLogger();
app.logger.level = LogLevel.Warn;
app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context: unknown, page: Models.DocumentReflection) => nameOf(page));
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }: { readonly project: Models.ProjectReflection }) => {
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    module.name = module.name.replace("packages/durable-object/src", "durable-object");
  }
  linkByName(project);
});
framePages(app, ["Guide", "Reference", modules]);
const project = await app.convert();
if (project === undefined) fail("The library does not compile.");
app.validate(project);
await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) fail("TypeDoc has warnings.");
nameFrontPage();
const broken = brokenLinks(out);
for (const { page, target } of broken) console.error(`${page}: ${target} leads nowhere.`);
if (broken.length > 0) fail(`${broken.length} broken links.`);
console.log(`${entries.length} pages and ${doors().length} modules: docs/site/dist/index.html`);

/** The `index.ts` of every public subpath. */
function doors(): string[] {
  const { exports } = JSON.parse(readFileSync(join(library, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
  };
  return Object.values(exports).flatMap((target) =>
    typeof target === "string"
      ? []
      : [join(library, target.types.replace("/dist/", "/src/").replace(/\.d\.ts$/, ".ts"))],
  );
}

/** Gives a page the title and the section that it has in the list. */
function nameOf(page: Models.DocumentReflection): void {
  const entry = entries[documents++];
  if (entry?.path.endsWith(`/${page.name}.md`) !== true && entry?.path !== `${page.name}.md`) {
    fail(`${page.name}.md came, where ${entry?.path ?? "nothing"} was expected.`);
  }
  page.name = entry.title.replaceAll("`", "");
  page.frontmatter["group"] = entry.section;
}

/** A link to the front page has no file in it: without a server it would open the folder. */
function nameFrontPage(): void {
  for (const file of globSync("documents/*.html", { cwd: out })) {
    const html = readFileSync(join(out, file), "utf8");
    writeFileSync(join(out, file), html.replaceAll(/href="\.\.\/(?=["#])/g, 'href="../index.html'));
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
