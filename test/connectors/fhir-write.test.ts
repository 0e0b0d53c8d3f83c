/** Answers to writes that are not what R4 promises, and what is left behind when a write ends half-way. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import type { NewAppointment, Write, WriteResult } from '../../src/connectors/connector.ts';
import { GUARD_SYSTEM, MARKER_SYSTEM } from '../../src/connectors/fhir/map.ts';
import type { Reply } from '../harness/fault-proxy.ts';
import type { FreeTime } from './bench.ts';
import { type FhirBench, type Foreign, startFhirBench } from './fhir-bench.ts';

const now = () => AbortSignal.timeout(10_000);
const isPost = ({ method, url }: { method: string; url: string }) =>
  method === 'POST' && url.startsWith('/Appointment');
const isPut = ({ method, url }: { method: string; url: string }) => method === 'PUT' && url.startsWith('/Appointment');
const isRead = ({ method, url }: { method: string; url: string }) =>
  method === 'GET' && /^\/Appointment\/[^/?]+$/.test(url);

const outcomeOf = (severity: string) =>
  JSON.stringify({ resourceType: 'OperationOutcome', issue: [{ severity, code: 'business-rule' }] });

/** How a write ends: the reason of a refusal, or the name of the error. */
type Ending = string;

const endingOf = (write: Promise<WriteResult>): Promise<Ending> =>
  write.then(
    (result) => (result.outcome === 'refused' ? result.reason : result.outcome),
    (error) => error.name,
  );

