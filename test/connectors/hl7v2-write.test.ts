import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import {
  type Connector,
  type Listener,
  type NewAppointment,
  type NewPatient,
  OutcomeUnknown,
  Unavailable,
  type Write,
} from '../../src/connectors/connector.ts';
import type { Hl7v2Config } from '../../src/connectors/hl7v2/config.ts';
import { hl7v2 } from '../../src/connectors/hl7v2/connector.ts';
import { createDeframer, frame } from '../../src/connectors/hl7v2/framing.ts';
import { readHead } from '../../src/connectors/hl7v2/head.ts';
import { parseMessage } from '../../src/connectors/hl7v2/message.ts';
import type { AppointmentRecord } from '../../src/domain/records.ts';
import { until } from '../harness/program.ts';
import { type Scheduler, startScheduler } from '../peers/hl7-scheduler.ts';
import { freePort } from './hl7v2-bench.ts';
import { configOf, type KeptMessages, keepMessages, openDental } from './hl7v2-samples.ts';

const ADA = '71@2.16.840.1.113883.3.4337.1486.77.2';
const RESPONSE_MS = 150;
const signal = () => AbortSignal.timeout(5_000);

let scheduler: Scheduler;
let messages: KeptMessages;
let connector: Connector;
let listener: Listener | null;

beforeEach(async () => {
  scheduler = await startScheduler();
});

afterEach(async () => {
  await Promise.all([connector?.close(), listener?.close(), scheduler.close()]);
});

async function connect(send: object = {}): Promise<Hl7v2Config> {
  const config = configOf({
    listen: { port: await freePort() },
    send: { host: '127.0.0.1', port: scheduler.port, responseTimeoutMs: RESPONSE_MS, newPatients: true, ...send },
  });
  messages = keepMessages(config);
  connector = hl7v2.connect(config, { messages, budget: { spend: async () => {} } });
  listener =
    (await hl7v2.listen?.(config, {
      receive: async (message) => {
        messages.keep(message, 'in');
        return 'stored';
      },
      warn: () => {},
    })) ?? null;
  return config;
}

function booking(changes: Partial<NewAppointment> = {}): Extract<Write, { kind: 'create_appointment' }> {
  return {
    kind: 'create_appointment',
    marker: randomUUID(),
    appointment: {
      locationForeignId: 'main',
      patientForeignId: ADA,
      providerForeignId: '7',
      operatoryForeignId: 'OP 2',
      descriptorForeignIds: ['EXAM'],
      startAt: '2040-01-04T14:00:00.000Z',
      endAt: '2040-01-04T14:45:00.000Z',
      unavailable: false,
      note: 'comes by bus & train\nand on foot',
      appointmentsPerTimeslot: 1,
      ...changes,
    },
  };
}

const found = async (foreignId: string) =>
  (await connector.find({ kind: 'appointment', foreignId }, signal())) as AppointmentRecord[];
const lastReceived = () => Buffer.from(scheduler.received.at(-1) ?? '', 'utf8');

test('a booking is a whole SIU^S12 that reads back as what was written', async () => {
  await connect();
  messages.take(openDental());
  const write = booking();
  assert.deepEqual(await connector.execute(write, signal()), { outcome: 'done', foreignId: write.marker });
  assert.equal(readHead(lastReceived())?.type, 'SIU^S12');
  const sent = parseMessage(lastReceived());
  assert.equal(sent.first('PID')?.raw(3), '71^^^2.16.840.1.113883.3.4337.1486.77.2^MR', 'as the HRS names the patient');
  assert.equal(sent.first('PID')?.value(5), 'Stone');
  assert.equal(sent.first('SCH')?.value(11, { component: 4 }), '20400104090000-0500');
  const [record] = await found(write.marker);
  const { appointmentsPerTimeslot: _, ...wanted } = write.appointment;
  assert.deepEqual({ ...record, ...wanted }, record, 'what was read back');
  assert.equal(record?.marker, write.marker);
  assert.deepEqual(await connector.find({ kind: 'appointment', marker: write.marker }, signal()), [record]);
  assert.equal(scheduler.entries[0]?.patient.startsWith('71^'), true);
});

