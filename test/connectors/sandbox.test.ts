import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Seed } from '../../sandbox/seed.ts';
import {
  ALONE,
  type Batch,
  type Budget,
  type Connector,
  type Cursor,
  CursorRejected,
  HrsNonsense,
  type LookFor,
  OutcomeUnknown,
  Unavailable,
  type Write,
  type WriteResult,
} from '../../src/connectors/connector.ts';
import { sandbox as kind } from '../../src/connectors/sandbox/connector.ts';
import {
  mapBlock,
  mapCode,
  mapPatient,
  mapPractitioner,
  mapRoom,
  mapSchedule,
  mapSite,
  mapVisit,
} from '../../src/connectors/sandbox/map.ts';
import type { AppointmentRecord, HrsRecord, PatientRecord } from '../../src/domain/records.ts';
import { startFaultProxy } from '../harness/fault-proxy.ts';
import { type Answer, type FaultOrder, startSandbox } from '../harness/sandbox.ts';
import type { Bench, FreeTime, FrontDesk } from './bench.ts';
import { readAll } from './bench-actions.ts';
import { conformance } from './conformance.ts';
import { httpFaults, jsonPages } from './http-faults.ts';

/** For what never answers. A request that does answer takes milliseconds; a busy machine may need far longer. */
const IMPATIENT_MS = 500;
const PATIENT_MS = 5_000;

const PRACTICE: Seed = {
  sites: [
    { id: 1, name: 'North', zone: 'America/New_York', schedules_by: 'practitioner' },
    { id: 2, name: 'South', zone: 'America/Denver', schedules_by: 'room' },
  ],
  practitioners: [
    { id: 11, first_name: 'Ada', last_name: 'Alder', site_ids: [1] },
    { id: 12, first_name: 'Ben', last_name: 'Birch', site_ids: [1, 2] },
    { id: 13, first_name: 'Cy', last_name: 'Cedar', site_ids: [2] },
  ],
  rooms: [
    { id: 21, site_id: 1, name: 'One' },
    { id: 22, site_id: 1, name: 'Two' },
    { id: 23, site_id: 2, name: 'South One' },
  ],
  codes: [
    { id: 31, code: 'EXAM', kind: 'visit_type', description: 'Exam', minutes: 30 },
    { id: 32, code: 'P-XRAY', kind: 'procedure', description: 'X-ray', minutes: 10 },
  ],
  schedules: [
    { id: 41, site_id: 1, practitioner_id: 11, weekday: 'mon', opens: '08:00', closes: '12:00' },
    { id: 42, site_id: 2, room_id: 23, weekday: 'tue', opens: '09:00', closes: '17:00' },
  ],
  patients: [{ id: 1_001, first_name: 'Pia', last_name: 'Pine', home_site_id: 1 }],
};

/** A patient of the seed. */
const SOMEBODY = '1001';

const hrs = await startSandbox({ seed: PRACTICE });
after(() => hrs.stop());

const connect = (more: object = {}, budget = ALONE.budget): Connector =>
  kind.connect(
    kind.configSchema.parse({ baseUrl: hrs.url, apiKey: 'sandbox', requestTimeoutMs: PATIENT_MS, ...more }),
    {
      ...ALONE,
      budget,
    },
  );

