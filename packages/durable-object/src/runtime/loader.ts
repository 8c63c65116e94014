/** The loader: activations that start in the same moment share one request to the store. */

import type { Address } from "../core/address.ts";
import type { OpenObjectStore, StoredObject } from "../ports/object-store.ts";

interface Request {
  readonly address: Address;
  readonly resolve: (stored: StoredObject | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Loads objects, those asked for together in one request. */
export class Loader {
  readonly #store: OpenObjectStore;
  #requests: Request[] = [];

  constructor(store: OpenObjectStore) {
    this.#store = store;
  }

  /** The stored object, or null. Rejects with what the store threw. */
  load(address: Address): Promise<StoredObject | null> {
    return new Promise((resolve, reject) => {
      this.#requests.push({ address, resolve, reject });
      if (this.#requests.length === 1) queueMicrotask(() => void this.#send());
    });
  }

  async #send(): Promise<void> {
    const requests = this.#requests;
    this.#requests = [];
    try {
      const found = await this.#store.load(requests.map(({ address }) => address));
      requests.forEach(({ resolve }, index) => resolve(found[index] ?? null));
    } catch (error) {
      for (const { reject } of requests) reject(error);
    }
  }
}
