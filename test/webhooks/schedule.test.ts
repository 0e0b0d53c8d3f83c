import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Attempt,
  GIVE_UP_AFTER_MS,
  isSuccess,
  judgeDelivery,
  judgeEndpoint,
  parseRetryAfter,
  RETRIES_MS,
  SWITCH_OFF_AFTER_MS,
} from '../../src/webhooks/schedule.ts';

const T0 = Date.parse('2026-12-01T14:00:00.000Z');
const HOUR_MS = 3_600_000;

const attemptOf = (values: Partial<Attempt> = {}): Attempt => ({
  attemptedAtMs: T0,
  durationMs: 0,
  statusCode: 500,
  errorCode: null,
  retryAfterMs: null,
  ...values,
});

/** The tries of a delivery whose receiver always fails, each made the moment it is due. */
function triesOf(random: () => number, result: Partial<Attempt> = {}): number[] {
  const tries = [T0];
  for (;;) {
    const at = tries.at(-1) ?? T0;
    const before = { attempts: tries.length - 1, firstAttemptAtMs: tries.length === 1 ? null : T0 };
    const verdict = judgeDelivery(attemptOf({ ...result, attemptedAtMs: at }), before, random());
    if (verdict.state !== 'pending') {
      assert.equal(verdict.state, 'failed');
      return tries;
    }
    tries.push(verdict.dueAtMs);
  }
}

test('without jitter the tries come exactly when NexHealth makes them', () => {
  const seconds = triesOf(() => 0.5).map((at) => (at - T0) / 1000);
  assert.deepEqual(seconds, [0, 30, 90, 210, 600, 1_800, 7_200, 18_000, 36_000, 86_400, 172_800]);
});

test('with any jitter there are eleven tries, each within a tenth of its time and none after 48 hours', () => {
  const randoms = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
    minLength: 10,
    maxLength: 10,
  });
  fc.assert(
    fc.property(randoms, (values) => {
      const queue = [...values];
      const tries = triesOf(() => queue.shift() ?? 0);
      const elapsed = tries.map((at) => at - T0);
      assert.equal(tries.length, 11);
      for (const [index, offsetMs] of RETRIES_MS.entries()) {
        const actual = elapsed[index + 1] ?? 0;
        assert.ok(actual >= offsetMs * 0.9 - 1, `try ${index + 2} at ${actual}, planned ${offsetMs}`);
        assert.ok(actual <= Math.max(offsetMs * 1.1 + 1, (elapsed[index] ?? 0) + 30_000));
      }
      assert.ok((elapsed.at(-1) ?? 0) <= GIVE_UP_AFTER_MS);
      assert.ok(elapsed.every((at, index) => index === 0 || at - (elapsed[index - 1] ?? 0) >= 30_000 - 1));
    }),
  );
});

test('a success ends the delivery whatever came before', () => {
  for (const statusCode of [200, 201, 202, 204, 299]) {
    assert.deepEqual(judgeDelivery(attemptOf({ statusCode }), { attempts: 10, firstAttemptAtMs: T0 - 1 }, 0.5), {
      state: 'delivered',
    });
  }
  for (const statusCode of [100, 199, 300, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503, null]) {
    assert.equal(isSuccess(attemptOf({ statusCode })), false, String(statusCode));
  }
});

test('retries that fell behind are not made all at once, and none is made after the schedule is over', () => {
  const late = attemptOf({ attemptedAtMs: T0 + 20 * HOUR_MS, durationMs: 400 });
  assert.deepEqual(judgeDelivery(late, { attempts: 1, firstAttemptAtMs: T0 }, 0.5), {
    state: 'pending',
    dueAtMs: T0 + 20 * HOUR_MS + 400 + 30_000,
  });
  const over = attemptOf({ attemptedAtMs: T0 + 49 * HOUR_MS });
  assert.deepEqual(judgeDelivery(over, { attempts: 1, firstAttemptAtMs: T0 }, 0.5), { state: 'failed' });
});

test('Retry-After delays and never hastens; 429 without it waits a minute', () => {
  const first = { attempts: 0, firstAttemptAtMs: null };
  const dueIn = (values: Partial<Attempt>) => {
    const verdict = judgeDelivery(attemptOf(values), first, 0.5);
    return verdict.state === 'pending' ? verdict.dueAtMs - T0 : null;
  };
  assert.equal(dueIn({ statusCode: 503, retryAfterMs: 1_000 }), 30_000);
  assert.equal(dueIn({ statusCode: 503, retryAfterMs: 7_200_000 }), 7_200_000);
  assert.equal(dueIn({ statusCode: 429 }), 60_000);
  assert.equal(dueIn({ statusCode: 429, retryAfterMs: 5_000 }), 60_000);
  assert.equal(dueIn({ statusCode: 429, retryAfterMs: 90_000 }), 90_000);
});

test('a retry that Retry-After moves past the end is the last one', () => {
  const elapsed = triesOf(() => 0.5, { statusCode: 429, retryAfterMs: 20 * HOUR_MS }).map((at) => (at - T0) / HOUR_MS);
  assert.deepEqual(elapsed, [0, 20, 40, 60]);
});

test('Retry-After is read as seconds or as a date, at most a day, and garbage is none', () => {
  const table: [string | string[] | undefined, number | null][] = [
    [undefined, null],
    ['', null],
    ['120', 120_000],
    [' 0 ', 0],
    [['7', '9'], 7_000],
    ['99999999999999999999', 24 * HOUR_MS],
    ['Tue, 01 Dec 2026 14:02:00 GMT', 120_000],
    ['Tue, 01 Dec 2026 13:00:00 GMT', 0],
    ['Fri, 31 Dec 2027 23:59:59 GMT', 24 * HOUR_MS],
    ['Tuesday, 01-Dec-26 14:02:00 GMT', 120_000],
    ['-5', null],
    ['1.5', null],
    ['1e3', null],
    ['soon', null],
    ['5 minutes', null],
    ['2026-12-01T14:02:00Z', null],
    ['Xyz, not a date GMT', null],
  ];
  for (const [header, expected] of table) assert.equal(parseRetryAfter(header, T0), expected, String(header));
});

test('an endpoint goes off after 48 hours of failures, or at once on 410, and a success forgives', () => {
  const since = T0 - SWITCH_OFF_AFTER_MS;
  assert.deepEqual(judgeEndpoint(attemptOf(), null), { failingSinceMs: T0, staysActive: true });
  assert.deepEqual(judgeEndpoint(attemptOf(), since + 1), { failingSinceMs: since + 1, staysActive: true });
  assert.deepEqual(judgeEndpoint(attemptOf(), since), { failingSinceMs: since, staysActive: false });
  assert.deepEqual(judgeEndpoint(attemptOf({ statusCode: null, errorCode: 'timeout' }), since - HOUR_MS), {
    failingSinceMs: since - HOUR_MS,
    staysActive: false,
  });
  assert.deepEqual(judgeEndpoint(attemptOf({ statusCode: 410 }), null), { failingSinceMs: T0, staysActive: false });
  assert.deepEqual(judgeEndpoint(attemptOf({ statusCode: 204 }), since - HOUR_MS), {
    failingSinceMs: null,
    staysActive: true,
  });
});
