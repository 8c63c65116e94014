/**
 * A connection, as both of its ends use it: records go out together if they were said in one moment, a connection that
 * has fallen silent is given up, and one whose other end does not read does not fill the memory.
 */

import type { RawData, WebSocket } from "ws";
import {
  encodeFrame,
  readFrame,
  recordHeaderBytes,
  type Kind,
  type OutgoingRecord,
  type RecordListener,
} from "./peer-frame.ts";

/** What gathers in one moment goes out as soon as it is so large: copying it costs more than a frame. */
const fullFrameBytes = 65_536;

/** How much larger than the longest text a frame may be: it has room for others before it. */
export const frameOverheadBytes = fullFrameBytes + 2 * recordHeaderBytes;

/** How many bytes may wait for the other end. */
const mostWaitingBytes = 64 * 1_048_576;

/** How often in a row it may be silent. */
const mostSilentSweeps = 3;

export class PeerSocket {
  readonly #socket: WebSocket;
  #records: OutgoingRecord[] = [];
  #bytes = 0;
  #silentSweeps = 0;

  /**
   * @param socket - one that is open
   * @param hear - hears the records that come
   * @param closed - called once, when it is closed or broken
   */
  constructor(socket: WebSocket, hear: RecordListener, closed: () => void) {
    this.#socket = socket;
    socket.on("message", (data: RawData, isBinary: boolean) => {
      this.#silentSweeps = 0;
      // By default a message is one buffer.
      if (!isBinary || !Buffer.isBuffer(data) || !readFrame(data, hear)) socket.terminate();
    });
    socket.on("ping", () => (this.#silentSweeps = 0));
    socket.on("pong", () => (this.#silentSweeps = 0));
    // Then it closes, too.
    socket.on("error", () => {});
    // Perhaps it has said so already.
    if (socket.readyState === socket.CLOSED) queueMicrotask(closed);
    else socket.on("close", closed);
  }

  /** Whether so many bytes more may wait. */
  takes(bytes: number): boolean {
    const waiting = this.#bytes + this.#socket.bufferedAmount;
    return waiting === 0 || waiting + bytes <= mostWaitingBytes;
  }

  /** Sends a record, with whatever else is said in this moment. */
  write(kind: Kind, id: number, text: string, bytes: number): void {
    const size = recordHeaderBytes + bytes;
    if (this.#bytes + size > fullFrameBytes) this.flush();
    this.#records.push({ kind, id, text, bytes });
    this.#bytes += size;
    if (this.#records.length === 1) queueMicrotask(() => this.flush());
  }

  /** Sends what was said, now. */
  flush(): void {
    if (this.#records.length === 0) return;
    const frame = encodeFrame(this.#records, this.#bytes);
    this.#records = [];
    this.#bytes = 0;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(frame);
  }

  /**
   * Looks after it, now and then. It counts how often it was looked at and not how much time went by: a process that was
   * busy has not listened.
   */
  sweep(): void {
    if (this.#silentSweeps >= mostSilentSweeps) this.#socket.terminate();
    else if (this.#silentSweeps > 0 && this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
    this.#silentSweeps++;
  }

  /** Says that nothing more comes from here. What the other end says until it has heard that is still heard. */
  close(): void {
    this.flush();
    this.#socket.close(1000);
  }

  /** Ends it at once. */
  terminate(): void {
    this.#socket.terminate();
  }
}
