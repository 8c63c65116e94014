/** The definition table: the object types a runtime knows, by their definitions and by their names. */

import { idProblem, tenantProblem, type Address } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import { objectType, type ObjectType } from "./operation.ts";
import { StubFactory } from "./stub.ts";

/** An object type, with what makes its stubs. */
export interface KnownType {
  readonly type: ObjectType;
  readonly stubs: StubFactory;
}

/** The object types a runtime knows. */
export class DefinitionTable {
  readonly #types = new Map<string, KnownType>();

  constructor(definitions: readonly AnyDefinition[]) {
    for (const definition of definitions) {
      const type = objectType(definition);
      this.#types.set(type.name, { type, stubs: new StubFactory(type) });
    }
  }

  *[Symbol.iterator](): IterableIterator<ObjectType> {
    for (const { type } of this.#types.values()) yield type;
  }

  /** @throws {@link DurableObjectError} `UNKNOWN_TYPE` */
  known(definition: AnyDefinition | string): KnownType {
    const name = typeof definition === "string" ? definition : definition?.type;
    const known = this.#types.get(name);
    if (known !== undefined && (typeof definition === "string" || known.type.definition === definition)) return known;
    throw new DurableObjectError(
      "UNKNOWN_TYPE",
      known === undefined
        ? `The runtime does not know the object type ${JSON.stringify(name)}: it knows ${[...this.#types.keys()].join(", ") || "none"}. Add the definition to createRuntime({ objects }).`
        : `The runtime has another definition of the object type ${JSON.stringify(name)} than this one. Pass the one that createRuntime was given: is its module loaded twice?`,
    );
  }
}

/**
 * An address, checked.
 *
 * @throws {@link DurableObjectError} `INVALID_ADDRESS`
 */
export function checkAddress(type: string, id: string, tenant: string | undefined): Address {
  const problem = idProblem(id) ?? (tenant === undefined ? null : tenantProblem(tenant));
  if (problem !== null) throw new DurableObjectError("INVALID_ADDRESS", `${type}/${id}: ${problem}.`);
  return { tenant: tenant ?? "", type, id };
}
