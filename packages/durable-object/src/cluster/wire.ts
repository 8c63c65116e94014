/**
 * The wire: what nodes send each other, as JSON texts.
 *
 * Calls to one node that are made in the same moment travel in one message, and so do their results. A message
 * with calls is answered as soon as some of them are done; what is not done by then follows in messages of its
 * own. Every node speaks version 1, and says so: a message of another version is refused, not guessed at.
 */

import { DurableObjectError, errorCodes, type ErrorCode, type FailureOutcome } from "../core/errors.ts";
import type { SlotEpoch } from "../ports/ownership-store.ts";
import type { ChainEntry, RemoteReply, RemoteRequest } from "./remote-call.ts";

const version = 1;

/** A call in a message. */
export interface WireCall {
  /** Unique for the node that calls. */
  readonly call: number;
  /** How long its caller waits for it from now on, in ms; null for ever. */
  readonly timeoutMs: number | null;
  readonly request: RemoteRequest;
}

/** What became of a call: `moved` tells the owner and epoch, if they are known. */
export type WireResult =
  | { readonly call: number; readonly reply: Exclude<RemoteReply, { kind: "moved" }> }
  | { readonly call: number; readonly moved: { readonly node: string; readonly epoch: number } | null };

/** What a node sends to another one. */
export type WireMessage =
  | { readonly kind: "calls"; readonly from: string; readonly calls: readonly WireCall[] }
  | { readonly kind: "results"; readonly from: string; readonly results: readonly WireResult[] }
  | { readonly kind: "aborts"; readonly from: string; readonly calls: readonly number[] }
  | { readonly kind: "given"; readonly from: string; readonly slots: readonly SlotEpoch[] };

interface WireError {
  readonly code: string;
  readonly message: string;
  readonly outcome: FailureOutcome;
  readonly retryable: boolean;
  readonly reason?: unknown;
  readonly at?: readonly [tenant: string, type: string, id: string] | undefined;
}

/** A call as a text, to be put into a message with others. */
export function encodeCall({ call, timeoutMs, request }: WireCall): string {
  const { address, operation, args, idempotency, chain, trace } = request;
  // JSON has no undefined: the places where it stood are named.
  const absent = args.flatMap((arg, index) => (arg === undefined ? [index] : []));
  return JSON.stringify([
    call,
    timeoutMs,
    address.tenant,
    address.type,
    address.id,
    operation,
    args,
    absent,
    idempotency === null ? null : [idempotency.key, idempotency.fingerprint],
    chain.map(({ address: at, operation: name, isRead, isActivating }) => [
      at.tenant,
      at.type,
      at.id,
      name,
      isRead,
      isActivating,
    ]),
    ...(trace === null ? [] : [trace]),
  ]);
}

/** A result as a text, to be put into a message with others. */
export function encodeResult(result: WireResult): string {
  const { call } = result;
  if ("moved" in result) {
    return JSON.stringify(result.moved === null ? [call, 2] : [call, 2, result.moved.node, result.moved.epoch]);
  }
  const { reply } = result;
  if (reply.kind === "value") return JSON.stringify(reply.value === undefined ? [call, 0] : [call, 0, reply.value]);
  const { code, message, outcome, retryable, reason, address } = reply.error;
  const at = address === undefined ? undefined : [address.tenant, address.type, address.id];
  return JSON.stringify([call, 1, { code, message, outcome, retryable, reason, at }]);
}

/** A message with parts that are encoded already. */
export function encodeParts(kind: "calls" | "results", from: string, parts: readonly string[]): string {
  return `{"v":${version},"kind":"${kind}","from":${JSON.stringify(from)},"parts":[${parts.join()}]}`;
}

/** A message without parts. */
export function encodeMessage(message: Extract<WireMessage, { kind: "aborts" | "given" }>): string {
  const parts = message.kind === "aborts" ? message.calls : message.slots.map(({ slot, epoch }) => [slot, epoch]);
  return JSON.stringify({ v: version, kind: message.kind, from: message.from, parts });
}

/**
 * A message that has arrived.
 *
 * @throws Error for what is not a message of this version
 */
export function decodeMessage(text: string): WireMessage {
  const { v, kind, from, parts } = JSON.parse(text) as {
    readonly v: unknown;
    readonly kind: unknown;
    readonly from: unknown;
    readonly parts: unknown;
  };
  if (v !== version || typeof from !== "string" || !Array.isArray(parts)) {
    throw new Error(`a message of version ${String(v)}, and this node speaks version ${version}`);
  }
  switch (kind) {
    case "calls":
      return { kind, from, calls: parts.map(decodeCall) };
    case "results":
      return { kind, from, results: parts.map(decodeResult) };
    case "aborts":
      return { kind, from, calls: parts.map(Number) };
    case "given":
      return { kind, from, slots: (parts as [number, number][]).map(([slot, epoch]) => ({ slot, epoch })) };
    default:
      throw new Error(`a message of the kind ${JSON.stringify(kind)}`);
  }
}

type CallTuple = [
  call: number,
  timeoutMs: number | null,
  tenant: string,
  type: string,
  id: string,
  operation: string,
  args: unknown[],
  absent: number[],
  idempotency: [key: string, fingerprint: string] | null,
  chain: [tenant: string, type: string, id: string, operation: string, isRead: boolean, isActivating: boolean][],
  trace?: unknown,
];

function decodeCall(part: unknown): WireCall {
  const [call, timeoutMs, tenant, type, id, operation, args, absent, idempotency, chain, trace] = part as CallTuple;
  for (const index of absent) args[index] = undefined;
  return {
    call,
    timeoutMs,
    request: {
      address: { tenant, type, id },
      operation,
      args,
      idempotency: idempotency === null ? null : { key: idempotency[0], fingerprint: idempotency[1] },
      chain: chain.map(([linkTenant, linkType, linkId, name, isRead, isActivating]): ChainEntry => ({
        address: { tenant: linkTenant, type: linkType, id: linkId },
        operation: name,
        isRead,
        isActivating,
      })),
      trace: typeof trace === "string" ? trace : null,
    },
  };
}

/** A result that has arrived. */
function decodeResult(part: unknown): WireResult {
  const [call, kind, value, epoch] = part as [number, number, unknown, number | undefined];
  if (kind === 2) {
    return { call, moved: value === undefined ? null : { node: value as string, epoch: epoch ?? 0 } };
  }
  if (kind === 0) return { call, reply: { kind: "value", value } };
  const { code, message, outcome, retryable, reason, at } = value as WireError;
  // A newer node may have codes that this one does not know.
  const known: ErrorCode = Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : "HANDLER_CRASHED";
  const address = at === undefined ? undefined : { tenant: at[0], type: at[1], id: at[2] };
  const error = new DurableObjectError(known, message, { outcome, retryable, reason, address });
  return { call, reply: { kind: "error", error } };
}
