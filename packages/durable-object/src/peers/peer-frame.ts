/**
 * What a frame holds: one or more records, one behind the other. So what is said in one moment goes out in one frame.
 *
 * A record is one byte for its kind, four for the number of its message, four for the length of its text, and the text
 * in UTF-8.
 */

/** What a record is. The numbers are the protocol. */
export const kinds = {
  /** The caller knows the secret. The first record of a connection that asks for it. */
  proof: 1,
  request: 2,
  answer: 3,
  /** The message of this number was not delivered. The text says why. */
  refused: 4,
  /** The message of this number was delivered, and there is no answer. The text says why. */
  failed: 5,
  /** Nothing more is taken: the node closes. */
  goodbye: 6,
} as const;

export type Kind = (typeof kinds)[keyof typeof kinds];

/** A record on its way out. */
export interface OutgoingRecord {
  readonly kind: Kind;
  readonly id: number;
  readonly text: string;
  /** The length of the text in UTF-8. */
  readonly bytes: number;
}

/** Hears the records of a frame. */
export type RecordListener = (kind: number, id: number, text: string) => void;

/** What stands before each text. */
export const recordHeaderBytes = 9;

/** A frame of these records, which take so many bytes together. */
export function encodeFrame(records: readonly OutgoingRecord[], frameBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(frameBytes);
  let at = 0;
  for (const { kind, id, text, bytes } of records) {
    frame[at] = kind;
    frame.writeUInt32BE(id, at + 1);
    frame.writeUInt32BE(bytes, at + 5);
    at += recordHeaderBytes;
    frame.write(text, at);
    at += bytes;
  }
  return frame;
}

/** Tells of each record of a frame. False if it is none of ours; what was told before that is good. */
export function readFrame(frame: Buffer, hear: RecordListener): boolean {
  let at = 0;
  while (at < frame.length) {
    const start = at + recordHeaderBytes;
    if (start > frame.length) return false;
    const end = start + frame.readUInt32BE(at + 5);
    if (end > frame.length) return false;
    hear(frame[at] ?? 0, frame.readUInt32BE(at + 1), frame.toString("utf8", start, end));
    at = end;
  }
  return true;
}
