import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AckCode,
  type AckOptions,
  composeAck,
  MAX_ACK_BYTES,
  meaningOf,
  readAck,
} from '../../src/connectors/hl7v2/ack.ts';
import { frame } from '../../src/connectors/hl7v2/framing.ts';
import { type Head, readHead } from '../../src/connectors/hl7v2/head.ts';
import { parseMessage } from '../../src/connectors/hl7v2/message.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

function headOf(text: string): Head {
  const head = readHead(latin1(text));
  assert.ok(head);
  return head;
}

const NOW_MS = Date.parse('2026-12-01T15:00:00.000Z');

function ackFor(head: Head | null, more: Partial<AckOptions> = {}): string {
  return composeAck({ head, code: 'AA', nowMs: NOW_MS, ownControlId: 'OWN-1', ...more }).toString('latin1');
}

test("an acknowledgement turns sender and receiver over and speaks the sender's version and delimiters", () => {
  assert.equal(
    ackFor(
      headOf('MSH|^~\\&|OD|Clinic^1^ISO|OC|Us|2026||SIU^S12^SIU_S12|C-1|T|2.3.1^USA|||\rPID|1||7||Doe\rZZZ|Doe\r'),
    ),
    'MSH|^~\\&|OC|Us|OD|Clinic^1^ISO|20261201150000+0000||ACK^S12|OWN-1|T|2.3.1\rMSA|AA|C-1\r',
  );
  assert.equal(
    ackFor(headOf('MSH#!%$*#A#B#C#D#2026##SIU!S13#7#P!A#2.9'), { code: 'AE', text: 'busy! try#later' }),
    'MSH#!%$*#C#D#A#B#20261201150000+0000##ACK!S13#OWN-1#P#2.9\rMSA#AE#7#busy$S$ try$F$later\r',
  );
  assert.equal(
    ackFor(headOf('MSH|^~\\&|caf\xe9|||||||\xfc\xf1|P')),
    'MSH|^~\\&|||caf\xe9||20261201150000+0000||ACK|OWN-1|P|2.5.1\rMSA|AA|\xfc\xf1\r',
  );
});

test('what has no readable head or no control id is rejected in an acknowledgement that can be read', () => {
  for (const head of [
    null,
    headOf('MSH|^~\\&|||||||SIU^S12||P|2.3'),
    headOf(`MSH|^~\\&|||||||SIU^S12|${'x'.repeat(200)}|P|2.3`),
  ]) {
    const ack = latin1(ackFor(head, { code: 'AR', text: 'no control id' }));
    assert.deepEqual(readAck(ack), { code: 'AR', controlId: '', text: 'no control id' });
    assert.ok(frame(ack).length <= MAX_ACK_BYTES);
  }
});

test('names are left out whole before anything is cut off the control id', () => {
  const long = headOf(`MSH|^~\\&|${'N'.repeat(60)}|${'F'.repeat(60)}|OC|Us|||SIU^S12|C-1|P|2.5.1`);
  assert.equal(
    ackFor(long, { text: 'x'.repeat(90) }),
    `MSH|^~\\&|OC|Us|${'N'.repeat(60)}|${'F'.repeat(60)}|20261201150000+0000||ACK^S12|OWN-1|P|2.5.1\rMSA|AA|C-1\r`,
  );
  const longer = headOf(`MSH|^~\\&|${'N'.repeat(190)}||OC|Us|||SIU^S12|C-1|P|2.5.1`);
  assert.equal(
    ackFor(longer, { text: 'busy' }),
    'MSH|^~\\&|||||20261201150000+0000||ACK^S12|OWN-1|P|2.5.1\rMSA|AA|C-1\r',
  );
  const longId = 'i'.repeat(199);
  assert.equal(
    ackFor(headOf(`MSH|^~\\&|OD||OC|Us|||SIU^S12|${longId}|P|2.5.1`), { text: 'busy' }),
    `MSH|^~\\&|||||||ACK^S12|OWN-1|P|2.5.1\rMSA|AA|${longId}\r`,
  );
});

test('names of every length: kept as long as they fit, byte by byte', () => {
  let kept = 0;
  for (let length = 1; length <= 250; length++) {
    const ack = ackFor(headOf(`MSH|^~\\&|${'N'.repeat(length)}||OC|Us|||SIU^S12|C-1|P|2.5.1`));
    const size = frame(latin1(ack)).length;
    assert.ok(size <= MAX_ACK_BYTES);
    if (ack.includes('NNN')) kept = Math.max(kept, size);
  }
  assert.equal(kept, MAX_ACK_BYTES);
});