test('letters beyond ASCII go with MSH-18, others without', async () => {
  await connect();
  await connector.execute(booking({ note: 'Zoë kommt später' }), signal());
  assert.equal(parseMessage(lastReceived()).first('NTE')?.value(3), 'Zoë kommt später');
  assert.equal(readHead(lastReceived())?.charset, 'UNICODE UTF-8');
  await connector.execute(booking({ note: 'plain' }), signal());
  assert.equal(readHead(lastReceived())?.charset, '');
});

test('confirm, move and cancel tell the whole state, under the ids of the HRS', async () => {
  await connect();
  messages.take(openDental());
  const foreignId = messages.all[0]?.appointmentRef as string;
  scheduler.entries.push({
    ...{ filler: '4711', placer: '', patient: '', name: '', provider: '', room: '' },
    ...{ start: '', end: '', status: '', note: '' },
  });
  const change = (write: object) => connector.execute({ marker: randomUUID(), foreignId, ...write } as Write, signal());

  assert.deepEqual(await change({ kind: 'confirm' }), { outcome: 'done', foreignId });
  const confirm = parseMessage(lastReceived());
  assert.equal(confirm.head.type, 'SIU^S14');
  assert.equal(confirm.first('SCH')?.raw(2), '4711^^2.16.840.1.113883.3.4337.1486.77.6^HL7');
  assert.equal(confirm.first('SCH')?.value(11, { component: 4 }), '20400103090000-0500');
  assert.equal((await found(foreignId))[0]?.confirmed, true);

  const changes = {
    startAt: '2040-01-05T15:00:00.000Z',
    endAt: '2040-01-05T15:30:00.000Z',
    operatoryForeignId: 'OP 3',
    note: null,
  };
  await change({ kind: 'update', changes, appointmentsPerTimeslot: 1 });
  assert.equal(readHead(lastReceived())?.type, 'SIU^S13');
  const [moved] = await found(foreignId);
  assert.deepEqual({ ...moved, ...changes }, moved);
  assert.equal(moved?.confirmed, true, 'what is not changed stays');
  assert.equal(scheduler.entries[0]?.room, 'OP 3');

  await change({ kind: 'cancel' });
  assert.equal(readHead(lastReceived())?.type, 'SIU^S15');
  assert.equal((await found(foreignId))[0]?.cancelled, true);
  assert.equal(scheduler.entries[0]?.status, 'Cancelled');
  assert.deepEqual(await change({ kind: 'confirm', foreignId: 'nobody' }), {
    outcome: 'refused',
    reason: 'not_found_in_hrs',
    message: 'nothing that the HRS has said of this appointment is kept, so that it cannot be told what to change',
    retryable: false,
    hrsSaid: null,
  });
});

test('a new patient goes as ADT^A28 under our id, and can be booked for', async () => {
  await connect();
  const nothing = { middleName: null, homePhoneNumber: null, workPhoneNumber: null, addressLine2: null };
  const patient: NewPatient = {
    ...{ firstName: 'Flora', lastName: 'Testwood', email: 'flora@example.com', dateOfBirth: '1990-02-03' },
    ...{ gender: 'Female', phoneNumber: '2125550177', cellPhoneNumber: '2125550177', addressLine1: '3 Elm St' },
    ...{ city: 'Boston', state: 'MA', zipCode: '02101', guarantorForeignId: null, ...nothing },
    ...{ locationForeignId: 'main', providerForeignId: null },
  };
  const marker = randomUUID();
  const result = await connector.execute({ kind: 'create_patient', marker, patient }, signal());
  assert.deepEqual(result, { outcome: 'done', foreignId: marker });
  const [record] = await connector.find({ kind: 'patient', marker }, signal());
  assert.ok(record?.kind === 'patient');
  const { locationForeignId: _, providerForeignId: __, ...wanted } = patient;
  assert.deepEqual({ ...record, ...wanted }, record);
  assert.equal(record.marker, marker);
  await connector.execute(booking({ patientForeignId: marker }), signal());
  assert.equal(parseMessage(lastReceived()).first('PID')?.value(5), 'Testwood');
  assert.match(scheduler.patients.get(`${marker}^^^OPENCHAIR^PI`) ?? '', /\|Testwood\^Flora\|/);
});

