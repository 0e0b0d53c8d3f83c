import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hl7v2Config } from '../../src/connectors/hl7v2/config.ts';
import { foldAppointment, foldPatientOf } from '../../src/connectors/hl7v2/fold.ts';
import { mapAppointment, NotUnderstood } from '../../src/connectors/hl7v2/map.ts';
import { parseMessage } from '../../src/connectors/hl7v2/message.ts';
import { refsOf } from '../../src/connectors/hl7v2/refs.ts';
import { durationMs } from '../../src/connectors/hl7v2/timing.ts';
import type { AppointmentRecord } from '../../src/domain/records.ts';
import { adt, configOf, keepMessages, older, openDental, placerOnly } from './hl7v2-samples.ts';

const config = configOf();
const OD_PATIENT = '71@2.16.840.1.113883.3.4337.1486.77.2';
const OD_APPOINTMENT = '4711@2.16.840.1.113883.3.4337.1486.77.6';

function read(text: string, { sent = config }: { sent?: Hl7v2Config } = {}): AppointmentRecord {
  const messages = keepMessages(sent);
  messages.take(text);
  const { record } = foldAppointment(sent, messages.all);
  assert.ok(record, 'nothing was made of it');
  return record;
}

const said = (text: string, trigger: string) => mapAppointment(config, parseMessage(Buffer.from(text)), trigger);

test("Open Dental's own feed is read with the defaults", () => {
  const messages = keepMessages(config);
  messages.take(openDental());
  const { record, references } = foldAppointment(config, messages.all);
  assert.deepEqual(record, {
    kind: 'appointment',
    foreignId: OD_APPOINTMENT,
    marker: null,
    locationForeignId: 'main',
    patientForeignId: OD_PATIENT,
    providerForeignId: '7',
    operatoryForeignId: 'OP 2',
    descriptorForeignIds: [],
    startAt: '2040-01-03T14:00:00.000Z',
    endAt: '2040-01-03T15:00:00.000Z',
    unavailable: false,
    note: 'bring X-rays',
    confirmed: false,
    confirmedAt: null,
    cancelled: false,
    cancelledAt: null,
    patientMissed: false,
    checkinAt: null,
    checkedOut: false,
    checkedOutAt: null,
  });
  assert.deepEqual(
    references.map((one) => [one.kind, 'name' in one ? one.name : 'lastName' in one && one.lastName]),
    [
      ['provider', 'Okafor'],
      ['operatory', 'OP 2'],
    ],
  );
  assert.deepEqual(
    { appointment: messages.all[0]?.appointmentRef, patient: messages.all[0]?.patientRef },
    { appointment: OD_APPOINTMENT, patient: OD_PATIENT },
  );
});

test("an office's own word for a confirmation is read from its profile", () => {
  const sent = configOf({ profile: { states: { 'Text reply YES': 'confirmed' } } });
  assert.equal(read(openDental({ confirm: 'text reply yes' }), { sent }).confirmed, true);
  assert.equal(read(openDental({ confirm: 'text reply yes' })).confirmed, false);
  assert.equal(read(openDental({ confirm: 'Appointment Confirmed' })).confirmed, true);
});

test('arrived and complete are seen since the message that said so', () => {
  const messages = keepMessages(config);
  messages.take(openDental());
  messages.take(openDental({ trigger: 'S14', at: '20400103085500', confirm: 'Arrived', controlId: 'a' }));
  messages.take(openDental({ trigger: 'S14', at: '20400103090500', confirm: 'Arrived', note: 'x', controlId: 'b' }));
  messages.take(openDental({ trigger: 'S14', at: '20400103100500', status: 'Complete', controlId: 'c' }));
  const { record } = foldAppointment(config, messages.all);
  assert.equal(record?.checkinAt, '2040-01-03T13:55:00.000Z');
  assert.equal(record?.checkedOutAt, '2040-01-03T15:05:00.000Z');
  assert.equal(record?.checkedOut, true);
});

