// `durable-object/nats`: messages between nodes over NATS.
export { nats } from "./nats.ts";
export type { NatsDriverOptions, NatsOptions } from "./nats-options.ts";
