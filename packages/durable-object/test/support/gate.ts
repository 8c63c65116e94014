/** A promise that a test resolves when it likes: where a handler waits, or a commit. */

/** A promise and the way to resolve it. */
export interface Gate<Value = void> {
  readonly passed: Promise<Value>;
  open(value: Value): void;
}

/** A closed gate. */
export function gate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => {};
  const passed = new Promise<Value>((resolve) => (open = resolve));
  return { passed, open: (value) => open(value) };
}
