import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  afterSearchFailed,
  type CommandFacts,
  MAX_ATTEMPTS,
  nextMove,
  resendDelayMs,
  retryDelayMs,
} from '../../src/commands/machine.ts';

const queued: CommandFacts = { state: 'queued', attempts: 0, expiresMs: 1_000, settlesMs: null, paused: false };

test('what was never sent is sent before the start and timed out at it', () => {
  assert.deepEqual(nextMove(queued, 999), { do: 'send' });
  assert.deepEqual(nextMove(queued, 1_000), { do: 'finish', state: 'timed_out', reason: 'hrs_unreachable' });
});

test('a request that may be out is waited for, then looked up, also after the start', () => {
  for (const state of ['sent', 'unknown', 'settling'] as const) {
    const command = { ...queued, state, attempts: 1, settlesMs: 2_000 };
    assert.deepEqual(nextMove(command, 1_500), { do: 'settle', untilMs: 2_000 });
    assert.deepEqual(nextMove(command, 2_000), { do: 'search' });
  }
});

test('while paused nothing is sent or looked up, and the start ends it all the same', () => {
  for (const state of ['queued', 'searched'] as const) {
    const command = { ...queued, state, paused: true };
    assert.deepEqual(nextMove(command, 999), { do: 'rest' });
    assert.deepEqual(nextMove(command, 1_000), { do: 'finish', state: 'timed_out', reason: 'connection_paused' });
  }
  for (const state of ['sent', 'unknown', 'settling'] as const) {
    const command = { ...queued, state, attempts: 1, settlesMs: 500, paused: true };
    assert.deepEqual(nextMove(command, 499), { do: 'settle', untilMs: 500 });
    assert.deepEqual(nextMove(command, 999), { do: 'rest' });
    const inDoubt = { do: 'finish', state: 'incomplete', reason: 'outcome_unknown' };
    assert.deepEqual(nextMove(command, 1_000), inDoubt);
    assert.deepEqual(nextMove({ ...command, settlesMs: 2_000 }, 1_000), { do: 'settle', untilMs: 2_000 });
  }
});

test('in doubt at the start it is incomplete, never timed out', () => {
  const command: CommandFacts = { ...queued, state: 'settling', attempts: 1, settlesMs: 500 };
  assert.equal(afterSearchFailed(command, 999), null);
  assert.deepEqual(afterSearchFailed(command, 1_000), { do: 'finish', state: 'incomplete', reason: 'outcome_unknown' });
});

test('a write is sent a bounded number of times', () => {
  const command: CommandFacts = { ...queued, state: 'searched', attempts: MAX_ATTEMPTS };
  assert.deepEqual(nextMove(command, 0), { do: 'finish', state: 'failed', reason: 'attempts_exhausted' });
});

test('a write that vanishes is sent again at once, then ever later, and always before the start', () => {
  const WEEK_MS = 604_800_000;
  const pauses = [1, 2, 3, 4, 5, 6, 7].map((attempts) => resendDelayMs(attempts, WEEK_MS) / 1_000);
  assert.deepEqual(pauses, [0, 2, 10, 50, 250, 600, 600]);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: MAX_ATTEMPTS }),
      fc.integer({ min: -1_000, max: WEEK_MS }),
      (attempts, left) => {
        const delayMs = resendDelayMs(attempts, left);
        assert.ok(delayMs >= 0 && delayMs <= Math.max(0, left / 2));
      },
    ),
  );
});

/** What an HRS can do with one request: the truth, and what we get to see of it. */
const behaviour = fc.record({
  does: fc.boolean(),
  doesAfterMs: fc.nat(400),
  answers: fc.constantFrom('truth' as const, 'nothing' as const, 'unreachable' as const),
  searchable: fc.boolean(),
});

test('whatever the HRS does: at most one copy, one end, and nothing sent after the start', () => {
  fc.assert(
    fc.property(fc.array(behaviour, { maxLength: 30 }), fc.integer({ min: 0, max: 20_000 }), (script, startMs) => {
      const settleMs = 500;
      let nowMs = 0;
      let copyAtMs: number | null = null;
      let command: CommandFacts = { state: 'queued', attempts: 0, expiresMs: startMs, settlesMs: null, paused: false };
      let failures = 0;
      let ended: string | null = null;
      for (let step = 0; ended === null && step < 2_000; step += 1) {
        const hrs = script[step % Math.max(script.length, 1)] ?? {
          does: true,
          doesAfterMs: 0,
          answers: 'truth',
          searchable: true,
        };
        const move = nextMove(command, nowMs);
        if (move.do === 'finish') ended = move.state;
        else if (move.do === 'settle') nowMs = move.untilMs;
        else if (move.do === 'search') {
          if (!hrs.searchable) {
            const end = afterSearchFailed(command, nowMs);
            if (end?.do === 'finish') ended = end.state;
            failures += 1;
            nowMs += retryDelayMs(failures, null);
          } else if (copyAtMs !== null && copyAtMs <= nowMs) ended = 'complete';
          else {
            assert.equal(copyAtMs, null, 'searched before the HRS could be done with it');
            command = { ...command, state: 'searched', settlesMs: null };
          }
        } else {
          assert.ok(nowMs < startMs, 'sent after the start');
          if (hrs.answers === 'unreachable') {
            failures += 1;
            nowMs += retryDelayMs(failures, null);
            continue;
          }
          command = { ...command, attempts: command.attempts + 1 };
          if (hrs.does) {
            assert.equal(copyAtMs, null, 'a second copy');
            copyAtMs = nowMs + hrs.doesAfterMs;
          }
          if (hrs.answers === 'truth' && hrs.does && hrs.doesAfterMs === 0) ended = 'complete';
          else command = { ...command, state: 'settling', settlesMs: nowMs + settleMs };
        }
      }
      assert.notEqual(ended, null, 'it never ended');
      if (ended === 'timed_out' || ended === 'failed') assert.equal(copyAtMs, null, `${ended}, yet it is there`);
      if (ended === 'complete') assert.notEqual(copyAtMs, null);
    }),
    { numRuns: 2_000 },
  );
});
