/** Adding an object to the configuration, where it has the shape that `init` writes. */

/**
 * The configuration with one more object: an import, and a place in `objects`.
 *
 * @param path - where the object is declared, from the configuration
 * @returns null if it has another shape, and a person has to do it
 */
export function withObject(text: string, name: string, path: string): string | null {
  const lists = [...text.matchAll(/\bobjects:\s*\[([^\]]*)\]/g)];
  const [list] = lists;
  if (list === undefined || lists.length > 1) return null;
  const [whole, inside = ""] = list;
  const names = inside
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  if (names.some((each) => !/^[A-Za-z_$][\w$]*$/.test(each))) return null;
  if (names.includes(name)) return text;
  // The name stands for something else there.
  if (new RegExp(`\\b${name}\\b`).test(text)) return null;
  const imports = [...text.matchAll(/^import\b[^;]*?["'][^"']+["'];?[ \t]*$/gm)];
  const last = imports.at(-1);
  if (last === undefined || last.index > list.index) return null;
  const at = last.index + last[0].length;
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const line = `import { ${name} } from "./${path}";`;
  const withImport = `${text.slice(0, at)}${newline}${line}${text.slice(at)}`;
  return withImport.replace(whole, () => `objects: [${[...names, name].join(", ")}]`);
}
