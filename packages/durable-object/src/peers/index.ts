// `durable-object/peers`: messages straight from node to node, without a broker.
export { peers } from "./peers.ts";
export type { PeersOptions, PeersTls } from "./peers-options.ts";
