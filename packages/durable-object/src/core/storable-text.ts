/** Texts that every database takes as they are. PostgreSQL takes no U+0000, and UTF-8 has no unpaired surrogates. */

/** Whether every database takes this text, and gives it back as it was. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** The same text, with U+FFFD for what not every database takes. */
export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}