describe('fhir, answers to writes', () => {
  let bench: FhirBench;
  let patientId: string;
  before(async () => {
    bench = await startFhirBench();
    [patientId] = (await bench.desk.addPatients(['Ordinary'])) as [string];
  });
  after(() => bench?.close());
  afterEach(() => bench.proxy.clear());

  const bookingAt = (time: FreeTime, marker = randomUUID()): Write => {
    const appointment: NewAppointment = {
      ...time,
      patientForeignId: patientId,
      descriptorForeignIds: [],
      unavailable: false,
      note: 'first visit',
      appointmentsPerTimeslot: 1,
    };
    return { kind: 'create_appointment', marker, appointment };
  };
  const moveOf = (foreignId: string, { startAt, endAt }: FreeTime): Write => {
    return { kind: 'update', marker: randomUUID(), foreignId, changes: { startAt, endAt }, appointmentsPerTimeslot: 1 };
  };
  const execute = (write: Write) => bench.connector.execute(write, now());
  const book = async (time: FreeTime): Promise<string> => {
    const result = await execute(bookingAt(time));
    assert.equal(result.outcome, 'done', JSON.stringify(result));
    return (result as { foreignId: string }).foreignId;
  };
  const slotAt = async ({ startAt }: FreeTime): Promise<Foreign> => {
    const end = new Date(Date.parse(startAt) + 60_000).toISOString();
    const found = await bench.server.get(`Slot?start=ge${startAt}&start=lt${end}`);
    assert.equal(found.entry.length, 1);
    return found.entry[0].resource;
  };
  const liveAt = async ({ startAt }: FreeTime): Promise<number> => {
    const found = await bench.server.get(`Appointment?status=booked&date=ge${startAt}&_count=50`);
    return (found.entry ?? []).filter(({ resource }: Foreign) => resource.start === startAt).length;
  };

  /** Answers to the creation of an appointment that was never passed on: how it ends, and whether its slot is free. */
  const CREATE_ANSWERS: Record<string, [reply: Partial<Reply> & { body?: never; text?: string }, Ending, string]> = {
    '201 without anything': [{ status: 201 }, 'OutcomeUnknown', 'busy'],
    '201 with a Location of something else': [
      { status: 201, headers: { location: 'http://e.org/Patient/1' } },
      'OutcomeUnknown',
      'busy',
    ],
    '201 with another type': [
      { status: 201, text: JSON.stringify({ resourceType: 'Patient', id: 'x' }) },
      'OutcomeUnknown',
      'busy',
    ],
    '201 without an id': [
      { status: 201, text: JSON.stringify({ resourceType: 'Appointment' }) },
      'OutcomeUnknown',
      'busy',
    ],
    '201 with a list': [{ status: 201, text: '[]' }, 'OutcomeUnknown', 'busy'],
    '200 with a remark': [{ status: 200, text: outcomeOf('information') }, 'OutcomeUnknown', 'busy'],
    '200 with an error': [{ status: 200, text: outcomeOf('error') }, 'OutcomeUnknown', 'busy'],
    '202, later perhaps': [{ status: 202 }, 'OutcomeUnknown', 'busy'],
    '204, and nothing there': [{ status: 204 }, 'OutcomeUnknown', 'busy'],
    '400 by somebody in between': [{ status: 400, text: '{"error":"bad"}' }, 'OutcomeUnknown', 'busy'],
    '400 by the server': [{ status: 400, text: outcomeOf('error') }, 'refused_by_hrs', 'free'],
    '403 by whomever': [{ status: 403, text: '{}' }, 'refused_by_hrs', 'free'],
    '404 by the server': [{ status: 404, text: outcomeOf('error') }, 'refused_by_hrs', 'free'],
    '409, it collides': [{ status: 409, text: outcomeOf('error') }, 'slot_taken', 'free'],
    '412 where no copy is': [{ status: 412, text: outcomeOf('error') }, 'refused_by_hrs', 'free'],
    '422 by the server': [{ status: 422, text: outcomeOf('error') }, 'refused_by_hrs', 'free'],
    '423, it is locked': [{ status: 423, text: outcomeOf('error') }, 'slot_taken', 'free'],
    '429, wait': [{ status: 429, headers: { 'retry-after': '1' } }, 'Unavailable', 'free'],
    '503, wait': [{ status: 503, headers: { 'retry-after': '1' } }, 'Unavailable', 'free'],
    '500, who knows': [{ status: 500 }, 'OutcomeUnknown', 'busy'],
  };
  for (const [what, [reply, ending, slot]] of Object.entries(CREATE_ANSWERS)) {
    it(`ends as ${ending} after ${what}, and the next attempt books once`, async () => {
      const time = await bench.desk.takeFreeTime();
      const write = bookingAt(time);
      const { status = 0, headers = {}, text = '' } = reply;
      bench.proxy.arm(
        { kind: 'answer', status, headers: headers as Record<string, string>, body: text },
        { when: isPost },
      );
      assert.equal(await endingOf(execute(write)), ending);
      assert.equal((await slotAt(time)).status, slot);
      assert.equal(await endingOf(execute(write)), 'done');
      assert.equal(await liveAt(time), 1);
    });
  }

  const withoutHeaders =
    (...names: string[]) =>
    (reply: Reply) => ({
      ...reply,
      headers: Object.fromEntries(Object.entries(reply.headers).filter(([name]) => !names.includes(name))),
    });
  const withBody = (edit: (json: Foreign) => unknown) => (reply: Reply) => ({
    ...reply,
    body: Buffer.from(JSON.stringify(edit(JSON.parse(reply.body.toString())))),
  });
  const withHeader = (name: string, value: string) => (reply: Reply) => ({
    ...reply,
    headers: { ...reply.headers, [name]: value },
  });

  /** Answers to a creation that was done. */
  const DONE_ANSWERS: Record<string, [alter: (reply: Reply) => Reply, Ending]> = {
    '201 without a Location': [withoutHeaders('location'), 'done'],
    '201 with neither Location nor body': [
      (reply) => ({ ...withoutHeaders('location')(reply), body: Buffer.alloc(0) }),
      'done',
    ],
    '201 with a Location and no body': [(reply) => ({ ...reply, body: Buffer.alloc(0) }), 'done'],
    '201 with a remark for a body': [(reply) => ({ ...reply, body: Buffer.from(outcomeOf('warning')) }), 'done'],
    '201 with a Location of another record': [
      withHeader('location', 'http://e.org/Appointment/other'),
      'OutcomeUnknown',
    ],
    '201 with the body of another record': [withBody((json) => ({ ...json, id: 'other' })), 'OutcomeUnknown'],
    '201 with a body that lost everything else': [withBody(({ resourceType, id }) => ({ resourceType, id })), 'done'],
    '200 instead of 201': [(reply) => ({ ...reply, status: 200 }), 'done'],
    '202 for something done': [(reply) => ({ ...reply, status: 202, body: Buffer.alloc(0) }), 'done'],
    '412 by a proxy that sent it twice': [
      (reply) => ({ ...reply, status: 412, body: Buffer.from(outcomeOf('error')) }),
      'done',
    ],
    '409 by a proxy that sent it twice': [
      (reply) => ({ ...reply, status: 409, body: Buffer.from(outcomeOf('error')) }),
      'done',
    ],
  };
  for (const [what, [alter, ending]] of Object.entries(DONE_ANSWERS)) {
    it(`ends as ${ending} after ${what} for work that was done`, async () => {
      const time = await bench.desk.takeFreeTime();
      const write = bookingAt(time);
      bench.proxy.arm({ kind: 'alter', alter }, { when: isPost });
      assert.equal(await endingOf(execute(write)), ending);
      assert.equal(await endingOf(execute(write)), 'done');
      assert.equal(await liveAt(time), 1);
    });
  }

  /** What comes with a record that is to be changed. */
  const VERSIONS: Record<string, [alter: (reply: Reply) => Reply, Ending]> = {
    'a weak ETag': [(reply) => reply, 'done'],
    'a strong ETag': [(reply) => withHeader('etag', String(reply.headers.etag).replace('W/', ''))(reply), 'done'],
    'no ETag, only a versionId': [withoutHeaders('etag'), 'done'],
    'an ETag that is none': [withHeader('etag', 'yesterday'), 'done'],
    'an ETag of an older version': [withHeader('etag', 'W/"older"'), 'Unavailable'],
    'a versionId of an older version': [
      (reply) =>
        withBody((json) => ({ ...json, meta: { ...json.meta, versionId: 'older' } }))(withoutHeaders('etag')(reply)),
      'Unavailable',
    ],
    'a versionId that no header can carry': [
      (reply) =>
        withBody((json) => ({ ...json, meta: { ...json.meta, versionId: 'a"\r\nx: y' } }))(
          withoutHeaders('etag')(reply),
        ),
      'done',
    ],
    'no version at all': [(reply) => withBody(({ meta: _, ...json }) => json)(withoutHeaders('etag')(reply)), 'done'],
  };
  for (const [what, [alter, ending]] of Object.entries(VERSIONS)) {
    it(`ends as ${ending} when it changes a record with ${what}`, async () => {
      const foreignId = await book(await bench.desk.takeFreeTime());
      bench.proxy.arm({ kind: 'alter', alter }, { when: isRead, times: 9 });
      assert.equal(await endingOf(execute({ kind: 'confirm', marker: randomUUID(), foreignId })), ending);
      bench.proxy.clear();
      const { participant } = await bench.server.get(`Appointment/${foreignId}`);
      assert.equal(participant[0].status, ending === 'done' ? 'accepted' : 'needs-action');
    });
  }

  it('merges with what somebody else changed after three readings, and gives up for now after more', async () => {
    const foreignId = await book(await bench.desk.takeFreeTime());
    const busy = async () => {
      await bench.server.edit(`Appointment/${foreignId}`, (one) => ({ ...one, priority: (one.priority ?? 0) + 1 }));
    };
    bench.proxy.arm({ kind: 'meanwhile', act: busy }, { when: isPut, times: 2 });
    assert.equal(await endingOf(execute({ kind: 'confirm', marker: randomUUID(), foreignId })), 'done');
    assert.equal((await bench.server.get(`Appointment/${foreignId}`)).priority, 2);
    bench.proxy.arm({ kind: 'meanwhile', act: busy }, { when: isPut, times: 9 });
    assert.equal(await endingOf(execute({ kind: 'cancel', marker: randomUUID(), foreignId })), 'Unavailable');
  });

  it('takes no copy for one record: two with our marker are doubt', async () => {
    const time = await bench.desk.takeFreeTime();
    const marker = randomUUID();
    const identifier = [{ system: MARKER_SYSTEM, value: marker }];
    const participant = [{ actor: { reference: `Patient/${patientId}` }, status: 'needs-action' }];
    for (const start of [time.startAt, '2044-01-04T15:00:00Z']) {
      const copy = { status: 'booked', start, end: '2044-01-04T16:00:00Z', identifier, participant };
      await bench.server.create({ resourceType: 'Appointment', ...copy });
    }
    assert.equal(await endingOf(execute(bookingAt(time, marker))), 'OutcomeUnknown');
    assert.equal((await slotAt(time)).status, 'free');
  });

  it('takes over a slot whose booking died long ago, and no other', async () => {
    const time = await bench.desk.takeFreeTime();
    bench.proxy.arm({ kind: 'cut' }, { when: isPost });
    assert.equal(await endingOf(execute(bookingAt(time))), 'OutcomeUnknown');
    assert.equal((await slotAt(time)).status, 'busy');
    assert.equal(await endingOf(execute(bookingAt(time))), 'slot_taken', 'it may still be under way');

    const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    const age = (minutes: number) => (json: Foreign) => {
      for (const { resource } of json.entry ?? []) resource.meta.lastUpdated = minutesAgo(minutes);
      return json;
    };
    const isSlots = ({ url }: { url: string }) => url.startsWith('/Slot?schedule');
    bench.proxy.arm({ kind: 'edit', edit: (json) => age(11)(json) }, { when: isSlots });
    const write = bookingAt(time);
    assert.equal(await endingOf(execute(write)), 'done');
    const guards = (await slotAt(time)).identifier.filter(({ system }: Foreign) => system === GUARD_SYSTEM);
    assert.deepEqual(
      guards.map(({ value }: Foreign) => value),
      [write.marker],
    );
    bench.proxy.arm({ kind: 'edit', edit: (json) => age(11)(json) }, { when: isSlots });
    assert.equal(await endingOf(execute(bookingAt(time))), 'slot_taken', 'an appointment stands on it');

    const closed = await bench.desk.takeFreeTime();
    const { id } = await slotAt(closed);
    await bench.server.edit(`Slot/${id}`, (slot) => ({ ...slot, status: 'busy' }));
    bench.proxy.arm({ kind: 'edit', edit: (json) => age(99)(json) }, { when: isSlots });
    assert.equal(await endingOf(execute(bookingAt(closed))), 'slot_taken', 'people took it');
  });

  it('gives back what an earlier attempt took when the time is gone', async () => {
    const [first, second] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
    const write = bookingAt({ ...first, endAt: second.endAt });
    bench.proxy.arm({ kind: 'cut' }, { when: isPost });
    assert.equal(await endingOf(execute(write)), 'OutcomeUnknown');
    const { id } = await slotAt(second);
    await bench.server.edit(`Slot/${id}`, ({ identifier: _, ...slot }) => ({ ...slot, status: 'busy-unavailable' }));
    assert.equal(await endingOf(execute(write)), 'slot_taken');
    assert.equal((await slotAt(first)).status, 'free');
    assert.equal((await slotAt(second)).status, 'busy-unavailable');
  });

  it('opens the slots of what was cancelled or moved, though the answer was lost', async () => {
    const [from, to] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
    const foreignId = await book(from);
    const loseAnswer = () =>
      bench.proxy.arm({ kind: 'lose_reply' }, { when: ({ method, url }) => method === 'PUT' && url.includes('/App') });
    loseAnswer();
    assert.equal(await endingOf(execute(moveOf(foreignId, to))), 'done');
    assert.deepEqual([(await slotAt(from)).status, (await slotAt(to)).status], ['free', 'busy']);
    loseAnswer();
    assert.equal(await endingOf(execute({ kind: 'cancel', marker: randomUUID(), foreignId })), 'done');
    assert.equal((await slotAt(to)).status, 'free');
  });

  it('comes through a move that was interrupted at any of its writes', async () => {
    for (const kind of ['cut', 'lose_reply'] as const) {
      for (let at = 0; ; at++) {
        const [from, to] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
        const foreignId = await book(from);
        const move = moveOf(foreignId, to);
        let position = 0;
        const armed = bench.proxy.arm({ kind }, { when: ({ method }) => method === 'PUT' && position++ === at });
        const ending = await endingOf(execute(move));
        bench.proxy.clear();
        // Done, where it shows although its answer was lost. The last of its writes opens the old slot, and cannot undo
        // the move.
        assert.equal(ending, kind === 'cut' && at < 2 ? 'OutcomeUnknown' : 'done');
        if (armed.hits() === 0) break;
        assert.equal(await endingOf(execute(move)), 'done');
        assert.equal((await bench.server.get(`Appointment/${foreignId}`)).start, to.startAt);
        assert.equal((await slotAt(to)).status, 'busy');
        assert.equal((await slotAt(from)).status, 'free');
      }
    }
  });

  it('leaves to staff what they moved at the same moment, and keeps what else they changed', async () => {
    const [from, to, theirs] = [
      await bench.desk.takeFreeTime(),
      await bench.desk.takeFreeTime(),
      await bench.desk.takeFreeTime(),
    ];
    const foreignId = await book(from);
    const note = () => bench.server.edit(`Appointment/${foreignId}`, (one) => ({ ...one, comment: 'needs a nurse' }));
    bench.proxy.arm({ kind: 'meanwhile', act: async () => void (await note()) }, { when: isPut });
    assert.equal(await endingOf(execute(moveOf(foreignId, to))), 'done');
    const moved = await bench.server.get(`Appointment/${foreignId}`);
    assert.deepEqual([moved.start, moved.comment], [to.startAt, 'needs a nurse']);

    const move = () =>
      bench.server.edit(`Appointment/${foreignId}`, (one) => ({ ...one, start: theirs.startAt, end: theirs.endAt }));
    bench.proxy.arm({ kind: 'meanwhile', act: async () => void (await move()) }, { when: isPut });
    assert.equal(await endingOf(execute(moveOf(foreignId, from))), 'refused_by_hrs');
    assert.equal((await bench.server.get(`Appointment/${foreignId}`)).start, theirs.startAt);
    assert.equal((await slotAt(from)).status, 'free');
  });

  it('steps back when somebody else took the room at the same moment', async () => {
    const [from, to] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
    const visitOf = ({ startAt, endAt }: FreeTime) => ({
      resourceType: 'Appointment',
      status: 'booked',
      start: startAt,
      end: endAt,
      participant: ['Practitioner/dr-2', `Location/${to.operatoryForeignId}`].map((reference) => {
        return { actor: { reference }, status: 'accepted' };
      }),
    });
    const meanwhile = (time: FreeTime) => async () => void (await bench.server.create(visitOf(time)));
    const foreignId = await book(from);
    const before = await bench.server.get(`Appointment/${foreignId}`);
    bench.proxy.arm({ kind: 'meanwhile', act: meanwhile(to) }, { when: isPut });
    const move = moveOf(foreignId, to) as Extract<Write, { kind: 'update' }>;
    const noted: Write = { ...move, changes: { ...move.changes, note: 'moved' } };
    assert.equal(await endingOf(execute(noted)), 'slot_taken');
    const after = await bench.server.get(`Appointment/${foreignId}`);
    assert.deepEqual({ ...after, meta: null }, { ...before, meta: null });
    assert.deepEqual([(await slotAt(from)).status, (await slotAt(to)).status], ['busy', 'free']);

    const other = await bench.desk.takeFreeTime();
    const write = bookingAt(other);
    bench.proxy.arm({ kind: 'meanwhile', act: meanwhile(other) }, { when: isPost });
    assert.equal(await endingOf(execute(write)), 'slot_taken');
    assert.equal((await slotAt(other)).status, 'free');
    assert.equal(await endingOf(execute(write)), 'slot_taken', 'what was withdrawn is not taken for the booking');
  });

  it('moves an appointment that people made, under a role and with a length in minutes', async () => {
    const [from, to] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
    const foreignId = await bench.desk.addAppointment(from, patientId);
    await bench.server.edit(`Appointment/${foreignId}`, (one) => ({
      ...one,
      minutesDuration: 30,
      participant: one.participant.map((each: Foreign) =>
        each.actor.reference.startsWith('Practitioner/')
          ? { ...each, actor: { reference: 'PractitionerRole/role-dr-1' } }
          : each,
      ),
    }));
    const shorter = { ...to, endAt: new Date(Date.parse(to.endAt) - 10 * 60_000).toISOString() };
    assert.equal(await endingOf(execute(moveOf(foreignId, shorter))), 'done');
    const moved = await bench.server.get(`Appointment/${foreignId}`);
    assert.deepEqual([moved.minutesDuration, moved.slot.length], [20, 1]);
    assert.deepEqual([(await slotAt(from)).status, (await slotAt(to)).status], ['free', 'busy']);
    assert.equal(await endingOf(execute({ kind: 'cancel', marker: randomUUID(), foreignId })), 'done');
    assert.equal((await slotAt(to)).status, 'free');
  });

  it('moves a little later onto its own slots, and within them', async () => {
    const [first, second, third] = [
      await bench.desk.takeFreeTime(),
      await bench.desk.takeFreeTime(),
      await bench.desk.takeFreeTime(),
    ];
    const foreignId = await book({ ...first, endAt: second.endAt });
    assert.equal(await endingOf(execute(moveOf(foreignId, { ...second, endAt: third.endAt }))), 'done');
    const statuses = [await slotAt(first), await slotAt(second), await slotAt(third)].map(({ status }) => status);
    assert.deepEqual(statuses, ['free', 'busy', 'busy']);
  });

  it('touches nothing whose meaning is changed in a way that it does not know', async () => {
    const [time, to] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
    const foreignId = await book(time);
    const modifierExtension = [{ url: 'http://e.org/only-if-raining', valueBoolean: true }];
    const before = await bench.server.edit(`Appointment/${foreignId}`, (one) => ({ ...one, modifierExtension }));
    const marker = randomUUID();
    for (const write of [
      { kind: 'confirm', marker, foreignId } as const,
      { kind: 'cancel', marker, foreignId } as const,
    ]) {
      const result = await execute(write);
      assert.match(result.outcome === 'refused' ? result.message : '', /modifierExtension/);
    }
    assert.equal(await endingOf(execute(moveOf(foreignId, to))), 'refused_by_hrs');
    assert.deepEqual(await bench.server.get(`Appointment/${foreignId}`), before);
    assert.equal((await slotAt(to)).status, 'free');
    const { id } = await slotAt(to);
    await bench.server.edit(`Slot/${id}`, (slot) => ({ ...slot, modifierExtension }));
    assert.equal(await endingOf(execute(bookingAt(to))), 'slot_taken');
  });

  it('moves a block of ours and no other closed time', async () => {
    const [from, to] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
    const block = bookingAt(from) as Extract<Write, { kind: 'create_appointment' }>;
    const made = await execute({
      ...block,
      appointment: { ...block.appointment, patientForeignId: null, unavailable: true },
    });
    const foreignId = made.outcome === 'done' ? made.foreignId : '';
    assert.equal(await endingOf(execute(moveOf(foreignId, to))), 'done');
    assert.equal((await bench.server.get(foreignId)).start, to.startAt);
    const note = { kind: 'update', marker: randomUUID(), foreignId, changes: { note: null } } as const;
    assert.equal(await endingOf(execute({ ...note, appointmentsPerTimeslot: 1 })), 'done');
    assert.equal((await bench.server.get(foreignId)).comment, undefined);
    const room = { ...note, changes: { operatoryForeignId: 'room-2' } };
    assert.equal(await endingOf(execute({ ...room, appointmentsPerTimeslot: 1 })), 'refused_by_hrs');
    const { id } = await slotAt(from);
    await bench.server.edit(`Slot/${id}`, (slot) => ({ ...slot, status: 'busy-unavailable' }));
    assert.equal(await endingOf(execute(moveOf(`Slot/${id}`, to))), 'refused_by_hrs');
  });
});
