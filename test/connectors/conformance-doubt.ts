import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type AppointmentChanges, OutcomeUnknown, Unavailable, type Write } from '../../src/connectors/connector.ts';
import { type ArmableFault, BAD_ANSWERS, DOUBTS, type Marked } from './bench.ts';
import { type Actions, getDone, pick, tooLong } from './bench-actions.ts';

const CREATES = {
  patient: 'createPatient',
  appointment: 'createAppointment',
  patient_alert: 'createAlert',
} as const satisfies Record<Marked, string>;

/** Writes on a bad line: what was promised, what is in doubt, and one record in the end. */
export function doubtTests(actions: Actions): void {
  const { bench, capabilities, execute, createAt, updateOf, stepOn, alertWrite, patientWrite } = actions;
  const { book, getAppointment, getAlert, findByMarker, liveAt, able, faulty } = actions;
  const desk = () => bench().desk;
  const count = (kind: Marked, { marker }: Write) => desk().countByMarker(kind, marker);

  faulty(
    'poweredOff',
    'promises that nothing was done when the HRS is off',
    async () => {
      const write = createAt(await desk().takeFreeTime());
      await bench().faults.turnOff();
      await assert.rejects(execute(write), Unavailable);
      await bench().faults.turnOn();
      assert.equal(await count('appointment', write), 0);
      getDone(await execute(write));
    },
    ['createAppointment'],
  );

  faulty(
    'quotaForWork',
    'promises that nothing was done when the HRS asks to wait, and says how long',
    async () => {
      const write = createAt(await desk().takeFreeTime());
      bench().faults.arm('quotaForWork', 0);
      await assert.rejects(execute(write), { name: 'Unavailable', retryAfterMs: 7_000 });
      assert.equal(await count('appointment', write), 0);
      getDone(await execute(write));
      assert.equal(await count('appointment', write), 1);
    },
    ['createAppointment'],
  );

  able(['createAppointment'], 'has no doubt about what it was told to drop before it began', async () => {
    const write = createAt(await desk().takeFreeTime());
    await assert.rejects(bench().connector.execute(write, AbortSignal.abort()), Unavailable);
    assert.equal(await count('appointment', write), 0);
  });

  for (const [fault, what] of Object.entries(DOUBTS) as [keyof typeof DOUBTS, string][]) {
    for (const kind of ['patient', 'appointment', 'patient_alert'] as const) {
      faulty(
        fault,
        `never takes ${what} for a done ${kind}, and makes one in the end`,
        async () => {
          // Each request that the write consists of, in turn.
          for (let at = 0; ; at++) {
            const time = await desk().takeFreeTime();
            const writesOf = { patient: patientWrite, appointment: () => createAt(time), patient_alert: alertWrite };
            const write = await writesOf[kind]();
            const armed = bench().faults.arm(fault, at);
            const ended = await execute(write).catch((error) => error);
            bench().faults.clear();
            if (armed.hits() === 0) {
              getDone(ended);
              assert.ok(at > 0, 'no request was hit');
              break;
            }
            await armed.done;
            const copies = await count(kind, write);
            // A connector may have looked for itself; then it has to be right.
            if (ended instanceof Error) assert.ok(ended instanceof OutcomeUnknown, `request ${at}: ${ended}`);
            else assert.equal(getDone(ended) && copies, 1);
            if (capabilities().marker === 'none') continue;
            assert.equal((await findByMarker(kind, write.marker)).length, copies);
            getDone(await execute(write));
            assert.equal(await count(kind, write), 1);
            if (kind === 'appointment') assert.equal((await liveAt(time)).length, 1);
          }
        },
        [CREATES[kind]],
      );
    }

    faulty(
      fault,
      `calls ${what} unknown when confirming and cancelling, too`,
      async () => {
        const foreignId = await book(await desk().takeFreeTime());
        for (const kind of ['confirm', 'cancel'] as const) {
          if (!capabilities()[kind]) continue;
          const shows = async () => (await getAppointment(foreignId))[kind === 'confirm' ? 'confirmed' : 'cancelled'];
          await inDoubt(fault, stepOn(kind, foreignId), shows);
          assert.equal(await shows(), true);
        }
      },
      ['createAppointment'],
    );

    faulty(
      fault,
      `calls ${what} unknown when changing an appointment or an alert`,
      async () => {
        const { reschedule, changeOperatory, changeNote, createAlert, changeAlert } = capabilities();
        const time = await desk().takeFreeTime();
        const foreignId = await book(time);
        const changes: AppointmentChanges = {
          ...(reschedule ? pick(await desk().takeFreeTime(), 'startAt', 'endAt') : {}),
          ...(changeOperatory ? { operatoryForeignId: desk().otherOperatoryForeignId } : {}),
          ...(changeNote ? { note: `after ${what}` } : {}),
        };
        if (Object.keys(changes).length > 0) {
          const shows = async () => {
            const now = await getAppointment(foreignId);
            return Object.entries(changes).every(([name, value]) => now[name as keyof typeof now] === value);
          };
          await inDoubt(fault, updateOf(foreignId, changes), shows);
          assert.equal(await shows(), true);
          if (reschedule) await book(time);
        }
        if (!createAlert || !changeAlert) return;
        const alertId = getDone(await execute(alertWrite())).foreignId;
        const isDisabled = async () => (await getAlert(alertId)).disabledAt !== null;
        const disable: Write = { kind: 'change_alert', marker: randomUUID(), foreignId: alertId, disabled: true };
        await inDoubt(fault, disable, isDisabled);
        assert.equal(await isDisabled(), true);
      },
      ['createAppointment'],
    );
  }

  /** Doubt at first, unless the connector has looked for itself and is right; and what was wanted in the end. */
  async function inDoubt(fault: ArmableFault, write: Write, shows: () => Promise<boolean>): Promise<void> {
    const armed = bench().faults.arm(fault, 0);
    const ended = await execute(write).catch((error) => error);
    if (ended instanceof Error) assert.ok(ended instanceof OutcomeUnknown, String(ended));
    else assert.ok(getDone(ended) && (await shows()));
    assert.equal(armed.hits(), 1);
    await armed.done;
    getDone(await execute(write));
  }

  faulty(
    'silence',
    'gives up by itself on a write that is never answered',
    async () => {
      const write = createAt(await desk().takeFreeTime());
      bench().faults.arm('silence', 0);
      const startedMs = performance.now();
      await bench()
        .connector.execute(write, AbortSignal.timeout(20_000))
        .catch(() => {});
      assert.ok(performance.now() - startedMs < tooLong(bench().timeoutMs));
    },
    ['createAppointment'],
  );

  for (const fault of ['cutRead', 'maintenance', 'serverError'] as const) {
    faulty(
      fault,
      `knows what it has done when it meets ${BAD_ANSWERS[fault]} while it looks before and after`,
      async () => {
        for (let at = 0; ; at++) {
          const write = createAt(await desk().takeFreeTime());
          const armed = bench().faults.arm(fault, at);
          const ended = await execute(write).catch((error) => error);
          bench().faults.clear();
          if (armed.hits() === 0) break;
          const copies = await count('appointment', write);
          if (!(ended instanceof Error)) assert.equal(getDone(ended) && copies, 1);
          else if (!(ended instanceof OutcomeUnknown)) {
            assert.ok(ended instanceof Unavailable, `request ${at}: ${ended}`);
            assert.equal(copies, 0, `request ${at}: it was done, and called undone`);
          }
          if (capabilities().marker === 'none') continue;
          getDone(await execute(write));
          assert.equal(await count('appointment', write), 1);
        }
      },
      ['createAppointment'],
    );
  }

  faulty(
    'repeatedWork',
    'finds every copy when the network repeats a write',
    async () => {
      const write = createAt(await desk().takeFreeTime());
      bench().faults.arm('repeatedWork', 'every');
      const ended = await execute(write).catch((error) => error);
      const copies = await count('appointment', write);
      if (ended instanceof OutcomeUnknown || copies !== 1) assert.notEqual(capabilities().marker, 'unique');
      else getDone(ended);
      if (capabilities().marker === 'none') return;
      assert.equal((await findByMarker('appointment', write.marker)).length, copies);
    },
    ['createAppointment'],
  );

  faulty(
    'overtakenWork',
    'makes one record even of a write that lands after its repetition, where markers are unique',
    async () => {
      if (capabilities().marker !== 'unique') return;
      const write = createAt(await desk().takeFreeTime());
      const armed = bench().faults.arm('overtakenWork', 0);
      await assert.rejects(execute(write), OutcomeUnknown);
      getDone(await execute(write));
      await armed.done;
      assert.equal(await count('appointment', write), 1);
    },
    ['createAppointment'],
  );

  faulty(
    'slowReply',
    'waits for a slow answer',
    async () => {
      bench().faults.arm('slowReply', 0);
      await book(await desk().takeFreeTime());
    },
    ['createAppointment'],
  );
}
