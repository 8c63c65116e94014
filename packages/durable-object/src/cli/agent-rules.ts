/** The block in AGENTS.md that points coding agents to the rules of this package. Everything around it is the user's. */

const begin = "<!-- durable-object: begin -->";
const end = "<!-- durable-object: end -->";

const block = `${begin}
## durable-object

This project keeps state in durable objects. Before you write or change one, read
\`node_modules/durable-object/usage-rules.md\`.
${end}
`;

/** The text of a file with the block; null is a file that is not there. */
export function withAgentRules(before: string | null): string {
  if (before === null || before.trim() === "") return block;
  const from = before.indexOf(begin);
  const to = before.indexOf(end);
  if (from === -1 || to < from) return `${before.trimEnd()}\n\n${block}`;
  return `${before.slice(0, from)}${block.trimEnd()}${before.slice(to + end.length)}`;
}