test('a refusal, a failure, and an answer that is not there', async () => {
  await connect();
  scheduler.fail('AR', 'AE', 'silent', 'wrong id', 'lost');
  const refused = await connector.execute(booking(), signal());
  assert.ok(refused.outcome === 'refused');
  assert.deepEqual([refused.reason, refused.hrsSaid], ['refused_by_hrs', 'AR']);
  await assert.rejects(connector.execute(booking(), signal()), { name: 'Unavailable', hrsSaid: 'AE' });
  for (const fault of ['silent', 'wrong id', 'lost']) {
    const write = booking();
    await assert.rejects(connector.execute(write, signal()), OutcomeUnknown, fault);
    assert.deepEqual(await found(write.marker), [], fault);
  }
  assert.equal(messages.all.length, 0, 'only what was acknowledged is kept');
});

test('a lost answer: the same MSH-10 once more, and one appointment', async () => {
  await connect();
  scheduler.fail('lost');
  const write = booking();
  await assert.rejects(connector.execute(write, signal()), OutcomeUnknown);
  assert.deepEqual(await connector.find({ kind: 'appointment', marker: write.marker }, signal()), []);
  assert.equal((await connector.execute(write, signal())).outcome, 'done');
  const [first, second] = scheduler.received.map((text) => readHead(Buffer.from(text))?.controlId);
  assert.equal(first, second);
  assert.ok(first && first.length <= 20);
  assert.equal(scheduler.entries.length, 1);
  assert.equal(messages.all.length, 1);
});

test('with nobody there, nothing was sent', async () => {
  await connect({ port: await freePort() });
  await assert.rejects(connector.execute(booking(), signal()), Unavailable);
  const { ok, message } = await connector.check(signal());
  assert.equal(ok, false);
  assert.match(message, /^Takes messages on port \d+\. Cannot connect to 127\.0\.0\.1:\d+: /);
});

test('an echo proves what an acknowledgement only takes', async () => {
  const config = await connect({ answer: 'echo' });
  const write = booking();
  assert.deepEqual(await connector.execute(write, signal()), { outcome: 'accepted' });
  assert.equal(await connector.answerTo?.(write, signal()), null, 'silent so far');
  assert.deepEqual(await connector.find({ kind: 'appointment', marker: write.marker }, signal()), []);
  scheduler.feedTo(config.listen?.port ?? null);
  const filler = scheduler.entries[0]?.filler as string;
  assert.equal(await scheduler.tell('S12', { filler }), 'AA');
  assert.deepEqual(await connector.answerTo?.(write, signal()), { outcome: 'done', foreignId: write.marker });
  const [record] = await found(write.marker);
  assert.equal(record?.startAt, write.appointment.startAt);

  const cancel: Write = { kind: 'cancel', marker: randomUUID(), foreignId: write.marker };
  assert.deepEqual(await connector.execute(cancel, signal()), { outcome: 'accepted' });
  assert.equal(parseMessage(lastReceived()).first('SCH')?.value(2), filler, 'by the id that the HRS has given it');
  await until('the echo of the cancellation', async () => connector.answerTo?.(cancel, signal()));
  assert.equal((await found(write.marker))[0]?.cancelled, true);
});

test('an echo that cancels at once is a refusal', async () => {
  const config = await connect({ answer: 'echo' });
  const write = booking();
  await connector.execute(write, signal());
  scheduler.feedTo(config.listen?.port ?? null);
  await scheduler.tell('S15', { filler: scheduler.entries[0]?.filler as string, status: 'Cancelled' });
  const answer = await connector.answerTo?.(write, signal());
  assert.ok(answer?.outcome === 'refused');
  assert.equal(answer.reason, 'refused_by_hrs');
});

