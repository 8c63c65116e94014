/** An instrumentation whose failures harm nobody: what it throws is told once as a warning, and the call goes on. */

import { messageOf } from "../core/errors.ts";
import type {
  CallBegun,
  Instrumentation,
  ObservedCall,
  ObservedCommit,
  ObservedTurn,
  TurnBegun,
} from "../ports/instrumentation.ts";
import { publishWarning } from "./channels.ts";

type Tell = (thrown: unknown) => void;

const unobservedCall: ObservedCall = { trace: null, end(): void {} };
const unobservedTurn: ObservedTurn = {
  trace: null,
  run: (work) => work(),
  handled(): void {},
  end(): void {},
};

/** Wraps an instrumentation. */
export function guardInstrumentation(inner: Instrumentation): Instrumentation {
  let isTold = false;
  const tell: Tell = (thrown) => {
    if (isTold) return;
    isTold = true;
    const message = `The instrumentation threw, which is told once and dropped from now on: ${messageOf(thrown)}`;
    publishWarning({ warning: "instrumentation-failed", message, cause: thrown });
  };
  return {
    attach() {
      const detach = guarded(tell, () => inner.attach()) ?? ((): void => {});
      return () => guarded(tell, detach);
    },
    call(begun: CallBegun) {
      try {
        return new GuardedCall(inner.call(begun), tell);
      } catch (thrown) {
        tell(thrown);
        return unobservedCall;
      }
    },
    turn(begun: TurnBegun) {
      try {
        return new GuardedTurn(inner.turn(begun), tell);
      } catch (thrown) {
        tell(thrown);
        return unobservedTurn;
      }
    },
  };
}

function guarded<Result>(tell: Tell, work: () => Result): Result | undefined {
  try {
    return work();
  } catch (thrown) {
    tell(thrown);
    return undefined;
  }
}

class GuardedCall implements ObservedCall {
  readonly trace: string | null;
  readonly #inner: ObservedCall;
  readonly #tell: Tell;

  constructor(inner: ObservedCall, tell: Tell) {
    this.trace = inner.trace;
    this.#inner = inner;
    this.#tell = tell;
  }

  end(error: Error | null): void {
    try {
      this.#inner.end(error);
    } catch (thrown) {
      this.#tell(thrown);
    }
  }
}

class GuardedTurn implements ObservedTurn {
  readonly trace: string | null;
  readonly #inner: ObservedTurn;
  readonly #tell: Tell;

  constructor(inner: ObservedTurn, tell: Tell) {
    this.trace = inner.trace;
    this.#inner = inner;
    this.#tell = tell;
  }

  /** The handler runs once, also where the context it should run in cannot be made; and what it throws is its own. */
  run<Result>(work: () => Result): Result {
    let outcome: { readonly value: Result } | { readonly thrown: unknown } | null = null;
    const once = (): Result => {
      try {
        const value = work();
        outcome = { value };
        return value;
      } catch (thrown) {
        outcome = { thrown };
        throw thrown;
      }
    };
    // The compiler does not see that `once` sets it.
    const ran = (): typeof outcome => outcome;
    try {
      this.#inner.run(once);
    } catch (thrown) {
      const known = ran();
      if (known === null || !("thrown" in known) || known.thrown !== thrown) this.#tell(thrown);
    }
    const known = ran();
    if (known === null) return work();
    if ("thrown" in known) throw known.thrown;
    return known.value;
  }

  handled(error: Error | null): void {
    try {
      this.#inner.handled(error);
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  end(error: Error | null, commit: ObservedCommit | null): void {
    try {
      this.#inner.end(error, commit);
    } catch (thrown) {
      this.#tell(thrown);
    }
  }
}