test('the older style: SCH-11 with seconds, AIG, CRLF', () => {
  const record = read(older());
  assert.equal(record.foreignId, '880');
  assert.equal(record.startAt, '2040-01-03T14:00:00.000Z');
  assert.equal(record.endAt, '2040-01-03T14:20:00.000Z');
  assert.equal(record.providerForeignId, 'okafor');
  assert.equal(record.operatoryForeignId, 'EAST');
  assert.equal(record.note, 'Cleaning visit');
  assert.equal(read(older({ end: '' })).endAt, '2040-01-03T14:20:00.000Z', 'by its duration');
});

test("a placer's id alone, and a cancellation without a time", () => {
  const messages = keepMessages(config);
  messages.take(placerOnly());
  const booked = foldAppointment(config, messages.all).record;
  assert.equal(booked?.foreignId, '149');
  assert.equal(booked?.patientForeignId, 'N-8', 'the MR one, not the first');
  assert.equal(booked?.endAt, '2040-01-03T19:30:00.000Z');
  messages.take(placerOnly({ trigger: 'S15', at: '20400102100000' }));
  const { record } = foldAppointment(config, messages.all);
  assert.equal(record?.cancelled, true);
  assert.equal(record?.cancelledAt, '2040-01-02T15:00:00.000Z');
  assert.equal(record?.startAt, booked?.startAt);
  assert.equal(record?.patientForeignId, 'N-8');
});

test('what ends an appointment, whatever its status says', () => {
  for (const trigger of ['S15', 'S16', 'S17']) assert.equal(read(openDental({ trigger })).cancelled, true, trigger);
  for (const status of ['Cancelled', 'DELETED', 'broken']) {
    assert.equal(read(openDental({ trigger: 'S14', status })).cancelled, true, status);
  }
  const missed = read(openDental({ trigger: 'S26' }));
  assert.deepEqual([missed.patientMissed, missed.cancelled], [true, false]);
  assert.equal(read(openDental({ trigger: 'S14', status: 'No Show' })).patientMissed, true);
});

test('substitutions are full states as well', () => {
  for (const trigger of ['S18', 'S19', 'S20', 'S21', 'S22', 'S25']) {
    assert.equal(read(openDental({ trigger })).providerForeignId, '7', trigger);
  }
});

test('without a patient it is a block, and S24 opens it again', () => {
  const blocked = openDental({ trigger: 'S23' }).replace(/PID[^\r]*\r/, '');
  assert.deepEqual([read(blocked).unavailable, read(blocked).patientForeignId], [true, null]);
  assert.equal(read(blocked.replace('^S23', '^S24')).cancelled, true);
});

test('a status in the wrong field is found', () => {
  const text = openDental().replace('|Booked\r', 'Cancelled\r');
  assert.equal(read(text).cancelled, true);
});

test('a resource that is taken away counts no more', () => {
  const text = openDental().replace('AIP|1|A|7^Okafor', 'AIP|1|D|6^Lund^Eva\rAIP|2|A|7^Okafor');
  assert.equal(read(text).providerForeignId, '7');
});

test('what cannot be understood says what is missing, and nothing of what is there', () => {
  const cases: [string, RegExp][] = [
    [openDental({ start: '', end: '' }), /no usable start and end/],
    [openDental({ start: '20400230090000', end: '20400230100000' }), /no usable start and end/],
    [openDental({ start: '20400103', end: '20400104' }), /no usable start and end/],
    [openDental({ end: '20400103080000' }), /no usable start and end/],
    [openDental().replace(/4711\^[^|]*/, ''), /names no appointment/],
    [openDental({ id: 'x'.repeat(300) }), /names no appointment/],
    [
      openDental()
        .replace(/71\^[^|]*/, '')
        .replace('CH-9', ''),
      /patient without an id/,
    ],
  ];
  for (const [text, expected] of cases) {
    assert.throws(
      () => said(text, 'S12'),
      (error) => error instanceof NotUnderstood && expected.test(error.message) && !/Stone|4711/.test(error.message),
    );
  }
});

test('an id of ours wins over the one that the HRS gives', () => {
  const marker = '0b54c9d2-73cd-4c3a-8a5e-3f1f5d3a9f10';
  const answered = read(openDental({ external: `${marker.toUpperCase()}^OPENCHAIR` }));
  assert.deepEqual([answered.foreignId, answered.marker], [marker, marker]);
  assert.equal(read(openDental({ external: marker })).foreignId, marker, 'its namespace was dropped');
  assert.equal(read(openDental({ external: `${marker}^OTHER` })).foreignId, OD_APPOINTMENT, "another sender's");
  assert.equal(read(openDental({ external: '12345^OPENCHAIR' })).marker, null);
});