/** Answers each message with what `say` makes of its MSH-10. */
async function startAnswering(say: (id: string) => string[]): Promise<number> {
  const server = createServer((socket) => {
    const { push } = createDeframer({
      maxMessageBytes: 10_000,
      onMessage(body) {
        for (const text of say(readHead(body)?.controlId ?? '')) socket.write(frame(Buffer.from(text)));
      },
      onJunk() {},
    });
    socket.on('data', push);
    socket.on('error', () => {});
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

test('a commit proves no write unless that was said, and a response decides whatever its code', async () => {
  const commit = (id: string) => `MSH|^~\\&|HRS|||||||9|P|2.5\rMSA|CA|${id}\r`;
  const refusal = (id: string) => `MSH|^~\\&|HRS||||||SRR^S01|9|P|2.5\rMSA|AE|${id}\r`;
  const port = await startAnswering((id) => [commit(id)]);
  await connect({ port });
  const write = booking();
  assert.deepEqual(await connector.execute(write, signal()), { outcome: 'accepted' });
  assert.deepEqual(await found(write.marker), [], 'nobody has said that it was taken');
  assert.equal(await connector.answerTo?.(write, signal()), null);
  messages.take(openDental({ id: '88', external: `${write.marker}^OPENCHAIR` }));
  assert.equal((await connector.answerTo?.(write, signal()))?.outcome, 'done');
  await Promise.all([connector.close(), listener?.close()]);

  await connect({ port, answer: 'commit' });
  assert.equal((await connector.execute(booking(), signal())).outcome, 'done');
  await Promise.all([connector.close(), listener?.close()]);

  await connect({ port: await startAnswering((id) => [refusal(id)]), as: 'SRM', answer: 'echo' });
  const refused = await connector.execute(booking(), signal());
  assert.deepEqual([refused.outcome, 'hrsSaid' in refused && refused.hrsSaid], ['refused', 'AE']);
});

test('requests: SRM, answered by their SIU or refused by an SRR', async () => {
  const config = await connect({ as: 'SRM', answer: 'echo', newPatients: false });
  scheduler.feedTo(config.listen?.port ?? null);
  const write = booking();
  assert.deepEqual(await connector.execute(write, signal()), { outcome: 'accepted' });
  const request = parseMessage(lastReceived());
  assert.equal(request.head.type, 'SRM^S01');
  assert.equal(request.first('ARQ')?.value(1), write.marker);
  const answer = await until('the SIU', async () => connector.answerTo?.(write, signal()));
  assert.deepEqual(answer, { outcome: 'done', foreignId: write.marker });

  const refused = booking();
  scheduler.feedTo(null);
  await connector.execute(refused, signal());
  const controlId = readHead(lastReceived())?.controlId;
  messages.take(
    [
      'MSH|^~\\&|SCHED||OPENCHAIR||20400102090000||SRR^S01|R1|P|2.4',
      `MSA|AE|${controlId}`,
      `SCH|${refused.marker}^OPENCHAIR`,
    ].join('\r'),
  );
  assert.equal((await connector.answerTo?.(refused, signal()))?.outcome, 'refused');

  const nameless = booking();
  await connector.execute(nameless, signal());
  const answered = readHead(lastReceived())?.controlId;
  assert.equal(await connector.answerTo?.(nameless, signal()), null);
  messages.take(`MSH|^~\\&|SCHED||OPENCHAIR||20400102090000||SRR^S01|R2|P|2.4\rMSA|AR|${answered}\rERR|||207`);
  assert.equal((await connector.answerTo?.(nameless, signal()))?.outcome, 'refused', 'without SCH');
  const confirm = await connector.execute({ kind: 'confirm', marker: randomUUID(), foreignId: write.marker }, signal());
  assert.ok(confirm.outcome === 'refused' && confirm.reason === 'not_supported');
});

test('without an address to send to, every write is refused before a byte', async () => {
  const config = configOf();
  messages = keepMessages(config);
  connector = hl7v2.connect(config, { messages, budget: { spend: async () => {} } });
  listener = null;
  const result = await connector.execute(booking(), signal());
  assert.ok(result.outcome === 'refused' && result.reason === 'not_supported');
});

test('a configuration must make sense', () => {
  const { configSchema, identityOf } = hl7v2;
  const listen = { port: 2575 };
  const send = { host: 'hrs.local', port: 6661 };
  const parse = (config: object) => configSchema.safeParse({ timeZone: 'America/New_York', ...config });
  assert.ok(parse({ listen }).success);
  assert.ok(parse({ send }).success);
  for (const wrong of [
    {},
    { listen, timeZone: 'EST' },
    { listen: { port: 0 } },
    { send: { ...send, answer: 'echo' } },
    { listen, send: { ...send, as: 'SRM' } },
    { listen, profile: { room: ['somewhere'] } },
    { listen, password: 'x' },
  ]) {
    assert.equal(parse(wrong).success, false, JSON.stringify(wrong));
  }
  assert.notEqual(identityOf(configOf({ listen })), identityOf(configOf({ listen: { port: 2576 } })));
  assert.equal(identityOf(configOf({ listen })), identityOf(configOf({ listen, send })));
});
