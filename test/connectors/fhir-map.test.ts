import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Resource } from '../../src/connectors/fhir/client.ts';
import {
  type Directory,
  mapAppointment,
  mapDirectory,
  mapPatient,
  type ScheduleRecord,
} from '../../src/connectors/fhir/map.ts';
import { mapBlock, mapHours } from '../../src/connectors/fhir/slots.ts';
import type { HrsRecord } from '../../src/domain/records.ts';

const BASE = 'https://ehr.example.org/fhir';
const MARKER = '0b7a0f3e-7f0a-4c39-8c1e-2f6d1f0a9b11';

const reference = (to: string) => ({ reference: to });

function location(id: string, more: object = {}): Resource {
  return { resourceType: 'Location', id, name: `Location ${id}`, ...more };
}

function directoryOf(locations: Resource[], more: { roles?: Resource[]; locationId?: string } = {}): Directory {
  const practitioners = ['p1', 'p2'].map((id) => ({ resourceType: 'Practitioner', id, name: [{ family: 'Grey' }] }));
  return mapDirectory(
    { locations, practitioners, roles: more.roles ?? [], schedules: [] },
    { baseUrl: BASE, timeZone: 'America/New_York', locationId: more.locationId },
  );
}

const oneSite = directoryOf([
  location('site'),
  location('room', { partOf: reference('Location/site'), physicalType: { coding: [{ code: 'ro' }] } }),
]);

function appointment(more: object = {}): Resource {
  return {
    resourceType: 'Appointment',
    id: 'a1',
    status: 'booked',
    start: '2040-01-02T09:00:00-05:00',
    end: '2040-01-02T14:30:00.123456Z',
    participant: [
      { actor: reference('Patient/x'), status: 'needs-action' },
      { actor: reference(`${BASE}/Practitioner/p1/_history/3`), status: 'accepted' },
      { actor: reference('Location/room'), status: 'accepted' },
    ],
    ...more,
  };
}

describe('sites and rooms', () => {
  it('tells a room by its physical type or by being part of another Location', () => {
    const { sites, rooms } = directoryOf([
      location('campus', { physicalType: { coding: [{ code: 'si' }] } }),
      location('house', { physicalType: { coding: [{ code: 'bu' }] }, partOf: reference('Location/campus') }),
      location('wing', { partOf: reference('Location/house') }),
      location('chair', { physicalType: { coding: [{ code: 'area' }] }, partOf: reference('Location/wing') }),
    ]);
    assert.deepEqual([...sites.keys()], ['campus', 'house']);
    assert.deepEqual(
      [...rooms.values()].map((room) => [room.foreignId, room.locationForeignId]),
      [
        ['wing', 'house'],
        ['chair', 'house'],
      ],
    );
  });

  it('puts rooms without a site, and rooms in a circle, under the default site', () => {
    const { sites, rooms } = directoryOf(
      [
        location('a', { partOf: reference('Location/b') }),
        location('b', { partOf: reference('Location/a') }),
        location('lone', { physicalType: { coding: [{ code: 'ro' }] } }),
      ],
      { locationId: 'practice' },
    );
    assert.deepEqual([...sites.keys()], ['practice']);
    assert.deepEqual(
      [...rooms.values()].map((room) => room.locationForeignId),
      ['practice', 'practice', 'practice'],
    );
  });

  it('takes the zone from the standard extension when it is one', () => {
    const zoneOf = (valueCode: string) =>
      directoryOf([
        location('s', { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode }] }),
      ]).sites.get('s')?.timeZone;
    assert.equal(zoneOf('Europe/Rome'), 'Europe/Rome');
    assert.equal(zoneOf('EST'), 'America/New_York');
  });

  it('takes the sites of a provider from active roles, and all of them where there are no roles', () => {
    const roles = [
      {
        resourceType: 'PractitionerRole',
        id: 'r',
        practitioner: reference('Practitioner/p1'),
        location: [reference('Location/b')],
      },
      {
        resourceType: 'PractitionerRole',
        id: 'old',
        active: false,
        practitioner: reference('Practitioner/p1'),
        location: [reference('Location/a')],
      },
    ];
    const { providers } = directoryOf([location('a'), location('b')], { roles });
    assert.deepEqual(providers.get('p1')?.locationForeignIds, ['b']);
    assert.deepEqual(providers.get('p2')?.locationForeignIds, ['a', 'b']);
  });
});

