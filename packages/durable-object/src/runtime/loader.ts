/** The loader: activations that start in the same moment share one request to the store. */

import type { Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import type { OpenObjectStore, StoredObject } from "../ports/object-store.ts";
import { loads, type StorageContext } from "../telemetry/channels.ts";

interface Request {
  readonly address: Address;
  readonly context: StorageContext | null;
  readonly resolve: (stored: StoredObject | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Loads objects, those asked for together in one request. */
export class Loader {
  readonly #store: OpenObjectStore;
  readonly #storeName: string;
  readonly #environment: Environment;
  #requests: Request[] = [];

  constructor(store: OpenObjectStore, storeName: string, environment: Environment) {
    this.#store = store;
    this.#storeName = storeName;
    this.#environment = environment;
  }

  load(address: Address): Promise<StoredObject | null> {
    let context: StorageContext | null = null;
    if (loads.isHeard) {
      const { tenant, type, id } = address;
      context = { store: this.#storeName, tenant, type, id, systemTimeMs: this.#environment.now() };
      loads.start(context);
    }
    return new Promise((resolve, reject) => {
      this.#requests.push({ address, context, resolve, reject });
      if (this.#requests.length === 1) queueMicrotask(() => void this.#send());
    });
  }

  async #send(): Promise<void> {
    const requests = this.#requests;
    this.#requests = [];
    try {
      const found = await this.#store.load(requests.map(({ address }) => address));
      requests.forEach((request, index) => {
        if (request.context !== null) loads.stop(request.context, this.#environment.now());
        request.resolve(found[index] ?? null);
      });
    } catch (error) {
      for (const request of requests) {
        if (request.context !== null) loads.fail(request.context, this.#environment.now(), error);
        request.reject(error);
      }
    }
  }
}