/** A call past the connector that has to work. */
async function ask(method: string, path: string, body?: object): Promise<Answer['body']> {
  const answer = await hrs.call(method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

let times = 0;

/** Half an hour that nobody else has. */
function freeTime(): FreeTime {
  const startMs = Date.parse('2031-01-06T05:00:00.000Z') + times++ * 30 * 60_000;
  return {
    locationForeignId: '1',
    providerForeignId: '11',
    operatoryForeignId: '21',
    startAt: new Date(startMs).toISOString(),
    endAt: new Date(startMs + 30 * 60_000).toISOString(),
  };
}

const placeOf = (time: FreeTime) => ({
  site_id: Number(time.locationForeignId),
  practitioner_id: Number(time.providerForeignId),
  room_id: Number(time.operatoryForeignId),
  start: time.startAt,
  end: time.endAt,
});

const desk: FrontDesk = {
  otherOperatoryForeignId: '22',
  addPatients: (lastNames) =>
    Promise.all(
      lastNames.map(async (last_name) =>
        String((await ask('POST', '/desk/patients', { first_name: 'Pat', last_name })).id),
      ),
    ),
  async renamePatient(id, last_name) {
    await ask('PATCH', `/desk/patients/${id}`, { last_name });
  },
  takeFreeTime: async () => freeTime(),
  addAppointment: async (time, patientId) =>
    String((await ask('POST', '/desk/visits', { ...placeOf(time), patient_id: Number(patientId) })).id),
  async cancelAppointment(id) {
    await ask('POST', `/desk/visits/${id}/cancel`, {});
  },
  async deleteAppointment(id) {
    await ask('DELETE', `/desk/visits/${id}`);
  },
  async addAppointmentAgain(id, time, patientId) {
    await ask('POST', '/desk/visits', { id: Number(id), ...placeOf(time), patient_id: Number(patientId) });
  },
  async countByMarker(of, marker) {
    const collection = { patient: 'patients', appointment: 'visits', patient_alert: 'alerts' }[of];
    return (await ask('GET', `/v1/${collection}?external_ref=${marker}`)).total;
  },
};

/** A key that may see nothing: the feed ends where it began, and every list is empty. */
const PAGES = jsonPages(['changes', 'items'], (page) =>
  'items' in page ? { next: null, total: 0 } : { has_more: false },
);

async function startBench(budget: Budget): Promise<Bench> {
  const proxy = await startFaultProxy(hrs.url);
  const connector = connect({ baseUrl: proxy.url, requestTimeoutMs: IMPATIENT_MS }, budget);
  const faults = httpFaults(proxy, IMPATIENT_MS, PAGES);
  return { connector, timeoutMs: IMPATIENT_MS, morePatientsThanFit: 120, faults, desk, close: () => proxy.close() };
}

conformance('sandbox', startBench, {
  shortPage: 'no page of its feed says how many changes it ought to hold',
});

describe('sandbox: mapping', () => {
  const stamps = {
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z',
    created_revision: 1,
    revision: 1,
  };
  const at = (hour: number) => `2026-05-04T${String(hour).padStart(2, '0')}:00:00.000Z`;
  const visit = {
    ...stamps,
    id: 50001,
    site_id: 1,
    patient_id: 1001,
    practitioner_id: 11,
    room_id: 21,
    start: at(14),
    end: at(15),
    visit_code: 'EXAM',
    note: 'Prefers mornings.',
    state: 'scheduled',
    confirmation: 'none',
    confirmed_at: null,
    arrived_at: null,
    done_at: null,
    broken_at: null,
    external_ref: 'a-marker',
  };
  const mapped: AppointmentRecord = {
    kind: 'appointment',
    foreignId: '50001',
    marker: 'a-marker',
    locationForeignId: '1',
    patientForeignId: '1001',
    providerForeignId: '11',
    operatoryForeignId: '21',
    descriptorForeignIds: ['EXAM'],
    startAt: at(14),
    endAt: at(15),
    unavailable: false,
    note: 'Prefers mornings.',
    confirmed: false,
    confirmedAt: null,
    cancelled: false,
    cancelledAt: null,
    patientMissed: false,
    checkinAt: null,
    checkedOut: false,
    checkedOutAt: null,
  };
  const visits: Record<string, [object, Partial<AppointmentRecord>]> = {
    scheduled: [{}, {}],
    'without room, code and note': [
      { room_id: null, visit_code: null, note: null },
      { operatoryForeignId: null, descriptorForeignIds: [], note: null },
    ],
    confirmed: [
      { confirmation: 'confirmed', confirmed_at: at(10) },
      { confirmed: true, confirmedAt: at(10) },
    ],
    arrived: [{ state: 'arrived', arrived_at: at(13) }, { checkinAt: at(13) }],
    done: [
      { state: 'done', arrived_at: at(13), done_at: at(15) },
      { checkinAt: at(13), checkedOut: true, checkedOutAt: at(15) },
    ],
    broken: [
      { state: 'broken', broken_at: at(9) },
      { cancelled: true, cancelledAt: at(9) },
    ],
    'broken and filed as deleted': [
      { state: 'deleted', broken_at: at(9) },
      { cancelled: true, cancelledAt: at(9) },
    ],
    deleted: [{ state: 'deleted' }, { cancelled: true }],
    missed: [{ state: 'noshow', broken_at: at(15) }, { patientMissed: true }],
  };
  for (const [what, [fields, expected]] of Object.entries(visits)) {
    it(`maps a visit that is ${what}`, () => {
      assert.deepEqual(mapVisit({ ...visit, ...fields }), { ...mapped, ...expected });
    });
  }

  it('maps a block to taken time without a patient', () => {
    const { patient_id: _, visit_code: __, note: ___, ...place } = visit;
    assert.deepEqual(mapBlock({ ...place, id: 3001, practitioner_id: null, reason: 'Chair repair' }), {
      ...mapped,
      foreignId: 'block/3001',
      patientForeignId: null,
      providerForeignId: null,
      descriptorForeignIds: [],
      unavailable: true,
      note: 'Chair repair',
    });
  });

  const patient = {
    ...stamps,
    id: 1001,
    first_name: 'Pia',
    middle_name: null,
    last_name: 'Pine',
    birth_date: '1990-02-28',
    sex: 'F',
    phone_home: '(212) 555-0101',
    phone_cell: '(212) 555-0102',
    phone_work: '(212) 555-0103',
    email: 'pia@example.com',
    street: '1 Elm',
    city: 'New York',
    state: 'NY',
    zip: '10001',
    language: 'es',
    sms_ok: true,
    active: true,
    guarantor_id: 1000,
    home_site_id: 1,
    usual_practitioner_id: 11,
    merged_into: null,
    external_ref: null,
  };
  const person: PatientRecord = {
    kind: 'patient',
    foreignId: '1001',
    marker: null,
    firstName: 'Pia',
    middleName: null,
    lastName: 'Pine',
    email: 'pia@example.com',
    dateOfBirth: '1990-02-28',
    gender: 'Female',
    phoneNumber: '(212) 555-0102',
    cellPhoneNumber: '(212) 555-0102',
    homePhoneNumber: '(212) 555-0101',
    workPhoneNumber: '(212) 555-0103',
    addressLine1: '1 Elm',
    addressLine2: null,
    city: 'New York',
    state: 'NY',
    zipCode: '10001',
    preferredLanguage: 'es',
    smsConsent: true,
    inactive: false,
    nonPatient: false,
    guarantorForeignId: '1000',
    providerForeignId: '11',
    locationForeignIds: ['1'],
    mergedIntoForeignId: null,
  };
  const patients: Record<string, [object, Partial<PatientRecord>]> = {
    ordinary: [{}, {}],
    male: [{ sex: 'M' }, { gender: 'Male' }],
    'of another sex': [{ sex: 'X' }, { gender: 'Other' }],
    'of unknown sex and birth': [
      { sex: null, birth_date: null },
      { gender: null, dateOfBirth: null },
    ],
    "nobody's in particular": [{ usual_practitioner_id: null }, { providerForeignId: null }],
    'at home only': [{ phone_cell: null }, { phoneNumber: '(212) 555-0101', cellPhoneNumber: null }],
    'at work only': [
      { phone_cell: null, phone_home: null },
      { phoneNumber: '(212) 555-0103', cellPhoneNumber: null, homePhoneNumber: null },
    ],
    'without texts and site': [
      { sms_ok: false, home_site_id: null },
      { smsConsent: false, locationForeignIds: [] },
    ],
    'merged away': [
      { active: false, merged_into: 1003 },
      { inactive: true, mergedIntoForeignId: '1003' },
    ],
    ours: [{ external_ref: 'a-marker' }, { marker: 'a-marker' }],
  };
  for (const [what, [fields, expected]] of Object.entries(patients)) {
    it(`maps a patient who is ${what}`, () => {
      assert.deepEqual(mapPatient({ ...patient, ...fields }), { ...person, ...expected });
    });
  }

  const site = { ...stamps, ...PRACTICE.sites?.[1], phone: null, street: '2 Oak', city: null, state: null, zip: null };
  const practitioner = { ...stamps, ...PRACTICE.practitioners?.[1], title: 'DDS', active: false };

  it('maps the directory', () => {
    assert.deepEqual(mapSite(site), {
      kind: 'location',
      foreignId: '2',
      name: 'South',
      timeZone: 'America/Denver',
      mapByOperatory: true,
      inactive: false,
      streetAddress: '2 Oak',
      city: null,
      state: null,
      zipCode: null,
      phoneNumber: null,
      email: null,
    });
    assert.deepEqual(mapPractitioner(practitioner), {
      kind: 'provider',
      foreignId: '12',
      firstName: 'Ben',
      lastName: 'Birch',
      email: null,
      npi: null,
      specialty: null,
      inactive: true,
      locationForeignIds: ['1', '2'],
    });
    assert.deepEqual(mapRoom({ ...stamps, id: 21, site_id: 1, name: 'One', active: true }), {
      kind: 'operatory',
      foreignId: '21',
      locationForeignId: '1',
      name: 'One',
      active: true,
    });
    assert.deepEqual(mapCode({ ...stamps, ...PRACTICE.codes?.[1], active: true }), {
      kind: 'descriptor',
      foreignId: 'P-XRAY',
      locationForeignId: null,
      descriptorType: 'Procedure Code',
      name: 'X-ray',
      code: 'P-XRAY',
      active: true,
      data: { minutes: 10 },
    });
  });

  const providers = [11, 12, 13].map((id, i) =>
    mapPractitioner({ ...practitioner, id, site_ids: [[1], [1, 2], [2]][i] }),
  );
  const schedule = {
    ...stamps,
    id: 41,
    site_id: 1,
    practitioner_id: 11,
    room_id: null,
    weekday: 'sun',
    date: null,
    opens: '08:00',
    closes: '12:00',
    label_id: null,
    active: true,
  };

  it('maps the hours of a practitioner to one availability', () => {
    const hours = {
      kind: 'availability',
      foreignId: '41',
      locationForeignId: '1',
      providerForeignId: '11',
      operatoryForeignId: null,
      beginLocal: '08:00',
      endLocal: '12:00',
      days: [0],
      specificDate: null,
      recurrence: null,
      labelForeignId: null,
      active: true,
    };
    assert.deepEqual(mapSchedule(schedule, providers), [hours]);
    assert.deepEqual(mapSchedule({ ...schedule, weekday: 'sat' }, providers), [{ ...hours, days: [6] }]);
    assert.deepEqual(mapSchedule({ ...schedule, weekday: null, date: '2026-05-09', active: false }, providers), [
      { ...hours, days: null, specificDate: '2026-05-09', active: false },
    ]);
  });

  it('maps the hours of a room to an availability for each who works at its site', () => {
    const ofRoom = { ...schedule, site_id: 2, practitioner_id: null, room_id: 23 };
    const hours = mapSchedule(ofRoom, providers);
    assert.deepEqual(
      hours.map((one) => [one.foreignId, one.providerForeignId, one.operatoryForeignId]),
      [
        ['schedule/41/12', '12', '23'],
        ['schedule/41/13', '13', '23'],
      ],
    );
  });

  const wrong: [what: string, map: () => unknown][] = [
    ['a missing field', () => mapVisit({ ...visit, note: undefined })],
    ['a state nobody knows', () => mapVisit({ ...visit, state: 'perhaps' })],
    ['a time without a zone', () => mapVisit({ ...visit, start: '2026-05-04T14:00:00.000' })],
    ['an id that is text', () => mapVisit({ ...visit, id: '50001' })],
    ['an id below zero', () => mapVisit({ ...visit, patient_id: -1 })],
    ['a word for a flag', () => mapPatient({ ...patient, sms_ok: 'perhaps' })],
    ['an inherited word', () => mapPatient({ ...patient, sex: 'constructor' })],
    ['one site that is no list', () => mapPractitioner({ ...practitioner, site_ids: 1 })],
  ];
  for (const [what, map] of wrong) {
    it(`does not believe ${what}, and does not repeat it`, () => {
      assert.throws(
        map,
        (error) => error instanceof HrsNonsense && !/perhaps|50001|2026|constructor/.test(error.message),
      );
    });
  }
});

describe('sandbox: reading', () => {
  const connector = connect();
  /** More than one page of changes, so that every pass from the beginning takes several. */
  let many: string[];
  before(async () => {
    many = await desk.addPatients(Array.from({ length: 1_050 }, (_, i) => `Many${i}`));
  });
  afterEach(() => hrs.liftFaults());

  const signal = () => AbortSignal.timeout(10_000);
  async function collect(cursor: Cursor | null, batches: Batch[] = [], reader = connector): Promise<Batch[]> {
    for await (const batch of reader.changes(cursor, signal())) batches.push(batch);
    return batches;
  }
  const getCursor = async (): Promise<Cursor> => (await readAll(connector, null)).cursor as Cursor;
  const find = (look: LookFor) => connector.find(look, signal());

  it('gives everything out, and the position of each page', async () => {
    const { batches, records } = await readAll(connector, null);
    const ids = (wanted: HrsRecord['kind']) =>
      new Set(records.filter((record) => record.kind === wanted).map((record) => record.foreignId));
    assert.ok(ids('patient').isSupersetOf(new Set(many)));
    assert.deepEqual([...ids('location')], ['1', '2']);
    assert.deepEqual([...ids('descriptor')], ['EXAM', 'P-XRAY']);
    assert.deepEqual([...ids('availability')], ['41', 'schedule/42/12', 'schedule/42/13']);
    assert.ok(batches.filter((batch) => batch.cursor !== null).length >= 2);
  });

  it('refers to nothing unknown before a position that it gives', async () => {
    // A visit in the first page of the feed whose patient has moved behind it.
    const since = await getCursor();
    const time = freeTime();
    const [patientId] = await desk.addPatients(['Moving']);
    const visitId = await desk.addAppointment(time, patientId as string);
    await Promise.all(many.map((id, i) => desk.renamePatient(id, `Later${i}`)));
    await desk.renamePatient(patientId as string, 'Moved');
    for (const cursor of [null, since]) {
      const batches = await collect(cursor);
      const stored = new Set<string>();
      for (const batch of batches) {
        for (const record of batch.records) stored.add(`${record.kind} ${record.foreignId}`);
        if (batch.cursor === null || !stored.has(`appointment ${visitId}`)) continue;
        assert.ok(stored.has(`patient ${patientId}`));
      }
      assert.ok(stored.has(`appointment ${visitId}`));
    }
  });

  it('goes on from every position that a broken-off pass has given', async () => {
    const whole = await readAll(connector, null);
    const state = (records: Batch['records']) =>
      new Map(records.map((record) => [`${record.kind} ${record.foreignId}`, record]));
    const wanted = state(whole.records);
    for (const [at, batch] of whole.batches.entries()) {
      if (batch.cursor === null) continue;
      const before = whole.batches.slice(0, at + 1).flatMap(({ records }) => records);
      const rest = await readAll(connector, batch.cursor);
      assert.deepEqual(state([...before, ...rest.records]), wanted);
    }
  });

  it('tells of deletions', async () => {
    const visitId = await desk.addAppointment(freeTime(), SOMEBODY);
    const block = await ask('POST', '/desk/blocks', placeOf(freeTime()));
    const cursor = await getCursor();
    await ask('DELETE', `/desk/visits/${visitId}`);
    await ask('DELETE', `/desk/blocks/${block.id}`);
    assert.deepEqual((await readAll(connector, cursor)).records, [
      { kind: 'deletion', of: 'appointment', foreignId: visitId },
      { kind: 'deletion', of: 'appointment', foreignId: `block/${block.id}` },
    ]);
  });

  it('tells that an id was used again for another visit, and only then', async () => {
    const visitId = await desk.addAppointment(freeTime(), SOMEBODY);
    const cursor = await getCursor();
    await ask('DELETE', `/desk/visits/${visitId}`);
    const again = { ...placeOf(freeTime()), patient_id: Number(SOMEBODY), id: Number(visitId) };
    await ask('POST', '/desk/visits', again);
    const freshId = await desk.addAppointment(freeTime(), SOMEBODY);
    const { records } = await readAll(connector, cursor);
    assert.deepEqual(
      records.map((record) => [record.kind, record.foreignId]),
      [
        ['deletion', visitId],
        ['appointment', visitId],
        ['appointment', freshId],
      ],
    );
  });

  it('gives out the hours of rooms again when somebody who works in them changes', async () => {
    const cursor = await getCursor();
    await ask('PATCH', '/desk/practitioners/12', { active: false });
    const { records } = await readAll(connector, cursor);
    await ask('PATCH', '/desk/practitioners/12', { active: true });
    assert.deepEqual(
      records.map((record) => [record.kind, record.foreignId]),
      [
        ['provider', '12'],
        ['availability', 'schedule/42/12'],
      ],
    );
  });

  it('gives out all parts of the hours of a room when they change', async () => {
    const cursor = await getCursor();
    await ask('PATCH', '/desk/schedules/42', { opens: '10:00' });
    const { records } = await readAll(connector, cursor);
    assert.deepEqual(
      records.map((record) => record.kind === 'availability' && [record.foreignId, record.beginLocal]),
      [
        ['schedule/42/12', '10:00'],
        ['schedule/42/13', '10:00'],
      ],
    );
  });

  it('is content with a feed in which nothing has happened', async () => {
    const cursor = await getCursor();
    assert.deepEqual(await collect(cursor), [{ records: [], cursor, complete: true }]);
    await hrs.fault({ fault: 'empty_lists' });
    assert.deepEqual(await collect(cursor), [{ records: [], cursor, complete: true }]);
  });

  const bad: [what: string, cursor: Cursor][] = [
    ['from the future', { revision: 9_000_000, settledTo: 0, highestVisitId: 0 }],
    ['that is not ours', { positions: {} }],
    ['below zero', { revision: -1, settledTo: 0, highestVisitId: 0 }],
  ];
  for (const [what, cursor] of bad) {
    it(`rejects a position ${what}`, () => assert.rejects(collect(cursor), CursorRejected));
  }

  it('rejects a position older than the feed', async () => {
    const cursor = await getCursor();
    await desk.renamePatient(SOMEBODY, 'Before');
    await ask('POST', '/desk/rebuild-feed');
    await assert.rejects(collect(cursor), CursorRejected);
  });

  const partial: [FaultOrder, from: 'beginning' | 'middle'][] = [
    [{ fault: 'truncate_pages', match: 'changes' }, 'beginning'],
    [{ fault: 'truncate_pages', match: 'changes' }, 'middle'],
    [{ fault: 'empty_lists' }, 'beginning'],
    [{ fault: 'empty_lists' }, 'middle'],
  ];
  for (const [order, from] of partial) {
    it(`${order.fault} from the ${from}: no position, and not complete`, async () => {
      const cursor = from === 'beginning' ? null : await getCursor();
      await desk.addPatients(['One', 'Two']);
      await hrs.fault(order);
      const batches = await collect(cursor);
      assert.deepEqual(
        batches.map((batch) => [batch.cursor, batch.complete]),
        batches.map(() => [null, false]),
      );
      assert.equal(batches.flatMap(({ records }) => records).length > 0, order.fault === 'truncate_pages');
    });
  }

  const disordered: FaultOrder[] = [
    { fault: 'repeat_pages' },
    { fault: 'reorder_pages' },
    { fault: 'truncate_pages', match: '/v1/patients' },
    { fault: 'repeat_pages', match: '/v1/patients' },
    { fault: 'reorder_pages', match: '/v1/patients' },
  ];
  for (const order of disordered) {
    it(`${order.fault} of ${order.match ?? 'any list'}: nonsense, and never complete`, async () => {
      await hrs.fault(order);
      await assertBroken(HrsNonsense);
    });
  }

  const broken: [fault: string, typeof HrsNonsense | typeof Unavailable][] = [
    ['nonsense', HrsNonsense],
    ['html', HrsNonsense],
    ['truncate_body', HrsNonsense],
    ['cut_body', HrsNonsense],
    ['error', Unavailable],
    ['off', Unavailable],
    ['hang', Unavailable],
    ['slow', Unavailable],
    ['unauthorized', Unavailable],
    ['rate_limit', Unavailable],
  ];
  for (const [fault, expected] of broken) {
    it(`${fault}: ${expected.name}, never complete, and never "not there"`, async () => {
      const impatient = connect({ requestTimeoutMs: IMPATIENT_MS });
      await hrs.fault({ fault, ms: 3 * IMPATIENT_MS });
      await assertBroken(expected, impatient);
      await assert.rejects(impatient.find({ kind: 'patient', foreignId: SOMEBODY }, signal()), expected);
    });
  }

  async function assertBroken(expected: typeof HrsNonsense | typeof Unavailable, reader = connector): Promise<void> {
    const batches: Batch[] = [];
    await assert.rejects(collect(null, batches, reader), expected);
    assert.ok(batches.every((batch) => !batch.complete && batch.cursor === null));
  }

  it('does not believe another record than the one it asked for', async (t) => {
    const proxy = await startFaultProxy(hrs.url);
    t.after(() => proxy.close());
    proxy.arm({ kind: 'edit', edit: (json) => ({ ...(json as object), id: 1 }) });
    const look: LookFor = { kind: 'patient', foreignId: SOMEBODY };
    await assert.rejects(connect({ baseUrl: proxy.url }).find(look, signal()), HrsNonsense);
  });

  it('does not believe a feed whose order is wrong, even where its end is right', async (t) => {
    const cursor = await getCursor();
    await desk.addPatients(['One', 'Two']);
    const proxy = await startFaultProxy(hrs.url);
    t.after(() => proxy.close());
    for (const edit of [
      (changes: unknown[]) => changes.toReversed(),
      (changes: unknown[]) => [...changes, changes.at(-1)],
    ]) {
      // biome-ignore lint/suspicious/noExplicitAny: a page of the feed
      proxy.arm({ kind: 'edit', edit: (json: any) => ({ ...json, changes: edit(json.changes) }) });
      await assert.rejects(collect(cursor, [], connect({ baseUrl: proxy.url })), HrsNonsense);
    }
  });

  it('reads the same with a clock that is wrong', async () => {
    const cursor = await getCursor();
    await hrs.fault({ fault: 'clock_skew', ms: -3_600_000 });
    const ids = await desk.addPatients(['Early']);
    const { records } = await readAll(connector, cursor);
    assert.deepEqual(
      records.map((record) => record.foreignId),
      ids,
    );
  });

  it('does not take a list that hides everything for proof that a record is absent', async () => {
    const marker = randomUUID();
    assert.deepEqual(await find({ kind: 'appointment', marker }), []);
    await hrs.fault({ fault: 'empty_lists' });
    await assert.rejects(find({ kind: 'appointment', marker }), HrsNonsense);
  });

  it('says in plain words that the key is wrong', async () => {
    const stranger = connect({ apiKey: 'other' });
    const { ok, message } = await stranger.check(signal());
    assert.equal(ok, false);
    assert.match(message, /does not accept the API key/);
  });
});

describe('sandbox: writing', () => {
  const connector = connect({ requestTimeoutMs: IMPATIENT_MS });
  afterEach(() => hrs.liftFaults());

  const signal = () => AbortSignal.timeout(10_000);
  const execute = (write: Write) => connector.execute(write, signal());
  const findByMarker = (marker: string) => connector.find({ kind: 'appointment', marker }, signal());
  const booking = (fields: object = {}): Extract<Write, { kind: 'create_appointment' }> => ({
    kind: 'create_appointment',
    marker: randomUUID(),
    appointment: {
      ...freeTime(),
      patientForeignId: SOMEBODY,
      descriptorForeignIds: [],
      unavailable: false,
      note: null,
      appointmentsPerTimeslot: 1,
      ...fields,
    },
  });
  const person = (fields: object = {}): Write => ({
    kind: 'create_patient',
    marker: randomUUID(),
    patient: {
      firstName: 'Ada',
      middleName: '',
      lastName: 'Written',
      email: null,
      dateOfBirth: null,
      gender: null,
      phoneNumber: null,
      cellPhoneNumber: null,
      homePhoneNumber: null,
      workPhoneNumber: null,
      addressLine1: '1 Elm',
      addressLine2: 'Flat 2',
      city: null,
      state: null,
      zipCode: null,
      guarantorForeignId: SOMEBODY,
      locationForeignId: '1',
      providerForeignId: '11',
      ...fields,
    },
  });
  const getDone = (result: WriteResult): string => {
    assert.equal(result.outcome, 'done', JSON.stringify(result));
    return (result as { foreignId: string }).foreignId;
  };
  const reasonOf = (result: WriteResult) =>
    result.outcome === 'refused' && [result.reason, result.hrsSaid?.split(':')[0]];

  const unknown = [
    'off',
    'hang',
    'error',
    'html',
    'wrong_record',
    'lose_reply',
    'late_work',
    'error_after_work',
    'nonsense',
    'truncate_body',
    'cut_body',
  ];
  for (const fault of unknown) {
    it(`${fault}: nobody knows, and looking tells`, async () => {
      await execute(booking());
      const write = booking();
      await hrs.fault({ fault, match: 'write', times: 1, ms: 50 });
      await assert.rejects(execute(write), OutcomeUnknown);
      const isDone = !['off', 'hang', 'error', 'html'].includes(fault);
      const deadlineAtMs = Date.now() + connector.capabilities.settleMs;
      let found = await findByMarker(write.marker);
      while (fault === 'late_work' && found.length === 0 && Date.now() < deadlineAtMs) {
        found = await findByMarker(write.marker);
      }
      assert.equal(found.length, isDone ? 1 : 0);
    });
  }

  it('lie_ok: the id it promised leads nowhere', async () => {
    await hrs.fault({ fault: 'lie_ok', times: 1 });
    const write = booking();
    const foreignId = getDone(await execute(write));
    assert.deepEqual(await connector.find({ kind: 'appointment', foreignId }, signal()), []);
    assert.deepEqual(await findByMarker(write.marker), []);
  });

  const nothingDone: [FaultOrder, retryAfterMs: number | null][] = [
    [{ fault: 'rate_limit', ms: 7_000 }, 7_000],
    [{ fault: 'unauthorized' }, null],
  ];
  for (const [order, retryAfterMs] of nothingDone) {
    it(`${order.fault}: nothing was done`, async () => {
      const write = booking();
      await hrs.fault({ ...order, match: 'write', times: 1 });
      await assert.rejects(execute(write), { name: 'Unavailable', retryAfterMs });
      assert.deepEqual(await findByMarker(write.marker), []);
    });
  }

  it('never begins to write when it cannot look first', async () => {
    for (const fault of ['nonsense', 'html', 'truncate_pages', 'error', 'off', 'cut_body']) {
      const write = booking();
      await hrs.fault({ fault, match: 'read', times: 1 });
      // Half of nothing is nothing, and no doubt about it.
      if (fault === 'truncate_pages') getDone(await execute(write));
      else await assert.rejects(execute(write), Unavailable, fault);
      assert.equal((await findByMarker(write.marker)).length, fault === 'truncate_pages' ? 1 : 0);
    }
  });

  it('does not choose between copies that are there already', async () => {
    const write = booking();
    for (let i = 0; i < 2; i++) {
      const visit = { ...placeOf(freeTime()), patient_id: Number(SOMEBODY), external_ref: write.marker };
      await ask('POST', '/desk/visits', visit);
    }
    await assert.rejects(execute(write), OutcomeUnknown);
    assert.equal((await findByMarker(write.marker)).length, 2);
  });

  it('tells why a time is not free', async () => {
    const taken = booking();
    getDone(await execute(taken));
    const { operatoryForeignId: _, ...elsewhere } = taken.appointment;
    assert.deepEqual(reasonOf(await execute(booking(taken.appointment))), ['slot_taken', 'room_taken']);
    const sameProvider = booking({ ...elsewhere, operatoryForeignId: null });
    assert.deepEqual(reasonOf(await execute(sameProvider)), ['slot_taken', 'practitioner_taken']);
    await hrs.fault({ fault: 'refuse', times: 1 });
    assert.deepEqual(reasonOf(await execute(booking())), ['slot_taken', 'room_taken']);
  });

  const refusals: [string, Write, reason: string, code: string][] = [
    ['a name that is too long', person({ lastName: 'x'.repeat(21) }), 'patient_rejected', 'name_too_long'],
    ['a site it does not have', person({ locationForeignId: '99' }), 'patient_rejected', 'unknown_site'],
    ['a note that is too long', booking({ note: 'x'.repeat(129) }), 'refused_by_hrs', 'note_too_long'],
    ['a patient it does not have', booking({ patientForeignId: '99' }), 'refused_by_hrs', 'unknown_patient'],
    ['a room that is none of its ids', booking({ operatoryForeignId: 'west' }), 'refused_by_hrs', 'bad_field'],
    ['a code it does not have', booking({ descriptorForeignIds: ['NONE'] }), 'refused_by_hrs', 'unknown_code'],
    [
      'to erase a block that is gone',
      { kind: 'cancel', marker: randomUUID(), foreignId: 'block/99' },
      'not_found_in_hrs',
      'unknown_block',
    ],
  ];
  for (const [what, write, reason, code] of refusals) {
    it(`refuses ${what}`, async () => assert.deepEqual(reasonOf(await execute(write)), [reason, code]));
  }

  it('checks in, and takes no step from a state that has none', async () => {
    const foreignId = getDone(await execute(booking()));
    const checkIn: Write = { kind: 'check_in', marker: randomUUID(), foreignId, checkinAt: '2031-01-06T05:00:00.000Z' };
    getDone(await execute(checkIn));
    getDone(await execute(checkIn));
    const [visit] = (await connector.find({ kind: 'appointment', foreignId }, signal())) as AppointmentRecord[];
    assert.notEqual(visit?.checkinAt, null);
    await ask('POST', `/desk/visits/${foreignId}/complete`, {});
    const cancelled = await execute({ kind: 'cancel', marker: randomUUID(), foreignId });
    assert.deepEqual(reasonOf(cancelled), ['refused_by_hrs', 'wrong_state']);
    await ask('POST', `/desk/visits/${foreignId}/delete`, {});
    getDone(await execute({ kind: 'cancel', marker: randomUUID(), foreignId }));
  });

  it('does not believe a step that its answer does not show', async (t) => {
    const foreignId = getDone(await execute(booking()));
    const proxy = await startFaultProxy(hrs.url);
    t.after(() => proxy.close());
    const edits: object[] = [{ confirmation: 'none' }, { id: 1 }];
    for (const edit of edits) {
      proxy.arm({ kind: 'edit', edit: (json) => ({ ...(json as object), ...edit }) });
      const confirm: Write = { kind: 'confirm', marker: randomUUID(), foreignId };
      await assert.rejects(connect({ baseUrl: proxy.url }).execute(confirm, signal()), OutcomeUnknown);
    }
  });

  it('confirms no block', async () => {
    const result = await execute({ kind: 'confirm', marker: randomUUID(), foreignId: 'block/1' });
    assert.deepEqual(reasonOf(result), ['refused_by_hrs', undefined]);
  });

  it('does not take a made-up erasure of a block for one', async () => {
    const foreignId = getDone(await execute(booking({ unavailable: true, patientForeignId: null, note: 'Lunch' })));
    await hrs.fault({ fault: 'nonsense', match: 'write', times: 1 });
    await assert.rejects(execute({ kind: 'cancel', marker: randomUUID(), foreignId }), OutcomeUnknown);
  });

  const codes: [string[], string[]][] = [
    [[], []],
    [['EXAM'], ['EXAM']],
    [['P-XRAY'], ['P-XRAY']],
    [['P-XRAY', 'EXAM'], ['EXAM']],
  ];
  for (const [given, kept] of codes) {
    it(`keeps of ${given.join(' and ') || 'no code'} ${kept.join() || 'none'}`, async () => {
      const foreignId = getDone(await execute(booking({ descriptorForeignIds: given })));
      const [visit] = (await connector.find({ kind: 'appointment', foreignId }, signal())) as AppointmentRecord[];
      assert.deepEqual(visit?.descriptorForeignIds, kept);
    });
  }

  const phones: [object, (string | null)[]][] = [
    [{ phoneNumber: '1' }, ['1', null, null]],
    [{ phoneNumber: '1', cellPhoneNumber: '2' }, ['2', '1', null]],
    [{ phoneNumber: '1', cellPhoneNumber: '2', homePhoneNumber: '3' }, ['2', '3', '1']],
    [{ phoneNumber: '3', homePhoneNumber: '3' }, [null, '3', null]],
    [{ workPhoneNumber: '4' }, [null, null, '4']],
  ];
  for (const [given, kept] of phones) {
    it(`keeps ${JSON.stringify(given)}`, async () => {
      const foreignId = getDone(await execute(person(given)));
      const stored = await ask('GET', `/v1/patients/${foreignId}`);
      assert.deepEqual([stored.phone_cell, stored.phone_home, stored.phone_work], kept);
      assert.equal(stored.street, '1 Elm, Flat 2');
      assert.equal(stored.guarantor_id, Number(SOMEBODY));
      assert.equal(stored.usual_practitioner_id, 11);
    });
  }

  it('keeps one hook, the newest of ours, and leaves those of others', async () => {
    const urls = async () => (await ask('GET', '/v1/hooks')).items.map((hook: { url: string }) => hook.url);
    await ask('POST', '/v1/hooks', { url: 'http://127.0.0.1:9/bell' });
    for (const port of [9, 10, 10]) await connector.subscribe?.(`http://127.0.0.1:${port}/push/token`, signal());
    assert.deepEqual(await urls(), ['http://127.0.0.1:9/bell', 'http://127.0.0.1:10/push/token']);
  });
});

describe('sandbox: configuration', () => {
  for (const config of [
    { baseUrl: 'http://127.0.0.1:1', apiKey: 'k', more: 1 },
    { baseUrl: 'ftp://127.0.0.1', apiKey: 'k' },
    { baseUrl: 'http://user:word@127.0.0.1', apiKey: 'k' },
    { baseUrl: 'http://127.0.0.1/?a=1', apiKey: 'k' },
    { baseUrl: 'http://127.0.0.1', apiKey: 'a\nb' },
    { apiKey: 'k' },
  ]) {
    it(`refuses ${JSON.stringify(config)}`, () => assert.equal(kind.configSchema.safeParse(config).success, false));
  }

  it('waits five seconds unless told otherwise, and takes a base with a slash', async () => {
    const config = kind.configSchema.parse({ baseUrl: `${hrs.url}/`, apiKey: 'sandbox' });
    assert.equal(config.requestTimeoutMs, 5_000);
    assert.equal((await kind.connect(config).check(AbortSignal.timeout(5_000))).ok, true);
  });
});