describe('appointments', () => {
  it('maps a booked one', () => {
    const mapped = mapAppointment(
      appointment({ identifier: [{ system: 'urn:openchair:marker', value: MARKER }] }),
      oneSite,
    );
    assert.equal(mapped?.startAt, '2040-01-02T14:00:00.000Z');
    assert.equal(mapped?.endAt, '2040-01-02T14:30:00.123Z');
    assert.deepEqual(
      [mapped?.patientForeignId, mapped?.providerForeignId, mapped?.operatoryForeignId, mapped?.locationForeignId],
      ['x', 'p1', 'room', 'site'],
    );
    assert.deepEqual([mapped?.marker, mapped?.confirmed, mapped?.cancelled], [MARKER, false, false]);
  });

  for (const [status, expected] of Object.entries({
    booked: {},
    pending: {},
    proposed: {},
    cancelled: { cancelled: true },
    'entered-in-error': { cancelled: true },
    noshow: { patientMissed: true },
    arrived: { checkinAt: '2040-01-02T14:01:00.000Z' },
    'checked-in': { checkinAt: '2040-01-02T14:01:00.000Z' },
    fulfilled: { checkedOut: true },
  })) {
    it(`maps the status ${status}`, () => {
      const mapped = mapAppointment(appointment({ status, meta: { lastUpdated: '2040-01-02T14:01:00Z' } }), oneSite);
      const { cancelled, patientMissed, checkinAt, checkedOut } = mapped ?? {};
      const none = { cancelled: false, patientMissed: false, checkinAt: null, checkedOut: false };
      assert.deepEqual({ cancelled, patientMissed, checkinAt, checkedOut }, { ...none, ...expected });
    });
  }

  it('takes an absent end from the duration, and leaves out what has no time', () => {
    const endOf = (more: object) => mapAppointment(appointment({ end: undefined, ...more }), oneSite)?.endAt;
    assert.equal(endOf({ minutesDuration: 45 }), '2040-01-02T14:45:00.000Z');
    for (const more of [
      {},
      { minutesDuration: -5 },
      { end: '2040-01-02T13:00:00Z' },
      { start: '2040-01-02', end: '2040-01-03T00:00:00Z' },
      { start: '2040-01-02T09:00:00', end: '2040-01-02T10:00:00' },
      { status: 'waitlist', start: undefined },
    ]) {
      assert.equal(endOf(more), undefined, JSON.stringify(more));
    }
  });

  it('knows nobody by a reference that leads off this server', () => {
    for (const actor of [
      reference('https://elsewhere.example/fhir/Practitioner/p1'),
      reference('urn:uuid:0b7a0f3e-7f0a-4c39-8c1e-2f6d1f0a9b11'),
      reference('#p1'),
      reference('Practitioner/../Patient/p1'),
      { identifier: { system: 'x', value: 'p1' } },
      { display: 'Dr Grey' },
      null,
    ]) {
      const mapped = mapAppointment(appointment({ participant: [{ actor, status: 'accepted' }] }), oneSite);
      assert.equal(mapped?.providerForeignId, null);
      assert.equal(mapped?.locationForeignId, 'site');
    }
  });

  it('keeps the time of what it does not fully understand, and nothing else of it', () => {
    const mapped = mapAppointment(appointment({ modifierExtension: [{ url: 'urn:x', valueBoolean: true }] }), oneSite);
    assert.deepEqual([mapped?.unavailable, mapped?.patientForeignId, mapped?.cancelled], [true, null, false]);
  });

  it('takes only a UUID for a marker of ours', () => {
    const identifier = [{ system: 'urn:openchair:marker', value: "x'; drop table" }];
    assert.equal(mapAppointment(appointment({ identifier }), oneSite)?.marker, null);
  });
});

