import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatTs, parseDate, parseTs } from '../../src/connectors/hl7v2/time.ts';

const NEW_YORK = 'America/New_York';

test('times', () => {
  const cases: [text: string, instant: string | null][] = [
    ['20261201100000-0500', '2026-12-01T15:00:00.000Z'],
    ['20261201100000', '2026-12-01T15:00:00.000Z'],
    ['202612011000', '2026-12-01T15:00:00.000Z'],
    ['202607011000', '2026-07-01T14:00:00.000Z'],
    ['202612011000+0100', '2026-12-01T09:00:00.000Z'],
    ['20250101120000.1234-0500', '2025-01-01T17:00:00.123Z'],
    ['20250101120000.5', '2025-01-01T17:00:00.500Z'],
    [' 202612011000 ', '2026-12-01T15:00:00.000Z'],
    ['20250101120000-0000', '2025-01-01T12:00:00.000Z'],
    ['20250101120000+0000', '2025-01-01T12:00:00.000Z'],
    ['20250101120000+1400', '2024-12-31T22:00:00.000Z'],
    ['20250101120000-0330', '2025-01-01T15:30:00.000Z'],
    // The hour that never happens is the moment of the jump; of the hour that happens twice, the first.
    ['20260308023000', '2026-03-08T07:00:00.000Z'],
    ['20261101013000', '2026-11-01T05:30:00.000Z'],
    ['20261101013000-0500', '2026-11-01T06:30:00.000Z'],
    // Not precise to the minute.
    ['2025', null],
    ['202502', null],
    ['20250101', null],
    ['2025010110', null],
    ['20250101-0500', null],
    // Neither the day nor the time exists.
    ['202502301000', null],
    ['20250230', null],
    ['202513011000', null],
    ['20250101240000', null],
    ['20250101126000', null],
    ['20250101120060', null],
    ['189912311200', null],
    // No zone is there.
    ['20250101120000+1500', null],
    ['20250101120000-1401', null],
    ['20250101120000+0160', null],
    ['20250101120000Z', null],
    ['2025-01-01T12:00:00Z', null],
    ['20250101120000.', null],
    ['20250101120000.12345', null],
    ['', null],
    ['now', null],
  ];
  for (const [text, instant] of cases) assert.equal(parseTs(text, NEW_YORK), instant, text);
});

test('dates', () => {
  const cases: [text: string, date: string | null][] = [
    ['19800229', '1980-02-29'],
    ['19810229', null],
    ['20250131235959.1234-0500', '2025-01-31'],
    ['198002291000', '1980-02-29'],
    ['1980', null],
    ['198002', null],
    ['00000000', null],
    ['18500101', null],
    ['1980-02-29', null],
    ['19800229x', null],
    ['', null],
  ];
  for (const [text, date] of cases) assert.equal(parseDate(text), date, text);
});

test('what is written is read again as the same instant, in every zone, read with its offset or without', () => {
  assert.equal(formatTs('2026-12-01T15:00:00.000Z', NEW_YORK), '20261201100000-0500');
  assert.equal(formatTs('2026-07-01T15:00:59.999Z', 'Asia/Kathmandu'), '20260701204559+0545');
  const zone = fc.constantFrom(
    NEW_YORK,
    'UTC',
    'Asia/Kathmandu',
    'Pacific/Chatham',
    'Pacific/Kiritimati',
    'America/St_Johns',
  );
  const second = fc.integer({ min: 0, max: 4_102_444_799 });
  fc.assert(
    fc.property(second, zone, fc.constantFrom(NEW_YORK, 'UTC'), (second, zone, other) => {
      const iso = new Date(second * 1000).toISOString();
      assert.equal(parseTs(formatTs(iso, zone), other), iso);
    }),
  );
});
