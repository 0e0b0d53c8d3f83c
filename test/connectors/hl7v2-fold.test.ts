import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Batch, type Cursor, Unavailable } from '../../src/connectors/connector.ts';
import { foldAppointment, inOrder } from '../../src/connectors/hl7v2/fold.ts';
import { changes, find, replayFrom } from '../../src/connectors/hl7v2/read.ts';
import type { StoredMessage } from '../../src/domain/message.ts';
import { adt, configOf, type KeptMessages, keepMessages, openDental } from './hl7v2-samples.ts';

const config = configOf();
const OD_APPOINTMENT = '4711@2.16.840.1.113883.3.4337.1486.77.6';
const never = new AbortController().signal;

const twoDigits = (n: number) => String(n).padStart(2, '0');
/** One message of an appointment's life, made in that minute. */
const step = (minute: number, trigger: string, status: string, confirm: string, hour: number) =>
  openDental({
    trigger,
    status,
    confirm,
    controlId: `m${minute}`,
    at: `2040010208${twoDigits(minute)}00`,
    start: `20400103${twoDigits(hour)}0000`,
    end: `20400103${twoDigits(hour + 1)}0000`,
  });

const life = fc
  .array(
    fc.tuple(
      fc.constantFrom('S12', 'S13', 'S14', 'S15', 'S17', 'S26'),
      fc.constantFrom('Booked', 'Cancelled', 'Complete'),
      fc.constantFrom('Unconfirmed', 'Confirmed', 'Arrived'),
      fc.integer({ min: 8, max: 16 }),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) =>
    steps.map(([trigger, status, confirm, hour], minute) => step(minute, trigger, status, confirm, hour)),
  );

const arrive = (texts: readonly string[]): StoredMessage[] => {
  const messages = keepMessages(config);
  for (const text of texts) messages.take(text);
  return messages.all;
};
const stateOf = (texts: readonly string[]) => foldAppointment(config, arrive(texts)).record;

test('the order of arrival changes nothing', () => {
  fc.assert(
    fc.property(
      life.chain((texts) => fc.tuple(fc.constant(texts), fc.shuffledSubarray(texts, { minLength: texts.length }))),
      ([texts, shuffled]) => assert.deepEqual(stateOf(shuffled), stateOf(texts)),
    ),
  );
});

test('a clock that is far ahead silences nobody', () => {
  const booked = openDental({ trigger: 'S12', status: 'Booked', controlId: 'a', at: '20990101080000' });
  const cancelled = openDental({ trigger: 'S15', status: 'Cancelled', controlId: 'b', at: '20400103080500' });
  assert.equal(stateOf([booked, cancelled])?.cancelled, true);
});

test('messages that come once more, also under another control id, change nothing', () => {
  fc.assert(
    fc.property(
      life.chain((texts) => fc.tuple(fc.constant(texts), fc.subarray(texts))),
      ([texts, repeated]) => {
        const again = repeated.map((text) => text.replace(/\|m(\d+)\|/, '|again$1|'));
        assert.deepEqual(stateOf([...texts, ...again]), stateOf(texts));
      },
    ),
  );
});

test('a late S12 revives nothing, also one of the same second', () => {
  const [made, gone] = [step(1, 'S12', 'Booked', '', 9), step(2, 'S17', 'Deleted', '', 9)];
  assert.equal(stateOf([gone, made])?.cancelled, true);
  const sameSecond = gone.replace('0802', '0801');
  assert.equal(stateOf([sameSecond, made])?.cancelled, true);
  assert.equal(stateOf([gone, made, step(3, 'S12', 'Booked', '', 9)])?.cancelled, false, 'booked anew, later');
});

test('messages without MSH-7 go by their arrival', () => {
  const untimed = (text: string) => text.replace(/\|\|2040010208\d{4}\|/, '|||');
  const texts = [step(1, 'S12', 'Booked', '', 9), step(2, 'S13', 'Booked', '', 11), step(3, 'S13', 'Booked', '', 10)];
  assert.equal(stateOf(texts.map(untimed))?.startAt, '2040-01-03T15:00:00.000Z');
  assert.equal(stateOf(texts.map(untimed).reverse())?.startAt, '2040-01-03T14:00:00.000Z');
});

test('what we wrote stands after what was known then, whatever the clock of the HRS says', () => {
  const kept = (position: number, direction: 'in' | 'out', sentAt: string): StoredMessage => ({
    ...{ position, direction, sentAt, type: 'SIU^S14', storedAt: sentAt, controlId: String(position) },
    ...{ body: Buffer.from('x'), digest: Buffer.alloc(32), appointmentRef: 'a', patientRef: null },
  });
  const at = (minute: number) => `2040-01-02T08:${twoDigits(minute)}:00.000Z`;
  const positions = (messages: StoredMessage[]) => inOrder(messages).map(({ position }) => position);
  // Their clock is a quarter of an hour behind.
  assert.deepEqual(positions([kept(1, 'in', at(0)), kept(2, 'out', at(16)), kept(3, 'in', at(2))]), [1, 2, 3]);
  // What was known then, sent once more.
  assert.deepEqual(positions([kept(1, 'in', at(0)), kept(2, 'out', at(16)), kept(3, 'in', at(0))]), [1, 3, 2]);
  // Held up on its way, and older than what was known.
  assert.deepEqual(positions([kept(1, 'in', at(5)), kept(2, 'out', at(6)), kept(3, 'in', at(1))]), [3, 1, 2]);
});