describe('patients', () => {
  const patient = (more: object): Resource => ({ resourceType: 'Patient', id: 'x', ...more });

  it('prefers the official name and current phones', () => {
    const mapped = mapPatient(
      patient({
        name: [
          { use: 'nickname', given: ['Ed'] },
          { use: 'official', family: 'Lovelace', given: ['Ada', 'Mary', 'Eve'] },
        ],
        telecom: [{ system: 'phone', use: 'mobile', value: '555' }, null, 'x', { system: 'email', value: ' a@b.c ' }],
        birthDate: '1990-02-28',
        gender: 'other',
      }),
      oneSite,
    );
    assert.deepEqual([mapped.firstName, mapped.middleName, mapped.lastName], ['Ada', 'Mary Eve', 'Lovelace']);
    assert.deepEqual([mapped.phoneNumber, mapped.cellPhoneNumber, mapped.email], ['555', '555', 'a@b.c']);
    assert.deepEqual([mapped.dateOfBirth, mapped.gender], ['1990-02-28', 'Other']);
  });

  it('knows no date of birth from part of one or from a day that never was', () => {
    for (const birthDate of ['1990', '1990-02', '1990-02-30', '1990-02-28T00:00:00Z', 19900228]) {
      assert.equal(mapPatient(patient({ birthDate }), oneSite).dateOfBirth, null);
    }
  });

  it('sets aside the merged, the dead and the inactive', () => {
    const merged = mapPatient(patient({ link: [{ type: 'replaced-by', other: reference('Patient/y') }] }), oneSite);
    assert.deepEqual([merged.inactive, merged.mergedIntoForeignId], [true, 'y']);
    for (const more of [{ active: false }, { deceasedBoolean: true }, { deceasedDateTime: '2020' }]) {
      assert.equal(mapPatient(patient(more), oneSite).inactive, true);
    }
  });

  it('takes the first person a patient names as theirs', () => {
    const of = (...references: string[]) =>
      mapPatient(patient({ generalPractitioner: references.map(reference) }), oneSite).providerForeignId;
    assert.equal(of('Organization/o', 'PractitionerRole/r', 'Practitioner/p2', 'Practitioner/p1'), 'p2');
    assert.equal(of(`${BASE}/Practitioner/p1`), 'p1');
    assert.equal(of('Organization/o'), null);
    assert.equal(mapPatient(patient({ generalPractitioner: 'Practitioner/p1' }), oneSite).providerForeignId, null);
  });

  it('drops characters that cannot be stored', () => {
    const mapped = mapPatient(patient({ name: [{ family: 'A\0\ud800B' }] }), oneSite);
    assert.equal(mapped.lastName, 'A\ufffdB');
  });
});

describe('hours and blocks', () => {
  const schedule: ScheduleRecord = {
    id: 's',
    providerForeignId: 'p1',
    operatoryForeignId: null,
    locationForeignId: 'site',
    timeZone: 'America/New_York',
    isBookable: true,
  };
  const slot = (id: string, start: string, end: string, status = 'free', more: object = {}): Resource => ({
    resourceType: 'Slot',
    id,
    status,
    start,
    end,
    ...more,
  });
  const hoursOf = (slots: Resource[], of = schedule) =>
    mapHours(slots, of).hours.map((hour) => [hour.foreignId, hour.specificDate, hour.beginLocal, hour.endLocal]);

  it('joins slots that touch, free or booked, and names them after the first', () => {
    const slots = [
      slot('b', '2040-01-02T14:30:00Z', '2040-01-02T15:00:00Z', 'busy'),
      slot('a', '2040-01-02T14:00:00Z', '2040-01-02T14:30:00Z'),
      slot('c', '2040-01-02T15:00:00Z', '2040-01-02T15:30:00Z', 'busy-unavailable'),
      slot('d', '2040-01-02T15:30:00Z', '2040-01-02T16:00:00Z', 'busy-tentative'),
      slot('e', '2040-01-02T16:00:00Z', '2040-01-02T17:00:00Z', 'entered-in-error'),
    ];
    assert.deepEqual(hoursOf(slots), [
      ['a', '2040-01-02', '09:00', '10:00'],
      ['d', '2040-01-02', '10:30', '11:00'],
    ]);
    assert.deepEqual(mapHours(slots, schedule).insideSlotIds.sort(), ['b', 'c', 'e']);
  });

  it('does not change hours when one of their slots is booked', () => {
    const at = (status: string) => [
      slot('a', '2040-01-02T14:00:00Z', '2040-01-02T14:30:00Z', status),
      slot('b', '2040-01-02T14:30:00Z', '2040-01-02T15:00:00Z'),
    ];
    assert.deepEqual(hoursOf(at('free')), hoursOf(at('busy')));
  });

  it('splits by local day, and can end at or after midnight', () => {
    assert.deepEqual(
      hoursOf([
        slot('late', '2040-01-03T04:00:00Z', '2040-01-03T05:00:00Z'),
        slot('early', '2040-01-03T05:00:00Z', '2040-01-03T06:00:00Z'),
        slot('over', '2040-01-04T04:30:00Z', '2040-01-04T05:30:00Z'),
      ]),
      [
        ['late', '2040-01-02', '23:00', '24:00'],
        ['early', '2040-01-03', '00:00', '01:00'],
        ['over', '2040-01-03', '23:30', '00:30'],
      ],
    );
  });

  it('keeps wall-clock times over a change of the clock', () => {
    // New York, 8 March 2026: 02:00 is followed by 03:00.
    assert.deepEqual(hoursOf([slot('gap', '2026-03-08T06:30:00Z', '2026-03-08T07:30:00Z')]), [
      ['gap', '2026-03-08', '01:30', '03:30'],
    ]);
    // 1 November 2026: the hour from 01:00 happens twice.
    assert.deepEqual(hoursOf([slot('twice', '2026-11-01T05:30:00Z', '2026-11-01T06:15:00Z')]), []);
  });

  it('makes no hours of slots without time, beyond a day, or not understood', () => {
    assert.deepEqual(
      hoursOf([
        slot('zero', '2040-01-02T14:00:00Z', '2040-01-02T14:00:00Z'),
        slot('back', '2040-01-02T14:00:00Z', '2040-01-02T13:00:00Z'),
        slot('short', '2040-01-02T14:00:10Z', '2040-01-02T14:00:50Z'),
        slot('week', '2040-01-02T14:00:00Z', '2040-01-09T14:00:00Z'),
        slot('odd', '2040-01-02T14:00:00Z', '2040-01-02T15:00:00Z', 'free', { modifierExtension: [{ url: 'urn:x' }] }),
      ]),
      [],
    );
    const closed = { ...schedule, isBookable: false };
    assert.deepEqual(hoursOf([slot('a', '2040-01-02T14:00:00Z', '2040-01-02T15:00:00Z')], closed), []);
  });

  it('makes a block of closed time only', () => {
    const block = (status: string, more: object = {}) =>
      mapBlock(slot('c', '2040-01-02T14:00:00Z', '2040-01-02T15:00:00Z', status, more), schedule);
    assert.equal(block('busy-unavailable')?.foreignId, 'Slot/c');
    assert.equal(block('busy-unavailable')?.unavailable, true);
    assert.equal(block('busy'), null);
    assert.equal(block('free'), null);
    assert.equal(block('entered-in-error'), null);
    const ours = { identifier: [{ system: 'urn:openchair:marker', value: MARKER }] };
    assert.equal(block('entered-in-error', ours)?.cancelled, true);
  });
});