test('several sites, told apart by the clinic in AIL-3', () => {
  const sent = configOf({
    sites: [
      { id: 'north', name: 'North', codes: ['North'] },
      { id: 'west', name: 'West', codes: ['West'], timeZone: 'America/Los_Angeles' },
    ],
  });
  assert.equal(read(openDental(), { sent }).operatoryForeignId, 'north/OP 2');
  const west = read(openDental().replace('AIL|1|A|North', 'AIL|1|A|West'), { sent });
  assert.equal(west.locationForeignId, 'west');
  assert.equal(west.startAt, '2040-01-03T17:00:00.000Z', 'in its own zone');
});

test('durations with their units', () => {
  assert.equal(durationMs('30', 'MIN'), 1_800_000);
  assert.equal(durationMs('30', null), 1_800_000);
  assert.equal(durationMs('1200', 'S'), 1_200_000);
  assert.equal(durationMs('1.5', 'HR'), 5_400_000);
  for (const [amount, unit] of [
    ['-30', 'MIN'],
    ['0', 'MIN'],
    ['30', 'FORTNIGHT'],
    ['1e3', 'S'],
    ['3000', 'MIN'],
    ['', 'MIN'],
  ]) {
    assert.equal(durationMs(amount as string, unit as string), null, `${amount} ${unit}`);
  }
});

test('notes: NTE after SCH, joined, and none of the notes on the patient', () => {
  const text = openDental()
    .replace('TQ1|', 'NTE|1||first\\.br\\line\rNTE|2||A & B ^ C\rTQ1|')
    .replace('PV1|', 'NTE|1||not this\rPV1|');
  assert.equal(read(text).note, 'first\nline\nA & B ^ C');
});

test('patients: only what is said counts, and "" takes away', () => {
  const messages = keepMessages(config);
  messages.take(openDental());
  messages.take(adt({ rest: '||""||||""', at: '20400102090000' }));
  const patient = foldPatientOf(config, OD_PATIENT, messages.all);
  assert.equal(patient?.firstName, 'Ada');
  assert.equal(patient?.dateOfBirth, null, 'taken away');
  assert.equal(patient?.city, null);
  assert.equal(patient?.gender, 'Female', 'not spoken of');
  assert.equal(patient?.cellPhoneNumber, '2125550177');
  assert.equal(patient?.homePhoneNumber, '2125550134');
  assert.equal(patient?.workPhoneNumber, '2125550100');
  assert.equal(patient?.email, 'ada@example.com');
  assert.ok(patient?.unsaid?.includes('preferredLanguage'));
  assert.ok(patient?.unsaid?.includes('inactive'));
  assert.ok(!patient?.unsaid?.includes('dateOfBirth'));
});

test('a merge retires one patient into the other', () => {
  const messages = keepMessages(config);
  const stored = messages.take(adt({ trigger: 'A40', id: '2^^^A^MR', retires: '1^^^A^MR' }));
  assert.equal(stored.patientRef, '1@A');
  const retired = foldPatientOf(config, '1@A', messages.all);
  assert.deepEqual([retired?.mergedIntoForeignId, retired?.inactive], ['2@A', true]);
  assert.equal(foldPatientOf(config, '2@A', messages.all)?.lastName, 'Stone');
  messages.take(adt({ trigger: 'A08', id: '1^^^A^MR', at: '20400102100000' }));
  assert.equal(foldPatientOf(config, '1@A', messages.all)?.inactive, true, 'an update does not bring it back');
  messages.take(adt({ trigger: 'A28', id: '1^^^A^MR', at: '20400102110000' }));
  assert.equal(foldPatientOf(config, '1@A', messages.all)?.mergedIntoForeignId, null);
});

test('ids that look like two parts come apart as they were joined', () => {
  const text = openDental({ id: 'a@b' }).replace('^^2.16.840.1.113883.3.4337.1486.77.6^HL7', '');
  assert.equal(refsOf(config, parseMessage(Buffer.from(text))).appointmentRef, 'a@b@');
});
