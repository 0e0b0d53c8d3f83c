/**
 * MLLP: where a message begins and ends in a stream of bytes. VT, the message, FS, CR. Neither VT nor FS can stand
 * inside a message, so every one of them tells where we are, whatever came before.
 */

const VT = 0x0b;
const FS = 0x1c;
const CR = 0x0d;
const LF = 0x0a;

/** Of a message that is too long, so that it can still be said which one it was: MSH stands in it. */
const KEPT_OF_TOO_LONG_BYTES = 4_096;

/**
 * Why bytes were dropped: between two messages; of a message that was begun anew before its end; of a message that
 * is longer than allowed.
 */
export type JunkReason = 'outside_frame' | 'unfinished' | 'too_long';

export interface DeframerOptions {
  /** Of the content between VT and FS. */
  maxMessageBytes: number;
  /** Called once for every finished message, in order; empty frames are none. `body` is the caller's to keep. */
  onMessage(body: Buffer): void;
  /** Called with what was dropped, in one or several parts. The framing bytes, and CR and LF between messages, never count. */
  onJunk(bytes: number, why: JunkReason): void;
  /** Called at the end of a message that was too long, with its beginning; in its turn among the messages. */
  onTooLong?(beginning: Buffer): void;
}

export interface Deframer {
  push(chunk: Buffer): void;
  /** How much of an unfinished message is held: 0 between messages. At most `maxMessageBytes`. */
  pendingBytes(): number;
}

/**
 * Takes one connection's bytes, in chunks of any size, and gives its messages. An FS ends a message, with or without
 * the CR that belongs to it; a VT begins one, even inside another, which is then dropped; what is longer than
 * allowed is dropped up to the next VT. Each byte is looked at once, and holding a message costs at most twice its size.
 */
export function createDeframer({ maxMessageBytes, onMessage, onJunk, onTooLong }: DeframerOptions): Deframer {
  /** Where the bytes that come next belong. */
  let place: 'outside' | 'inside' | 'too_long' = 'outside';
  /** The beginning of a message that came in an earlier chunk: its first `heldBytes` bytes. */
  let held: Buffer | null = null;
  let heldBytes = 0;

  function hold(piece: Buffer): void {
    if (piece.length === 0) return;
    const neededBytes = heldBytes + piece.length;
    if (held === null || held.length < neededBytes) {
      const larger = Buffer.allocUnsafe(Math.min(Math.max(neededBytes, 2 * heldBytes), maxMessageBytes));
      held?.copy(larger, 0, 0, heldBytes);
      held = larger;
    }
    piece.copy(held, heldBytes);
    heldBytes = neededBytes;
  }

  function letGo(): void {
    held = null;
    heldBytes = 0;
  }

  function drop(bytes: number, why: JunkReason): void {
    if (bytes > 0) onJunk(bytes, why);
  }

  /** What lies inside a frame, without its FS; a VT in it begins another message. */
  function takeInside(part: Buffer): void {
    let at = 0;
    for (let vt = part.indexOf(VT); vt !== -1; vt = part.indexOf(VT, at)) {
      takeContent(part.subarray(at, vt));
      if (place === 'inside') drop(heldBytes, 'unfinished');
      letGo();
      place = 'inside';
      at = vt + 1;
    }
    takeContent(part.subarray(at));
  }

  function takeContent(content: Buffer): void {
    if (place === 'inside' && heldBytes + content.length <= maxMessageBytes) {
      hold(content);
      return;
    }
    if (place === 'inside') {
      const beginning = Buffer.concat([held?.subarray(0, heldBytes) ?? Buffer.alloc(0), content]);
      drop(beginning.length, 'too_long');
      held = Buffer.from(beginning.subarray(0, KEPT_OF_TOO_LONG_BYTES));
      heldBytes = held.length;
      place = 'too_long';
    } else drop(content.length, 'too_long');
  }

  function finish(): void {
    if (held !== null && heldBytes > 0) {
      const content = held.subarray(0, heldBytes);
      if (place === 'inside') onMessage(content);
      else onTooLong?.(content);
    }
    letGo();
    place = 'outside';
  }

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (place === 'outside') {
          const vt = chunk.indexOf(VT, at);
          const end = vt === -1 ? chunk.length : vt;
          drop(countJunk(chunk.subarray(at, end)), 'outside_frame');
          if (vt !== -1) place = 'inside';
          at = end + 1;
        } else {
          const fs = chunk.indexOf(FS, at);
          const end = fs === -1 ? chunk.length : fs;
          takeInside(chunk.subarray(at, end));
          if (fs !== -1) finish();
          at = end + 1;
        }
      }
    },
    pendingBytes: () => (place === 'inside' ? heldBytes : 0),
  };
}

function countJunk(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte !== FS && byte !== CR && byte !== LF) count++;
  return count;
}

/** A message in its frame. The message must hold neither VT nor FS, which is true of all that is composed here. */
export function frame(body: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(body.length + 3);
  framed[0] = VT;
  body.copy(framed, 1);
  framed[body.length + 1] = FS;
  framed[body.length + 2] = CR;
  return framed;
}
