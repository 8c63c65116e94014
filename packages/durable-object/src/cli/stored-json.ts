/** JSON text from a store, to be shown. Somebody may have changed it by hand: what is no JSON is shown as it is. */

/** The value of a text; the text itself if it is no JSON; null for none. */
export function shownValue(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