test('when only the line of the last message is still kept, nobody says what the appointment is', async () => {
  const messages = keepMessages(config);
  messages.take(step(1, 'S12', 'Booked', '', 9));
  const last = messages.take(step(2, 'S17', 'Deleted', '', 9));
  messages.all[1] = { ...last, body: Buffer.alloc(0) };
  assert.deepEqual(foldAppointment(config, messages.all), { record: null, references: [], forgotten: true });
  await assert.rejects(find(config, messages, { kind: 'appointment', foreignId: OD_APPOINTMENT }), Unavailable);
  assert.deepEqual(await find(config, messages, { kind: 'appointment', foreignId: 'nobody' }), []);
});

async function pass(messages: KeptMessages, cursor: Cursor | null): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of changes(config, messages, cursor, never)) batches.push(batch);
  return batches;
}

test('a pass reads what has arrived, notes what it cannot read, and goes on from its cursor', async () => {
  const messages = keepMessages(config);
  for (let n = 1; n <= 200; n++) messages.take(openDental({ id: String(n), controlId: `c${n}` }));
  const bad = messages.take(openDental({ start: '', controlId: 'bad' }));
  const batches = await pass(messages, null);
  assert.equal(batches.filter(({ complete }) => complete).length, 1);
  assert.equal(batches.at(-1)?.complete, true);
  assert.ok(batches.every(({ records }) => records.length <= 1_000));
  const kinds = Map.groupBy(
    batches.flatMap(({ records }) => records),
    ({ kind }) => kind,
  );
  assert.equal(kinds.get('appointment')?.length, 200);
  assert.equal(batches[0]?.records[0]?.kind, 'location', 'before what refers to it');
  assert.match(messages.problems.get(bad.position) ?? '', /no usable start/);

  const cursor = batches.at(-1)?.cursor as Cursor;
  assert.deepEqual(cursor, { position: 201 });
  assert.equal((await pass(messages, cursor)).flatMap(({ records }) => records).length, 1, 'the site alone');
  messages.take(adt({ trigger: 'A40', id: '2^^^A^MR', retires: '1^^^A^MR' }));
  const [merge] = await pass(messages, cursor);
  assert.deepEqual(merge?.records.map((one) => ('foreignId' in one ? one.foreignId : '')).sort(), [
    '1@A',
    '2@A',
    'main',
  ]);
});

test('read again with a mended profile, problems are taken back', async () => {
  const messages = keepMessages(config);
  const text = openDental({ start: '', end: '' }).replace(
    'AIP|1|A|7^Okafor^Nina^^Dr|D||',
    'AIP|1|A|7^Okafor^Nina^^Dr|D||20400103090000|||45|min',
  );
  messages.take(text);
  const strict = configOf({ profile: { times: ['TQ1'] } });
  const batches: Batch[] = [];
  for await (const batch of changes(strict, messages, null, never)) batches.push(batch);
  assert.equal(messages.problems.size, 1);
  const cursor = batches.at(-1)?.cursor as Cursor;
  const again = replayFrom(cursor, 1);
  assert.deepEqual(again, { position: 0, rereadTo: 1 });
  const reread = (await pass(messages, again)).flatMap(({ records }) => records);
  assert.equal(reread.filter(({ kind }) => kind === 'appointment').length, 1);
  assert.equal(messages.problems.size, 0);
});

const odd = fc.oneof(
  fc.constantFrom('', '""', '^', '&&&', '~~', 'A^B&C~D', '20400103090000', '-1', '9'.repeat(30), '\\X00\\', '\\E', 'D'),
  fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n|]/g, '')),
);
const oddSegment = fc
  .tuple(
    fc.constantFrom('SCH', 'TQ1', 'NTE', 'PID', 'MRG', 'RGS', 'AIS', 'AIG', 'AIL', 'AIP', 'PV1', 'ZZZ'),
    fc.array(odd, { maxLength: 30 }),
  )
  .map(([name, fields]) => [name, ...fields].join('|'));

test('whatever a message holds, it is a record, nothing, or a problem in our words', async () => {
  const trigger = fc.constantFrom('SIU^S12', 'SIU^S15', 'SIU^S99', 'ADT^A08', 'ADT^A40', 'SRR^S01', 'SIU');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(trigger, fc.array(oddSegment, { maxLength: 12 })), { maxLength: 4 }),
      async (all) => {
        const messages = keepMessages(config);
        for (const [index, [type, segments]] of all.entries()) {
          messages.take([`MSH|^~\\&|A|B|C||20400102080000||${type}|odd${index}|P|2.5`, ...segments].join('\r'));
        }
        const records = (await pass(messages, null)).flatMap((batch) => batch.records);
        for (const record of records) {
          assert.ok('foreignId' in record && record.foreignId !== '' && record.foreignId.length <= 255);
          assert.doesNotMatch(JSON.stringify(record), /\\u0000/);
          if (record.kind === 'appointment') assert.ok(record.startAt < record.endAt);
        }
        for (const problem of messages.problems.values()) assert.match(problem, /^(names|has|cannot) [a-z ]+/);
      },
    ),
  );
});
