import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allowedCalls, freeAtMs, type Limits, PERIODS, type Period, rhythmOf, windowAt } from '../../src/sync/quota.ts';

const at = (text: string) => Date.parse(text);
const DAY_MS = 86_400_000;

test('windows are the minutes, hours and months of UTC', () => {
  for (const [period, now, began, ends] of [
    ['minute', '2026-11-22T14:43:01.500Z', '2026-11-22T14:43:00.000Z', '2026-11-22T14:44:00.000Z'],
    ['hour', '2026-11-22T14:00:00.000Z', '2026-11-22T14:00:00.000Z', '2026-11-22T15:00:00.000Z'],
    ['month', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['month', '2028-02-29T12:00:00.000Z', '2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'],
  ] as const) {
    assert.deepEqual(windowAt(period, at(now)), { beganMs: at(began), endsMs: at(ends) });
  }
});

test('what changes leaves a part to writes, and everything else leaves more', () => {
  const now = at('2026-11-22T14:43:00.000Z');
  for (const period of ['minute', 'hour'] as const) {
    assert.equal(allowedCalls(period, 1_000, 'write', now), 1_000);
    assert.equal(allowedCalls(period, 1_000, 'near', now), 850);
    assert.equal(allowedCalls(period, 1_000, 'far', now), 600);
    for (const purpose of ['write', 'near', 'far'] as const) assert.equal(allowedCalls(period, 1, purpose, now), 1);
  }
});

test('reading spends a month day by day, writes do not', () => {
  assert.equal(allowedCalls('month', 30_000, 'near', at('2026-11-01T00:00:00.000Z')), 850);
  assert.equal(allowedCalls('month', 30_000, 'near', at('2026-11-30T23:59:00.000Z')), 25_500);
  assert.equal(allowedCalls('month', 30_000, 'write', at('2026-11-01T00:00:00.000Z')), 30_000);
  const first = at('2026-11-01T08:00:00.000Z');
  assert.equal(freeAtMs('month', 30_000, 849, 'near', first), first);
  assert.equal(freeAtMs('month', 30_000, 850, 'near', first), at('2026-11-02T00:00:00.000Z'));
  assert.equal(freeAtMs('month', 30_000, 2_550, 'near', first), at('2026-11-04T00:00:00.000Z'));
  assert.equal(freeAtMs('month', 30_000, 25_500, 'near', first), at('2026-12-01T00:00:00.000Z'));
});

const period = fc.constantFrom(...PERIODS);
const purpose = fc.constantFrom('write' as const, 'near' as const, 'far' as const);
const instant = fc.integer({ min: at('2026-01-01T00:00:00.000Z'), max: at('2029-01-01T00:00:00.000Z') });

test('a call is free from the first ms on at which there is room, and that is when it is said to be', () => {
  fc.assert(
    fc.property(
      period,
      purpose,
      instant,
      fc.integer({ min: 1, max: 5_000 }),
      fc.nat(6_000),
      (of, why, now, limit, used) => {
        const freeMs = freeAtMs(of, limit, used, why, now);
        const { endsMs } = windowAt(of, now);
        const hasRoom = (ms: number) => used < allowedCalls(of, limit, why, ms);
        assert.ok(freeMs >= now && freeMs <= endsMs);
        if (freeMs < endsMs) assert.ok(hasRoom(freeMs));
        if (freeMs > now) assert.ok(!hasRoom(freeMs - 1) && !hasRoom(now));
      },
    ),
  );
});

const LENGTHS_MS: Record<Period, number> = { minute: 60_000, hour: 3_600_000, month: 31 * DAY_MS };

test('passes in that rhythm leave a quarter of every window to writes and pushes', () => {
  const limit = fc.option(fc.integer({ min: 1, max: 100_000 }));
  const limits: fc.Arbitrary<Limits> = fc.record({ minute: limit, hour: limit, month: limit });
  const calls = fc.option(fc.integer({ min: 0, max: 500 }));
  fc.assert(
    fc.property(limits, calls, calls, (of, passCalls, fullPassCalls) => {
      const asked = { sync_cycle_ms: 60_000, full_pass_every_ms: 3_600_000 };
      const { cycleMs, fullPassEveryMs } = rhythmOf(asked, of, { passCalls, fullPassCalls });
      assert.ok(cycleMs >= 60_000 && fullPassEveryMs >= 3_600_000);
      for (const name of PERIODS) {
        const planned =
          (LENGTHS_MS[name] / cycleMs) * (passCalls ?? 0) + (LENGTHS_MS[name] / fullPassEveryMs) * (fullPassCalls ?? 0);
        assert.ok(planned <= (of[name] ?? Number.POSITIVE_INFINITY) * 0.75 + 1e-6);
      }
    }),
  );
});

test('a thousand calls an hour and passes of five calls: every 36 seconds', () => {
  const limits = { minute: null, hour: 1_000, month: null };
  const rhythm = rhythmOf({ sync_cycle_ms: 10_000, full_pass_every_ms: 3_600_000 }, limits, {
    passCalls: 5,
    fullPassCalls: 400,
  });
  assert.deepEqual(rhythm, { cycleMs: 36_000, fullPassEveryMs: 5_760_000 });
});
