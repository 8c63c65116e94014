/** Docstrings may name what their file does not import: a link leads to what a public subpath exports under that name. */

import { ReflectionKind, ReflectionSymbolId, type Models } from "typedoc";

/** Gives the links of all docstrings that lead nowhere yet the export of that name as their target. */
export function linkByName(project: Models.ProjectReflection): void {
  const exported = new Map<string, Models.Reflection>();
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    for (const child of module.children ?? []) if (!exported.has(child.name)) exported.set(child.name, child);
  }
  for (const { comment } of Object.values(project.reflections)) {
    if (comment === undefined) continue;
    for (const part of [comment.summary, ...comment.blockTags.map(({ content }) => content)].flat()) {
      if (part.kind !== "inline-tag" || !part.tag.startsWith("@link")) continue;
      const { target } = part;
      const known = target instanceof ReflectionSymbolId && project.getReflectionsFromSymbolId(target).length > 0;
      const named = exported.get(part.text.trim());
      if (!known && named !== undefined) part.target = named;
    }
  }
}
