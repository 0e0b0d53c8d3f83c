import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { sql } from 'kysely';
import type { WireMessage } from '../../src/domain/message.ts';
import { tidyUp } from '../../src/jobs/housekeeping.ts';
import { type Database, forAll, forInstitution, openDatabase } from '../../src/store/database.ts';
import { messagesOf, type Stored, storeMessages } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { createAppointment, createPractice, type Practice } from '../harness/practice.ts';
import { SEAL } from '../harness/seal.ts';

let database: TestDatabase;
let db: Database;

before(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, 6, () => {});
});

after(async () => {
  await db.close();
  await database.drop();
});

const newPractice = () => createPractice(db, `oak-${randomUUID().slice(0, 8)}`);

function messageOf(text: string, fields: Partial<WireMessage> = {}): WireMessage {
  return {
    body: Buffer.from(text),
    digest: createHash('sha256').update(text).digest(),
    controlId: text.slice(0, 20),
    type: 'SIU^S12',
    appointmentRef: null,
    patientRef: null,
    sentAt: null,
    ...fields,
  };
}

const store = (entries: [connectionId: number, message: WireMessage][]) =>
  storeMessages(
    db,
    SEAL,
    entries.map(([connectionId, message]) => ({ connectionId, direction: 'in', message })),
  );

test('messages of several connections have places of their own, in order, and are stored once', async () => {
  const [oak, elm] = [await newPractice(), await newPractice()];
  const [a, b] = [oak.connection.id, elm.connection.id];
  const one = messageOf('one', { sentAt: '2026-12-01T13:00:00.000Z', patientRef: 'P1' });
  assert.deepEqual(
    await store([
      [a, one],
      [b, one],
      [a, messageOf('two')],
      [a, one],
    ]),
    ['stored', 'stored', 'stored', 'repeated'],
  );
  assert.deepEqual(
    await store([
      [b, messageOf('two')],
      [a, messageOf('two')],
      [a, messageOf('three')],
      [999_999, one],
    ]),
    ['stored', 'repeated', 'stored', 'unknown'],
  );
  const kept = await messagesOf(db, SEAL, a).after(0, 100);
  assert.deepEqual(
    kept.map(({ body }) => body.toString()),
    ['one', 'two', 'three'],
  );
  const [first, second, third] = kept.map((message) => message.position) as [number, number, number];
  assert.ok(0 < first && first < second && second < third);
  const { storedAt, position: _, direction, ...rest } = kept[0] as (typeof kept)[0];
  assert.deepEqual(rest, one);
  assert.equal(direction, 'in');
  assert.ok(Date.now() - Date.parse(storedAt) < 10_000);
  assert.deepEqual(
    (await messagesOf(db, SEAL, a).after(second, 100)).map((message) => message.position),
    [third],
  );
  const ofElm = await forInstitution(db, elm.institution.id, (tx) =>
    tx.selectFrom('raw_message').selectAll().execute(),
  );
  assert.deepEqual([...new Set(ofElm.map((row) => row.connection_id))], [b], 'nobody sees another institution’s');
});

test('whoever stores at the same time, each message has one place', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.tuple(fc.nat(1), fc.nat(15)), { minLength: 1, maxLength: 6 }), {
        minLength: 2,
        maxLength: 8,
      }),
      async (batches) => {
        const ids = [(await newPractice()).connection.id, (await newPractice()).connection.id] as const;
        const outcomes = await Promise.all(
          batches.map((batch) => store(batch.map(([which, n]) => [ids[which as 0 | 1], messageOf(`m${n}`)]))),
        );
        for (const [which, id] of ids.entries()) {
          const sent = new Set(batches.flat().flatMap(([to, n]) => (to === which ? [`m${n}`] : [])));
          const kept = await messagesOf(db, SEAL, id).after(0, 1_000);
          assert.deepEqual(new Set(kept.map(({ body }) => body.toString())), sent);
          const news = batches.flatMap((batch, at) =>
            batch.filter(([to], nth) => to === which && (outcomes[at] as Stored[])[nth] === 'stored'),
          );
          assert.equal(news.length, sent.size);
        }
      },
    ),
    { numRuns: 15 },
  );
});

test('who follows while others store sees everything, whenever it looks', async () => {
  const { id } = (await newPractice()).connection;
  const writers = Promise.all(
    Array.from({ length: 3 }, async (_, writer) => {
      for (let n = 0; n < 40; n += 1) await store([[id, messageOf(`w${writer} ${n}`)]]);
    }),
  );
  let stored = false;
  void writers.then(() => {
    stored = true;
  });
  const seen: string[] = [];
  let position = 0;
  for (let last = false; !last; ) {
    last = stored;
    const next = await messagesOf(db, SEAL, id).after(position, 100);
    seen.push(...next.map(({ body }) => body.toString()));
    position = next.at(-1)?.position ?? position;
  }
  await writers;
  assert.equal(seen.length, 120);
  assert.equal(new Set(seen).size, 120);
});

