/** Headings with code in them keep it in their anchors, as on a repository view, and in the list at the side. */

/** A token of markdown-it, as far as it matters here. */
interface Token {
  readonly type: string;
  readonly content: string;
  children: Token[] | null;
}

/** The parser of TypeDoc, as far as it matters here. */
interface Parser {
  readonly core: {
    readonly ruler: { push(name: string, rule: (state: { readonly tokens: readonly Token[] }) => void): void };
  };
}

/** Has the text of a heading contain its code: TypeDoc collects that of tokens with children. */
export function keepCodeInHeadings(parser: Parser): void {
  parser.core.ruler.push("code-in-headings", ({ tokens }) => {
    for (const [index, token] of tokens.entries()) {
      if (tokens[index - 1]?.type !== "heading_open") continue;
      for (const child of token.children ?? []) {
        if (child.type === "code_inline") child.children = [{ type: "text", content: child.content, children: null }];
      }
    }
  });
}
