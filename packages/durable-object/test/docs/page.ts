/** Reads what the documentation says in its tables, and what the code says in its interfaces. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const repository = new URL("../../../../", import.meta.url);

/** The path of a file, from the root of the repository. */
export function pathOf(file: string): string {
  return fileURLToPath(new URL(file, repository));
}

/** The text of a file, from the root of the repository. */
export function textOf(file: string): string {
  return readFileSync(pathOf(file), "utf8");
}

/** A table of a page: one record per row, from the head of each column to the cell. */
interface Table {
  /** The heading it stands under. */
  readonly heading: string;
  readonly rows: readonly Readonly<Record<string, string>>[];
}

/** All tables of a page. */
function tablesOf(file: string): Table[] {
  const tables: { heading: string; rows: Record<string, string>[] }[] = [];
  let heading = "";
  let columns: readonly string[] | null = null;
  for (const line of textOf(file).split("\n")) {
    if (!line.startsWith("|")) {
      columns = null;
      if (line.startsWith("#")) heading = line.replace(/^#+\s*/, "");
      continue;
    }
    const cells = line.slice(1, -1).split(/(?<!\\)\|/);
    if (columns === null) {
      columns = cells.map((cell) => cell.trim());
      tables.push({ heading, rows: [] });
    } else if (!/^[\s|:-]+$/.test(line)) {
      const row = columns.map((column, index) => [column, (cells[index] ?? "").trim()]);
      tables.at(-1)?.rows.push(Object.fromEntries(row) as Record<string, string>);
    }
  }
  return tables;
}

/** The rows of the table under a heading whose first column has this head. */
export function rowsUnder(file: string, heading: string, firstColumn: string): Table["rows"] {
  const table = tablesOf(file).find(
    ({ heading: found, rows }) => found === heading && Object.keys(rows[0] ?? {})[0] === firstColumn,
  );
  if (table === undefined) throw new Error(`${file} has no table of "${firstColumn}" under "${heading}"`);
  return table.rows;
}

/** What stands in backticks in a text, in order. */
export function codeIn(text: string | undefined): string[] {
  return [...(text ?? "").matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? "");
}

/** A field of an interface. */
interface Field {
  readonly name: string;
  readonly optional: boolean;
}

/** The fields of an interface in a source file of the library, in order. */
export function fieldsOf(file: string, name: string): Field[] {
  const source = textOf(`packages/durable-object/src/${file}`);
  const [, body] = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, "ms").exec(source) ?? [];
  if (body === undefined) throw new Error(`${file} has no interface ${name}`);
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)(\??):/gm)].map(([, field = "", mark]) => ({
    name: field,
    optional: mark === "?",
  }));
}
