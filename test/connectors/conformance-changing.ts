import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { OutcomeUnknown, type Write } from '../../src/connectors/connector.ts';
import { type Actions, assertRefused, getDone, pick, readAll } from './bench-actions.ts';

/** Appointments that stand: moved, described anew, shared. */
export function changingTests(actions: Actions): void {
  const {
    bench,
    capabilities,
    bookingAt,
    execute,
    createAt,
    updateOf,
    stepOn,
    book,
    getAppointment,
    liveAt,
    able,
    faulty,
  } = actions;
  const desk = () => bench().desk;

  able(['reschedule'], 'moves an appointment: its new time is taken, its old one free', async () => {
    const [before, after] = [await desk().takeFreeTime(), await desk().takeFreeTime()];
    const foreignId = await book(before);
    const booked = await getAppointment(foreignId);
    const { cursor } = await readAll(bench().connector, null);
    const move = updateOf(foreignId, pick(after, 'startAt', 'endAt'));
    getDone(await execute(move));
    getDone(await execute(move));
    const moved = await getAppointment(foreignId);
    assert.deepEqual(moved, { ...booked, ...pick(after, 'startAt', 'endAt') });
    const { records } = await readAll(bench().connector, cursor);
    assert.deepEqual(
      records.findLast((record) => record.kind === 'appointment' && record.foreignId === foreignId),
      moved,
    );
    await book(before);
    assertRefused(await execute(createAt(after)), 'slot_taken');
  });

  able(['reschedule'], 'moves no appointment onto another, and then nothing of it has changed', async () => {
    const [before, taken] = [await desk().takeFreeTime(), await desk().takeFreeTime()];
    const foreignId = await book(before);
    await book(taken);
    const booked = await getAppointment(foreignId);
    const note = capabilities().changeNote ? { note: 'moved' } : {};
    assertRefused(await execute(updateOf(foreignId, { ...pick(taken, 'startAt', 'endAt'), ...note })), 'slot_taken');
    assert.deepEqual(await getAppointment(foreignId), booked);
  });

  able(['changeOperatory'], 'changes the operatory, and leaves the rest', async () => {
    const time = await desk().takeFreeTime();
    const foreignId = await book(time);
    const booked = await getAppointment(foreignId);
    const operatoryForeignId = desk().otherOperatoryForeignId;
    getDone(await execute(updateOf(foreignId, { operatoryForeignId })));
    assert.deepEqual(await getAppointment(foreignId), { ...booked, operatoryForeignId });
    getDone(await execute(updateOf(foreignId, { operatoryForeignId: time.operatoryForeignId })));
    assert.deepEqual(await getAppointment(foreignId), booked);
  });

  able(['changeNote'], 'changes the note, and leaves the rest', async () => {
    const foreignId = await book(await desk().takeFreeTime());
    const booked = await getAppointment(foreignId);
    for (const note of ['second thoughts', null]) {
      getDone(await execute(updateOf(foreignId, { note })));
      assert.deepEqual(await getAppointment(foreignId), { ...booked, note });
    }
  });

  faulty(
    'crossing',
    'does not undo what people do in the same moment',
    async () => {
      const { confirm, changeNote } = capabilities();
      const changes: ((foreignId: string) => Write)[] = [
        ...(confirm ? [(foreignId: string) => stepOn('confirm', foreignId)] : []),
        ...(changeNote ? [(foreignId: string) => updateOf(foreignId, { note: 'too late' })] : []),
      ];
      for (const change of changes) {
        const foreignId = await book(await desk().takeFreeTime());
        const crossed = bench().faults.meanwhile('writes', 0, () => desk().cancelAppointment(foreignId));
        const ended = await execute(change(foreignId)).catch((error) => error);
        assert.equal(crossed.hits(), 1);
        await crossed.done;
        if (ended instanceof Error) assert.ok(ended instanceof OutcomeUnknown, String(ended));
        assert.equal((await getAppointment(foreignId)).cancelled, true);
      }
    },
    ['createAppointment'],
  );

  able(['createAppointment'], 'lets as many share a time of a provider as each of them allows', async () => {
    const { appointmentsPerTimeslot: most, reschedule } = capabilities();
    if (most === 1) return;
    const time = await desk().takeFreeTime();
    const sharing = (seats: number): Write => {
      const appointment = { ...bookingAt(time), operatoryForeignId: null, appointmentsPerTimeslot: seats };
      return { kind: 'create_appointment', marker: randomUUID(), appointment };
    };
    for (let seat = 1; seat <= most; seat++) {
      if (seat > 1) assertRefused(await execute(sharing(seat - 1)), 'slot_taken');
      getDone(await execute(sharing(seat)));
    }
    assert.equal((await liveAt(time)).length, most);
    assertRefused(await execute(sharing(most)), 'slot_taken');
    if (!reschedule) return;
    const foreignId = await book(await desk().takeFreeTime());
    const changes = pick(time, 'startAt', 'endAt');
    assertRefused(await execute(updateOf(foreignId, changes, most)), 'slot_taken');
    const [one] = await liveAt(time);
    getDone(await execute(stepOn('cancel', one?.foreignId as string)));
    getDone(await execute(updateOf(foreignId, changes, most)));
  });
}