test('no sender can make an acknowledgement longer than 256 bytes, or unreadable', () => {
  const part = (maxLength: number) =>
    fc.string({ maxLength, unit: fc.constantFrom('a', 'Z', '1', '^', '&', '~', '\\', '\xe9', ' ', '.') });
  fc.assert(
    fc.property(
      fc.array(part(120), { minLength: 16, maxLength: 16 }),
      part(220),
      fc.string({ maxLength: 120, unit: 'grapheme-ascii' }),
      fc.string({ minLength: 1, maxLength: 30, unit: fc.constantFrom('a', '-', '7') }),
      (fields, id, text, ownControlId) => {
        fields[7] = id;
        const head = headOf(`MSH|^~\\&|${fields.join('|')}\r`);
        const ack = composeAck({ head, code: 'AE', text, nowMs: NOW_MS, ownControlId });
        assert.ok(frame(ack).length <= MAX_ACK_BYTES, `${frame(ack).length}`);
        assert.equal(ack.toString('latin1').split('\r')[1]?.split('|')[2], head.controlId ?? '');
        assert.equal(readHead(ack)?.controlId, ownControlId.slice(0, 20));
        assert.equal(readAck(ack)?.code, 'AE');
      },
    ),
    { numRuns: 1000 },
  );
});

test('nothing of the message but names, ids and version comes back', () => {
  const head = headOf(
    'MSH|^~\\&|OD|F|OC|Us|2026|SECRET|SIU^S12|C-1|P|2.5.1|||AL|AL|USA|8859/1\rPID|1||7||Doe\rZPI|Doe',
  );
  const ack = ackFor(head, { code: 'AR', text: 'unexpected sender' });
  assert.ok(!/Doe|SECRET|ZPI/.test(ack));
});

test('acknowledgements of others', () => {
  const cases: [bytes: Buffer, ack: ReturnType<typeof readAck>][] = [
    [latin1('MSH|^~\\&|A|B\rMSA|AA|C-1\r'), { code: 'AA', controlId: 'C-1', text: null }],
    [latin1('MSH|^~\\&|A|B\nMSA| ae | C-1 |no\\F\\yes\n'), { code: 'AE', controlId: 'C-1', text: 'no|yes' }],
    [
      latin1('MSH|^~\\&|A\rMSA|AR|C-1\rERR|||207^internal error^HL70357|E||||slot is taken\r'),
      { code: 'AR', controlId: 'C-1', text: 'slot is taken' },
    ],
    [
      latin1('MSH|^~\\&|A\rMSA|CR|C-1\rERR|||204^unknown key^HL70357|E\r'),
      { code: 'CR', controlId: 'C-1', text: 'unknown key' },
    ],
    [
      latin1('MSH#!%$*#A#B#C#D#2026##SRR!S03#7#P#2.6\rMSA#AA#C-1\rSCH##77\r'),
      { code: 'AA', controlId: 'C-1', text: null },
    ],
    [
      latin1('MSH|^~\\&|A||||||ACK|1|P|2.5|||||KLINGON\rMSA|AA|C-1|caf\xe9'),
      { code: 'AA', controlId: 'C-1', text: 'café' },
    ],
    [latin1('MSH|^~\\&|A\rMSA|AA\r'), { code: 'AA', controlId: '', text: null }],
    [latin1('MSH|^~\\&|A\rMSA|OK|C-1\r'), null],
    [latin1('MSH|^~\\&|A\rSCH|1\r'), null],
    [latin1('MSA|AA|C-1\r'), null],
    [latin1('HTTP/1.1 400 Bad Request\r\n\r\n'), null],
    [Buffer.alloc(0), null],
  ];
  for (const [bytes, ack] of cases) assert.deepEqual(readAck(bytes), ack, bytes.toString('latin1'));
});

test('what an acknowledgement means, and for whom', () => {
  const meaning = (code: AckCode, id = 'C-1') => meaningOf({ code, controlId: id, text: null }, 'C-1');
  assert.deepEqual(
    (['AA', 'CA', 'AE', 'CE', 'AR', 'CR'] as const).map((code) => meaning(code)),
    ['accepted', 'committed', 'try_again', 'try_again', 'refused', 'refused'],
  );
  for (const id of ['', 'C-10', 'c-1', 'C']) assert.equal(meaning('AA', id), 'not_ours');
});

test('what we compose is read as a message too', () => {
  const odd = latin1(ackFor(headOf('MSH-+:\\.-OD-------SIU+S12-C1-P-2'), { text: 'a-b' }));
  assert.equal(readHead(odd)?.controlId, 'OWN\\F\\1');
  assert.equal(parseMessage(odd).first('MSH')?.value(7), '20261201150000+0000');
  assert.equal(parseMessage(odd).first('MSA')?.value(3), 'a-b');
  const ack = latin1(ackFor(headOf('MSH|^~\\&|OD||OC||||SIU^S12|C-1|P|2.5.1'), { code: 'AR', text: 'a|b' }));
  assert.equal(parseMessage(ack).first('MSA')?.value(3), 'a|b');
});
