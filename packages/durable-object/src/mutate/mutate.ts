/**
 * Handlers for those who prefer to change a state in place. The recipe gets a draft, changes it as it
 * likes, and returns the result; Immer turns the draft into the next state. The handler that comes out is
 * an ordinary one.
 */

import { createDraft, current, finishDraft, isDraft } from "immer";
import { isPlainObject } from "../core/json.ts";
import type { Context } from "../object/handler.ts";
import {
  fail,
  noreply,
  outcomeKind,
  readOutcome,
  reply,
  type Fail,
  type NoReply,
  type Reply,
} from "../object/outcome.ts";

/** What a handler made by `mutate` returns, from what its recipe returns. */
export type MutatedOutcome<Returned, State> =
  Returned extends Reply<infer Result, unknown, infer Name>
    ? Reply<Result, State, Name>
    : Returned extends NoReply<unknown, infer Name>
      ? NoReply<State, Name>
      : Returned extends Fail<infer Reason>
        ? Fail<Reason>
        : Reply<Returned, State>;

/** A promise where the recipe returns one. */
type Mutated<Returned, State> =
  Returned extends Promise<infer Value> ? Promise<MutatedOutcome<Value, State>> : MutatedOutcome<Returned, State>;

/**
 * A handler from a recipe that changes a draft of the state.
 *
 * @param recipe - gets the draft and the caller's arguments. What it returns is the caller's result; it may
 *   also return an outcome: `fail(reason)`, or `reply(result, draft, ...effects)` to add effects. The draft
 *   may not be used after the recipe has ended.
 * @example
 * ```ts
 * handlers: {
 *   add: mutate((cart, sku: string, quantity: number) => {
 *     cart.items[sku] = (cart.items[sku] ?? 0) + quantity;
 *     return cart.items[sku];
 *   }),
 * }
 * ```
 */
export function mutate<State extends object, Args extends readonly unknown[], Returned>(
  recipe: (draft: State, ...args: Args) => Returned,
): (context: Context<State>, ...args: Args) => Mutated<Returned, State> {
  const handler = (context: Context<State>, ...args: Args): unknown => {
    const draft = createDraft(context.state as State) as State;
    const returned = recipe(draft, ...args);
    return returned instanceof Promise ? returned.then((value) => outcomeOf(value, draft)) : outcomeOf(returned, draft);
  };
  return handler as (context: Context<State>, ...args: Args) => Mutated<Returned, State>;
}

function outcomeOf(returned: unknown, draft: object): unknown {
  const outcome = readOutcome(returned);
  if (outcome === null) return finished(draft, returned, (value, next) => reply(value, next));
  if (outcome[outcomeKind] === "fail") return fail(withoutDrafts(outcome.value));
  const { effects } = outcome;
  if (outcome.hasNext && outcome.next !== draft) {
    throw new TypeError("a recipe changes its draft: pass the draft as the next state, or leave it out");
  }
  return finished(draft, outcome.value, (value, next) =>
    outcome[outcomeKind] === "reply" ? reply(value, next, ...effects) : noreply(next, ...effects),
  );
}

/** The result is read out before the draft is finished: a draft is void afterwards. */
function finished(draft: object, result: unknown, make: (value: unknown, next: unknown) => unknown): unknown {
  const value = withoutDrafts(result);
  return make(value, finishDraft(draft));
}

function withoutDrafts(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isDraft(value)) return current(value);
  if (Array.isArray(value)) return value.map(withoutDrafts);
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withoutDrafts(field)]));
}
