import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createDeframer, frame, type JunkReason } from '../../src/connectors/hl7v2/framing.ts';

const [VT, FS, CR] = [0x0b, 0x1c, 0x0d];

interface Seen {
  messages: string[];
  junk: Record<JunkReason, number>;
}

function deframe(chunks: Buffer[], maxMessageBytes = 1000): Seen & { pendingBytes: number } {
  const seen: Seen = { messages: [], junk: { outside_frame: 0, unfinished: 0, too_long: 0 } };
  const deframer = createDeframer({
    maxMessageBytes,
    onMessage: (body) => seen.messages.push(body.toString('latin1')),
    onJunk(bytes, why) {
      assert.ok(bytes > 0);
      seen.junk[why] += bytes;
    },
  });
  for (const chunk of chunks) deframer.push(chunk);
  return { ...seen, pendingBytes: deframer.pendingBytes() };
}

/** The same by the letter: one byte after the other, nothing clever. */
function deframeSlowly(bytes: Buffer, maxMessageBytes: number): Seen & { pendingBytes: number } {
  const seen: Seen = { messages: [], junk: { outside_frame: 0, unfinished: 0, too_long: 0 } };
  let message: number[] | null = null;
  let tooLong = 0;
  for (const byte of bytes) {
    if (byte === VT) {
      if (tooLong === 0) seen.junk.unfinished += message?.length ?? 0;
      seen.junk.too_long += tooLong;
      [message, tooLong] = [[], 0];
    } else if (byte === FS) {
      if (message !== null && message.length > 0 && tooLong === 0) {
        seen.messages.push(Buffer.from(message).toString('latin1'));
      }
      seen.junk.too_long += tooLong;
      [message, tooLong] = [null, 0];
    } else if (message === null) {
      if (byte !== CR && byte !== 0x0a) seen.junk.outside_frame++;
    } else {
      message.push(byte);
      if (message.length > maxMessageBytes) tooLong = message.length;
    }
  }
  seen.junk.too_long += tooLong;
  return { ...seen, pendingBytes: tooLong > 0 ? 0 : (message?.length ?? 0) };
}

const text = (value: string) => Buffer.from(value, 'latin1');

test('messages come out of any chunks', () => {
  const stream = Buffer.concat([frame(text('MSH|1\rPID|1\r')), frame(text('MSH|2\r'))]);
  for (let size = 1; size <= stream.length; size++) {
    const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) =>
      stream.subarray(i * size, (i + 1) * size),
    );
    const { messages, junk, pendingBytes } = deframe(chunks);
    assert.deepEqual(messages, ['MSH|1\rPID|1\r', 'MSH|2\r'], `chunks of ${size}`);
    assert.deepEqual([...Object.values(junk), pendingBytes], [0, 0, 0, 0]);
  }
});

test('what peers do to frames', () => {
  const cases: [stream: string, messages: string[], junk: Partial<Seen['junk']>][] = [
    ['\x0bMSH|1\x1c\x0bMSH|2\x1c', ['MSH|1', 'MSH|2'], {}],
    ['\x0b\x0bMSH|1\x1c\r', ['MSH|1'], {}],
    ['MSH|1\r\x1c\r\x0bMSH|2\x1c\r', ['MSH|2'], { outside_frame: 5 }],
    ['\x0bMSH|1\r\x0bMSH|2\x1c\r', ['MSH|2'], { unfinished: 6 }],
    ['GET / HTTP/1.1\r\n\r\n\x0bMSH|1\x1c\r', ['MSH|1'], { outside_frame: 14 }],
    ['\x0bMSH|1\x1c\r\n\r\n\x1c\x0bMSH|2\x1c\r', ['MSH|1', 'MSH|2'], {}],
    ['\x0b\x1c\r\x0bMSH|1\x1c\r', ['MSH|1'], {}],
    [`\x0b${'x'.repeat(1001)}\x1c\rjunk\x0bMSH|1\x1c\r`, ['MSH|1'], { too_long: 1001, outside_frame: 4 }],
    [`\x0b${'x'.repeat(2000)}\x0bMSH|1\x1c\r`, ['MSH|1'], { too_long: 2000 }],
    [`\x0b${'x'.repeat(1000)}\x1c`, ['x'.repeat(1000)], {}],
  ];
  for (const [stream, messages, junk] of cases) {
    const seen = deframe([text(stream)]);
    assert.deepEqual(seen.messages, messages, JSON.stringify(stream.slice(0, 60)));
    assert.deepEqual(seen.junk, { outside_frame: 0, unfinished: 0, too_long: 0, ...junk });
  }
});

test('any bytes in any chunks are read as the slow reader reads them', () => {
  const byte = fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(VT, FS, CR, 0x0a) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 255 }) },
  );
  const chunks = fc.array(
    fc.array(byte, { maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(chunks, fc.integer({ min: 1, max: 40 }), (chunks, max) => {
      assert.deepEqual(deframe(chunks, max), deframeSlowly(Buffer.concat(chunks), max));
    }),
    { numRuns: 2000 },
  );
});

test('what is pending is counted, and forgotten with its message', () => {
  assert.equal(deframe([text('\x0bMSH|')]).pendingBytes, 4);
  assert.equal(deframe([text('\x0bMSH|'), text('1\x1c')]).pendingBytes, 0);
  assert.equal(deframe([text(`\x0b${'x'.repeat(1001)}`)]).pendingBytes, 0);
});

test('cost grows with the bytes: large messages in small pieces, and bytes that are no message', () => {
  const stream = Buffer.concat([
    frame(Buffer.alloc(4_000_000, 'x')),
    Buffer.alloc(4_000_000, VT),
    Buffer.alloc(4_000_000),
  ]);
  const before = process.cpuUsage();
  const deframer = createDeframer({ maxMessageBytes: 4_000_000, onMessage: () => {}, onJunk: () => {} });
  for (let at = 0; at < stream.length; at += 7) deframer.push(stream.subarray(at, at + 7));
  // Half a second of it; quadratic would be minutes.
  assert.ok(process.cpuUsage(before).user < 5_000_000);
});