const words = (text: string): string[] => text.split(/\s+/);

it('makes valid records of anything at all, and never throws', () => {
  const names = words(`identifier status start end participant actor reference name given family telecom address line
    link other communication language coding code extension meta schedule practitioner location partOf physicalType
    system value use type birthDate slot`);
  const strings = words(`booked free phone replaced-by Location/site Location/room Patient/x Practitioner/p1 #x
    2040-01-02T14:00:00Z 2040-01-02T15:00:00Z`);
  const values = fc.constantFrom<unknown>(...strings, '', '\0', '\ud800', null, 0, -1, true, [], {}, [null]);
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      values,
      fc.array(tie('json'), { maxLength: 4 }),
      tie('object'),
    ),
    object: fc.dictionary(fc.constantFrom(...names), tie('json'), { maxKeys: 8 }),
  }));
  const resource = (type: string) =>
    fc
      .dictionary(fc.constantFrom(...names), json, { maxKeys: 12 })
      .map((fields): Resource => ({ ...fields, resourceType: type, id: 'r1' }));
  const some = (type: string) => fc.array(resource(type), { maxLength: 3 });
  const all = fc.record({
    locations: some('Location'),
    practitioners: some('Practitioner'),
    roles: some('PractitionerRole'),
    schedules: some('Schedule'),
  });

  fc.assert(
    fc.property(all, resource('Patient'), resource('Appointment'), resource('Slot'), (people, patient, visit, slot) => {
      const directory = mapDirectory(
        { ...people, locations: [...people.locations, location('site')] },
        { baseUrl: BASE, timeZone: 'America/New_York' },
      );
      const records: HrsRecord[] = [
        ...directory.sites.values(),
        ...directory.rooms.values(),
        ...directory.providers.values(),
        mapPatient(patient, directory),
        ...[mapAppointment(visit, directory)].filter((one) => one !== null),
      ];
      for (const schedule of directory.schedules.values()) records.push(...mapHours([slot], schedule).hours);
      for (const record of records) {
        for (const [name, value] of Object.entries(record)) {
          assert.notEqual(value, undefined, name);
          if (typeof value === 'string') assert.ok(value.isWellFormed() && !value.includes('\0'), name);
          if (name.endsWith('At') && value !== null) assert.equal(new Date(value).toISOString(), value);
        }
        if (record.kind === 'appointment') assert.ok(record.startAt < record.endAt);
      }
    }),
    { numRuns: 400 },
  );
});