test('a body is nowhere to be read, and opens in its own place only', async () => {
  const { connection } = await newPractice();
  await store([[connection.id, messageOf('PID|Pine^Pia', { controlId: 'X' })]]);
  const row = await forAll(db, (tx) =>
    tx.selectFrom('raw_message').selectAll().where('connection_id', '=', connection.id).executeTakeFirstOrThrow(),
  );
  assert.ok(!JSON.stringify(row).includes(Buffer.from('Pine').toString('hex')) && !row.body?.includes('Pine'));
  const stranger = createSeal([Buffer.alloc(32, 'other')]);
  const [lost] = await messagesOf(db, stranger, connection.id).after(0, 1);
  assert.equal(lost?.body.length, 0, 'without the key there is no content');
});

test('about: theirs and ours, oldest first, by appointment or by patient', async () => {
  const { connection } = await newPractice();
  const messages = messagesOf(db, SEAL, connection.id);
  await store([
    [connection.id, messageOf('a1', { appointmentRef: 'A', patientRef: 'P' })],
    [connection.id, messageOf('b1', { appointmentRef: 'B', patientRef: 'P' })],
    [connection.id, messageOf('p2', { patientRef: 'Q' })],
  ]);
  await messages.keepSent(messageOf('ours', { appointmentRef: 'A', patientRef: 'Q' }));
  await messages.keepSent(messageOf('ours', { appointmentRef: 'A', patientRef: 'Q' }));
  const texts = async (refs: Parameters<typeof messages.about>[0]) =>
    (await messages.about(refs)).map(({ body, direction }) => `${direction} ${body}`);
  assert.deepEqual(await texts({ appointments: ['A'] }), ['in a1', 'out ours']);
  assert.deepEqual(await texts({ appointments: ['B'], patients: ['Q'] }), ['in b1', 'in p2', 'out ours']);
  assert.deepEqual(await texts({ appointments: ['A', 'B'], patients: ['P', 'Q'] }), [
    'in a1',
    'in b1',
    'in p2',
    'out ours',
  ]);
  assert.deepEqual(await texts({}), []);
  await messages.noteProblem(2, 'no times');
  const problems = () =>
    forAll(db, (tx) =>
      tx
        .selectFrom('raw_message')
        .select('problem')
        .where('connection_id', '=', connection.id)
        .orderBy('position')
        .execute(),
    );
  assert.deepEqual(
    (await problems()).map(({ problem }) => problem),
    [null, 'no times', null, null],
  );
  await messages.noteProblem(2, null);
  assert.ok((await problems()).every(({ problem }) => problem === null));
});

test('large messages are read a few at a time', async () => {
  const { connection } = await newPractice();
  const large = Array.from({ length: 6 }, (_, n) => messageOf(`${n}${'x'.repeat(3_999_999)}`));
  for (const message of large) await store([[connection.id, message]]);
  const messages = messagesOf(db, SEAL, connection.id);
  const first = await messages.after(0, 100);
  assert.ok(first.length >= 3 && first.length < 6, String(first.length));
  assert.equal((await messages.after(first.length, 100)).length, 6 - first.length);
});

/** Moves everything of a connection into the past. */
const age = (practice: Practice, days: number) =>
  forAll(db, (tx) =>
    sql`update raw_message set stored_at = stored_at - ${days} * interval '1 day'
        where connection_id = ${practice.connection.id}`.execute(tx),
  );

test('past its time a body goes, but not while its appointment is to come; much later the line goes too', async () => {
  const practice = await newPractice();
  const { id } = practice.connection;
  await createAppointment(db, practice, '2099-01-05T15:00:00.000Z', { foreign_id: 'FUTURE' });
  await createAppointment(db, practice, '2020-01-06T15:00:00.000Z', { foreign_id: 'PAST' });
  await store([
    [id, messageOf('future', { appointmentRef: 'FUTURE' })],
    [id, messageOf('past', { appointmentRef: 'PAST' })],
    [id, messageOf('person', { patientRef: 'P' })],
    [id, messageOf('person of late', { patientRef: 'P' })],
  ]);
  const messages = messagesOf(db, SEAL, id);
  const tidy = () => tidyUp(db, new AbortController().signal);
  const bodies = async () => (await messages.after(0, 10)).map(({ body }) => body.toString());
  await age(practice, 29);
  await tidy();
  assert.deepEqual(await bodies(), ['future', 'past', 'person', 'person of late']);
  await age(practice, 2);
  await tidy();
  assert.deepEqual(await bodies(), ['future', 'person of late'], 'a booking is written with it');
  const [line] = await messages.about({ appointments: ['PAST'] });
  assert.deepEqual([line?.type, line?.body.length], ['SIU^S12', 0]);
  await store([[id, messageOf('past', { appointmentRef: 'PAST' })]]).then((outcome) =>
    assert.deepEqual(outcome, ['repeated']),
  );
  await age(practice, 400);
  await tidy();
  assert.deepEqual(await bodies(), ['future']);
  assert.deepEqual(await messages.about({ appointments: ['PAST'], patients: ['P'] }), []);
  await store([[id, messageOf('new')]]);
  assert.ok(Number((await messages.after(1, 10))[0]?.position) > 4, 'a place is never given twice');
});
