import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, lookAt, lookFor } from '../../src/commands/recognition.ts';
import type { Write } from '../../src/connectors/connector.ts';
import { appointmentRecord, patientRecord } from '../sync/memory-hrs.ts';

const OLD = { startAt: '2026-12-01T14:00:00.000Z', endAt: '2026-12-01T14:30:00.000Z' };
const NEW = { startAt: '2026-12-01T15:00:00.000Z', endAt: '2026-12-01T15:30:00.000Z' };
const update = (changes: object): Write => ({
  kind: 'update',
  marker: 'm',
  foreignId: 'A1',
  changes,
  appointmentsPerTimeslot: 1,
});

test('what is made is looked for by its marker, what is changed by its id', () => {
  const alert = { patientForeignId: 'P1', note: 'n' };
  assert.deepEqual(lookFor({ kind: 'create_alert', marker: 'm', alert }), { kind: 'patient_alert', marker: 'm' });
  assert.deepEqual(lookAt({ kind: 'create_alert', marker: 'm', alert }, 'N1'), {
    kind: 'patient_alert',
    foreignId: 'N1',
  });
  assert.deepEqual(lookFor(update(NEW)), { kind: 'appointment', foreignId: 'A1' });
  assert.deepEqual(lookFor({ kind: 'change_alert', marker: 'm', foreignId: 'N1', disabled: true }), {
    kind: 'patient_alert',
    foreignId: 'N1',
  });
});

test('a move is written, untouched, or overtaken by somebody else’s', () => {
  const verdict = (more: object) => judge(update(NEW), appointmentRecord('A1', more), OLD);
  assert.equal(verdict(NEW), 'written');
  assert.equal(verdict({ startAt: '2026-12-01T10:00:00-05:00', endAt: NEW.endAt }), 'written', 'the same instant');
  assert.equal(verdict(OLD), 'untouched');
  assert.equal(verdict({ startAt: NEW.startAt, endAt: OLD.endAt }), 'overtaken');
  assert.equal(verdict({ ...OLD, note: 'by staff' }), 'untouched', 'a note was not asked for');
});

test('of an operatory and a note, each counts for itself', () => {
  const wanted = update({ operatoryForeignId: 'R2', note: ' bring x-rays ' });
  const before = { operatoryForeignId: 'R1', note: null };
  const verdict = (operatoryForeignId: string | null, note: string | null) =>
    judge(wanted, appointmentRecord('A1', { operatoryForeignId, note }), before);
  assert.equal(verdict('R2', 'bring x-rays'), 'written', 'an HRS may trim');
  assert.equal(verdict('R1', ''), 'untouched', 'nor tell none from empty');
  for (const [room, note] of [
    ['R2', null],
    ['R1', 'bring x-rays'],
    [null, null],
  ] as const) {
    assert.equal(verdict(room, note), 'overtaken');
  }
});

test('only a move can be overtaken, and another kind of record is never it', () => {
  const moved = appointmentRecord('A1', NEW);
  assert.equal(judge({ kind: 'confirm', marker: 'm', foreignId: 'A1' }, moved, {}), 'untouched');
  assert.equal(judge({ kind: 'cancel', marker: 'm', foreignId: 'A1' }, { ...moved, cancelled: true }, {}), 'written');
  assert.equal(judge(update(NEW), patientRecord('A1'), OLD), 'untouched');
});
