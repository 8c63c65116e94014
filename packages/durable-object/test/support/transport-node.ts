/** A node on a transport, for tests of what goes wrong: it notes what it hears, and what it warns of. */

import { onTestFinished } from "vitest";
import type { Environment } from "../../src/core/environment.ts";
import type { Transport } from "../../src/ports/transport.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { closedGate } from "../../src/testing/gate.ts";
import { TestedPeer } from "../../src/testing/transport-case.ts";

export class TransportNode extends TestedPeer {
  readonly warnings: string[] = [];
  /** All that was said in warnings. */
  readonly said: string[] = [];
  readonly #listeners = new Set<() => void>();

  /** Opens a node; it is closed when the test is over. */
  static async open(
    transport: Transport,
    name: string = systemEnvironment.uniqueId(),
    environment: Environment = systemEnvironment,
  ): Promise<TransportNode> {
    const node = new TransportNode(name, transport);
    onTestFinished(() => node.close());
    node.opened = await transport.open({
      environment,
      node: name,
      answer: (message) => node.answer(message),
      warn: (warning, message) => node.#warn(warning, message),
    });
    return node;
  }

  /** Resolves once it has warned so many times of something. */
  async warns(warning: string, times = 1): Promise<void> {
    const isSo = (): boolean => this.warnings.filter((other) => other === warning).length >= times;
    while (!isSo()) await new Promise<void>((resolve) => this.#listeners.add(resolve));
  }

  /** From now on it answers messages that begin with `slow` only when the gate is opened. */
  holdSlow(): { readonly open: () => void } {
    const gate = closedGate();
    onTestFinished(gate.open);
    this.reply = async (message) => {
      if (message.startsWith("slow")) await gate.passed;
      return `answer to ${message}`;
    };
    return gate;
  }

  #warn(warning: string, message: string): void {
    this.warnings.push(warning);
    this.said.push(message);
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

/** How often a message was heard. */
export function timesHeard(node: TestedPeer, message: string): number {
  return node.heard.filter((other) => other === message).length;
}
