/** "Did you mean …?", for names that are almost right. */

/** A sentence that says which of the names was meant, if one is close, and which there are. */
export function knownNames(wrong: string, names: readonly string[]): string {
  const list = names.length === 0 ? "There are none." : `There are: ${names.join(", ")}.`;
  const meant = closest(wrong, names);
  return meant === null ? list : `Did you mean "${meant}"? ${list}`;
}

function closest(wrong: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(wrong.length / 3)) + 1;
  for (const name of names) {
    const distance = edits(wrong.toLowerCase(), name.toLowerCase());
    if (distance >= least) continue;
    least = distance;
    best = name;
  }
  return best;
}

/** How many letters have to be changed, left out or put in to make one text of the other. */
function edits(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1;
      const [left = 0, up = 0, both = 0] = [line[column - 1], above[column], above[column - 1]];
      line.push(Math.min(left + 1, up + 1, both + same));
    }
    above = line;
  }
  return above[to.length] ?? 0;
}
